"""The folder of the project that is served, and that of the files which come with this package."""

import os
import sys
from pathlib import Path


def find_root() -> Path:
    """The project's folder, where `main.py`, `conf/`, `data/` and `client/` are.

    MODEL_SERVING_ROOT names it. Otherwise it is the folder of the `main.py` that runs or is imported, or the
    nearest one with a `main.py` and a `conf` folder, from the working directory upwards, or that itself.
    """
    if named := os.environ.get('MODEL_SERVING_ROOT'):
        return Path(named).resolve()
    for name in ('__main__', 'main'):  # Run as a program, or imported by a server.
        program = Path(getattr(sys.modules.get(name), '__file__', None) or '')
        if program.name == 'main.py' and _is_project(program.resolve().parent):
            return program.resolve().parent
    here = Path.cwd()
    return next((folder for folder in [here, *here.parents] if _is_project(folder)), here)


def _is_project(folder: Path) -> bool:
    return (folder / 'main.py').is_file() and (folder / 'conf').is_dir()


def _shipped() -> Path:
    package = Path(__file__).resolve().parent
    installed = package / 'shipped'
    return installed if installed.is_dir() else package.parent


ROOT = find_root()
SHIPPED = _shipped()
"""The files of this package's repository that it is installed with: the repository itself, in a checkout."""


def project_file(name: str) -> Path:
    """The project's file of that name or, where it has none, the one that came with the package."""
    own = ROOT / name
    return own if own.is_file() else SHIPPED / name
