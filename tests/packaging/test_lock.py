"""What is derived from requirements.txt is of the requirements.txt that is there."""

import json
import re
import subprocess
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.packaging.lock import HASHED, LICENCES, LISTED, SBOM, cksum, licence_of
from tests.service_process import ROOT

REMEDY = 'run python -m tests.packaging.lock'


def pins(text: str) -> dict[str, str]:
    found = re.findall(r'^([A-Za-z0-9_.-]+)==(\S+)', text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


LISTED_PINS = pins(LISTED.read_text())


def test_hashes_are_of_these_requirements() -> None:
    text = HASHED.read_text()

    assert pins(text) == LISTED_PINS, REMEDY
    assert cksum(LISTED.read_bytes()) in text.splitlines()[0], REMEDY
    for requirement in re.split(r'\n(?=[A-Za-z])', text)[1:]:
        assert re.search(r'--hash=sha256:[0-9a-f]{64}\b', requirement), requirement


def test_bill_of_materials_is_of_these_requirements() -> None:
    components = json.loads(SBOM.read_text())['components']

    assert {canonicalize_name(each['name']): each['version'] for each in components} == LISTED_PINS, REMEDY
    assert all(map(licence_of, components))


def test_page_of_licences_is_of_these_requirements() -> None:
    rows = re.findall(
        r'^\| ([A-Za-z0-9_.-]+) \| ([0-9]\S*) \| (\S.*) \|$', LICENCES.read_text(), re.MULTILINE
    )

    assert {canonicalize_name(name): version for name, version, _ in rows} == LISTED_PINS, REMEDY


def list_to_install(folder: Path, name: str) -> str:
    functions = (ROOT / 'bin' / 'common.sh').read_text().split('\n\n', 2)[2]
    done = subprocess.run(
        ['sh', '-c', f'{functions}\nlist_to_install {name}'],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_start_installs_with_hashes_until_the_requirements_are_changed(tmp_path: Path) -> None:
    for file in (LISTED, HASHED):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert list_to_install(tmp_path, 'requirements.txt') == 'requirements-hashed.txt'
    assert list_to_install(tmp_path, 'requirements-dev.txt') == 'requirements-dev.txt'

    with (tmp_path / 'requirements.txt').open('a') as file:
        file.write('torch==2.13.0\n')
    assert list_to_install(tmp_path, 'requirements.txt') == 'requirements.txt'
    (tmp_path / 'requirements-hashed.txt').unlink()
    assert list_to_install(tmp_path, 'requirements.txt') == 'requirements.txt'
