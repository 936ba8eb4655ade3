"""The virtual environments under tmp/benchmarks, a copy of the service in it, and what they weigh.

Only the standard library is used here: it makes the environment that the rest runs in.
"""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / 'benchmarks'
FOLDER = ROOT / 'tmp' / 'benchmarks'
MODELS = FOLDER / 'models'
SERVICE = FOLDER / 'service'

MOUNTS = """
    Mount(
        'DigitLabelsModel',
        'benchmarks.served.digit_labels_model_resource:DigitLabelsModelResource',
        packages=('numpy', 'onnxruntime'),
    ),
    Mount(
        'HeavyModel',
        'benchmarks.served.heavy_model_resource:HeavyModelResource',
        packages=('numpy', 'onnxruntime'),
    ),
    Mount('SlowModel', 'benchmarks.served.slow_model_resource:SlowModelResource'),
    Mount(
        'ImageModel',
        'benchmarks.served.image_model_resource:ImageModelResource',
        packages=('numpy',),
    ),
""".lstrip('\n')


class Weight(NamedTuple):
    """What an environment takes: pip itself is left out."""

    mb: float
    distributions: int


def make_environment(name: str, requirements: str) -> Path:
    """A virtual environment with exactly these requirements; its Python."""
    folder = FOLDER / 'environments' / name
    python = folder / 'bin' / 'python'
    done = folder / 'installed.txt'
    if done.is_file() and done.read_text() == requirements:
        return python
    print(f'installing {name} ...', file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run([getattr(sys, '_base_executable', sys.executable), '-m', 'venv', str(folder)])
    listed = folder / 'requirements.txt'
    listed.write_text(requirements)
    run([str(python), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', str(listed)])
    done.write_text(requirements)
    return python


def run(command: list[str]) -> None:
    """Run a command; end with its complaint if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command)}\n{done.stdout}{done.stderr}')


def tools() -> Path:
    """The Python of the environment that the benchmark itself runs in."""
    files = (ROOT / 'requirements.txt', HERE / 'requirements.txt')
    return make_environment('tools', ''.join(file.read_text() for file in files))


def ours() -> dict[str, Path]:
    """The environments of the service: of the default models, of those the peers serve, of XXXModel alone."""
    text = (ROOT / 'requirements.txt').read_text()
    return {
        'ours': make_environment('ours', text),
        'ours, models of the peers': make_environment('ours-peers', without(text, ['# IrisModel'])),
        'ours, XXXModel alone': make_environment(
            'ours-xxx', without(text, ['# IrisModel', '# DigitsModel', '# Numbers'])
        ),
    }


def without(requirements: str, headings: Iterable[str]) -> str:
    """The requirements less the blocks that begin so; README.md tells users to delete them thus."""
    blocks = requirements.split('\n\n')
    kept = [block for block in blocks if not block.startswith(tuple(headings))]
    return '\n\n'.join(kept)


def peer(name: str) -> Path:
    """The Python of a peer's environment."""
    return make_environment(name, (HERE / 'peers' / name / 'requirements.txt').read_text())


def copy_service() -> None:
    """Copy the service to SERVICE, and mount there, by a line each, what only the benchmark serves."""
    shutil.rmtree(SERVICE, ignore_errors=True)
    left_out = shutil.ignore_patterns('__pycache__')
    for name in ('model_serving', 'conf', 'data', 'client', 'benchmarks/served'):
        shutil.copytree(ROOT / name, SERVICE / name, ignore=left_out)
    text = (ROOT / 'main.py').read_text()
    end = ']\n"""What is served'
    if text.count(end) != 1:
        sys.exit('the list MODELS of main.py does not end as it did; see copy_service in benchmarks')
    (SERVICE / 'main.py').write_text(text.replace(end, MOUNTS + end))
    compileall.compile_dir(SERVICE, quiet=1)  # Else its first start alone would take that time.


def weigh(python: Path) -> Weight:
    """Count the bytes and the distributions of an environment."""
    packages = next(python.parent.parent.glob('lib/python*/site-packages'))
    size = 0
    for folder, _, files in os.walk(packages):
        top = Path(folder).relative_to(packages).parts[:1]
        if not top or not top[0].startswith(('pip', 'setuptools', '_distutils_hack')):
            size += sum((Path(folder) / file).lstat().st_size for file in files)
    distributions = [
        path for path in packages.glob('*.dist-info') if not path.name.startswith(('pip-', 'setup'))
    ]
    return Weight(size / 1e6, len(distributions))


def version(python: Path, distribution: str) -> str:
    """The version of a distribution in an environment."""
    (folder,) = python.parent.parent.glob(f'lib/python*/site-packages/{distribution}-*.dist-info')
    return folder.name.removesuffix('.dist-info').rpartition('-')[2]
