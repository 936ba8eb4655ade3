"""Google's own tools, where they are installed: gcloud with its Python, and dev_appserver.py."""

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class GoogleCloudSDK(NamedTuple):
    root: Path
    python: Path
    """The Python that the SDK brings, which its tools and libraries are written for."""

    @property
    def dev_appserver(self) -> Path:
        return self.root / 'platform' / 'google_appengine' / 'dev_appserver.py'


@functools.cache
def find_sdk() -> GoogleCloudSDK | None:
    if shutil.which('gcloud') is None:
        return None
    places = gcloud('info', '--format=value(installation.sdk_root,basic.python_location)')
    root, python = places.rstrip('\n').split('\t')
    return GoogleCloudSDK(Path(root), Path(python))


def gcloud(*arguments: str) -> str:
    with _environment() as environment:
        done = subprocess.run(
            ['gcloud', *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_sdk(sdk: GoogleCloudSDK, script: str, *arguments: str) -> 'subprocess.CompletedProcess[str]':
    """Run `script` in the SDK's Python, with gcloud's own modules on its path."""
    modules = os.pathsep.join([str(sdk.root / 'lib'), str(sdk.root / 'lib' / 'third_party')])
    with _environment() as environment:
        return subprocess.run(
            [sdk.python, '-c', script, *arguments],
            env={**environment, 'PYTHONPATH': modules, 'PYTHONDONTWRITEBYTECODE': '1'},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@contextlib.contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """The environment with a configuration of gcloud that is thrown away: the user's own stays untouched."""
    with tempfile.TemporaryDirectory() as directory:
        yield {
            **os.environ,
            'CLOUDSDK_CONFIG': directory,
            'CLOUDSDK_CORE_DISABLE_PROMPTS': '1',
            'CLOUDSDK_CORE_DISABLE_USAGE_REPORTING': '1',
        }
