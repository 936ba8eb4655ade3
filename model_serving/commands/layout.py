"""Where a project has the packages `models` and `resources`: at its top.

In the repository of this package they are in the package, as it is not installed there.
"""

import re
from pathlib import Path

from model_serving.project import SHIPPED

PACKAGE = 'model_serving'


def template() -> Path:
    """Where this package has the files that a project begins with."""
    packed = SHIPPED / 'project'
    return packed if packed.is_dir() else SHIPPED


def package_of(root: Path) -> str:
    """What the modules of the models begin with in the project at `root`: nothing, or `model_serving.`."""
    return f'{PACKAGE}.' if (root / PACKAGE / 'models').is_dir() else ''


def path_in(root: Path, path: str) -> str:
    """The path, in the project at `root`, of a file that is called so in the repository of this package."""
    return path if package_of(root) else path.removeprefix(f'{PACKAGE}/')


def code_in(root: Path, text: str) -> str:
    """Code of this package's repository, as the project at `root` has it."""
    return text if package_of(root) else re.sub(rf'\b{PACKAGE}\.(models|resources)\b', r'\1', text)


def reference(root: Path, path: str) -> str:
    """The text of a file of the reference model: the project's own or, if that is gone, this package's."""
    own = root / path_in(root, path)
    return own.read_text('utf-8') if own.is_file() else code_in(root, (template() / path).read_text('utf-8'))
