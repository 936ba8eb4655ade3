"""Imports packages before gunicorn forks, so that its workers share the memory and the time of it.

Of the project's own modules only the head is run: what stands above the last import, which is where a package
is told things by the environment, too. So nothing of ours is made before the fork, or made twice, and
gunicorn's reload (HUP) takes new code.
"""

import ast
import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_serving.utils.settings_utils import ROOT


def import_packages(modules: Iterable[str]) -> None:
    """Import every package from outside the project that these modules of ours import, directly or not.

    What cannot be imported is left out: the worker that needs it says so.
    """
    seen: set[str] = set()
    remaining = list(modules)
    while remaining:
        module = remaining.pop()
        if module not in seen and (file := _file(module)):
            seen.add(module)
            remaining += _run_head(module, file)


def _run_head(module: str, file: Path) -> Iterable[str]:
    """Run the head of a module of ours without its imports of ours, and return the names of those."""
    ours = []
    names = {'__name__': module, '__package__': _package(module, file), '__file__': str(file)}
    with contextlib.suppress(Exception):
        for statement in _head(file):
            imported = list(_imported(statement, names['__package__']))
            if any(_file(name) for name in imported):
                ours += imported
            else:
                code = compile(ast.Module([statement], []), str(file), 'exec')
                exec(code, names)  # noqa: S102  (It is the project's own code, which a worker will run.)
    return ours


def _head(file: Path) -> list[ast.stmt]:
    statements = ast.parse(file.read_bytes()).body
    imports = [place for place, statement in enumerate(statements) if isinstance(statement, IMPORTS)]
    return statements[: max(imports, default=-1) + 1]


IMPORTS = (ast.Import, ast.ImportFrom)


def _imported(statement: ast.stmt, package: str) -> Iterator[str]:
    """The modules that `statement` imports, and what may be modules: `b` of `from a import b`."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        base = package.split('.')[: -statement.level + 1 or None] if statement.level else []
        module = '.'.join([*base, *filter(None, [statement.module])])
        yield module
        yield from (f'{module}.{alias.name}' for alias in statement.names)


def _file(module: str) -> Path | None:
    """The file of a module of ours; None for any other."""
    path = ROOT.joinpath(*module.split('.'))
    files = (path.with_name(f'{path.name}.py'), path / '__init__.py')
    return next((file for file in files if file.is_file()), None)


def _package(module: str, file: Path) -> str:
    return module if file.name == '__init__.py' else module.rpartition('.')[0]


def threads_lost_by_a_fork() -> int:
    """How many threads of this process a forked one would miss, as far as the system tells (Linux).

    A library that waits for such a thread hangs in the forked process. OpenBLAS ends its threads before
    a fork and starts new ones when they are needed, so one fork shows who is left.
    """
    if _threads() > 1:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return _threads() - 1


def _threads() -> int:
    tasks = Path('/proc/self/task')
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1
