"""Fuzzers of what takes bytes from outside.

Each target is a module with `STRATEGY`, which makes bytes, and `check`, which raises for bytes that break the
property: no answer is 5xx, none takes long or much memory, and the service goes on. What a run finds is kept
in corpus/<target>/, and is tried by every run of the tests from then on.

    .venv-test/bin/python -m tests.fuzz --hours=2 [target]...
"""
