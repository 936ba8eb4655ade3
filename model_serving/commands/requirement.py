"""How a project installs this package: as it has been installed here."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from model_serving.project import SHIPPED
from model_serving.version import __version__

NAME = 'flask-model-serving'


def requirement(vendor: Path) -> str:
    """The line of a project's requirements.txt that names this package.

    Where it was installed from an index, that is its name and version, and else its URL. A wheel that was
    installed as a file is copied into the folder `vendor`, and one is built there from a checkout, so that
    the project can be installed anywhere, by App Engine too. Raises OSError.
    """
    origin = _origin()
    if origin is None:
        return f'{NAME}=={__version__}'
    place = urlsplit(origin['url'])
    if place.scheme != 'file':
        return f'{NAME} @ {_pinned_url(origin)}'
    source = Path(url2pathname(place.path))
    if not source.exists():
        raise OSError(f'{source}, which this package was installed from, is gone; install it again')
    vendor.mkdir(parents=True)
    if source.suffix == '.whl':
        shutil.copy(source, vendor)
    else:
        _build(source, vendor)
    (wheel,) = vendor.glob('*.whl')
    return f'./vendor/{wheel.name}'


def _origin() -> dict[str, Any] | None:
    """What pip has noted of the URL that this package comes from; None where it comes from an index."""
    try:
        noted = distribution(NAME).read_text('direct_url.json')
    except PackageNotFoundError:  # A checkout that nobody has installed.
        return {'url': SHIPPED.as_uri()}
    origin: dict[str, Any] | None = json.loads(noted) if noted else None
    return origin


def _pinned_url(origin: dict[str, Any]) -> str:
    """The URL of an archive, or of the commit of a repository."""
    repository = origin.get('vcs_info')
    if repository is None:
        return str(origin['url'])
    return f'{repository["vcs"]}+{origin["url"]}@{repository["commit_id"]}'


def _build(source: Path, vendor: Path) -> None:
    """Build the wheel of a checkout or a source archive."""
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--wheel-dir', str(vendor)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f'no wheel could be built from {source}:\n{done.stderr}')
