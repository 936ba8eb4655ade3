"""Runs a target for a while, and keeps the smallest input that breaks it."""

import contextlib
import hashlib
import importlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

CORPUS = Path(__file__).parent / 'corpus'
TARGETS = 'http', 'json', 'tensor', 'base64', 'csv', 'gzip', 'form'
EXAMPLES = 200
"""Made between two looks at the clock."""


def target(name: str) -> Any:
    """The module of a target."""
    return importlib.import_module(f'tests.fuzz.{name}_target')


def corpus(name: str) -> list[Path]:
    """The inputs that are kept of a target."""
    return sorted((CORPUS / name).glob('*'))


def fuzz(name: str, seconds: float, check: Callable[[bytes], None] | None = None) -> int:
    """Try inputs for so long. Returns how many; raises what the first that breaks the target has raised."""
    module, end, count, last = target(name), time.monotonic() + seconds, 0, b''
    run = check or module.check

    def each(data: bytes) -> None:
        nonlocal count, last
        count += 1
        if time.monotonic() < end:
            try:
                run(data)
            except Exception:
                last = data
                raise

    search = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )(given(module.STRATEGY)(each))
    while time.monotonic() < end:
        try:
            seed(random.randrange(2**32))(search)()
        except BaseException:
            with contextlib.suppress(OSError):
                folder = CORPUS / name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / hashlib.sha256(last).hexdigest()[:12]).write_bytes(last)
            raise
    return count
