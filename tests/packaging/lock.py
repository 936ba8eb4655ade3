"""Writes what is derived from requirements.txt: `python -m tests.packaging.lock`, after each change of it.

- requirements-hashed.txt: the same distributions with the SHA-256 of each of their files, by uv. bin/start.sh
  installs from it, and pip then takes no other file.
- docs/sbom.cdx.json: the software bill of materials, by cyclonedx-py, of an environment with these.
- docs/licences.md: their licences, from the same environment.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tests.service_process import ROOT

LISTED = ROOT / 'requirements.txt'
HASHED = ROOT / 'requirements-hashed.txt'
SBOM = ROOT / 'docs' / 'sbom.cdx.json'
LICENCES = ROOT / 'docs' / 'licences.md'

TOOLS = 'uv==0.13.9', 'cyclonedx-bom==7.5.0'
NOT_OURS = {'pip', 'setuptools', 'wheel'}
"""What every virtual environment may have."""

AS_THEIR_FILES_SAY = {
    'aniso8601': 'BSD-3-Clause',
    'flask-restful': 'BSD-3-Clause',
    'flatbuffers': 'Apache-2.0',
    'itsdangerous': 'BSD-3-Clause',
    'jinja2': 'BSD-3-Clause',
    'protobuf': 'BSD-3-Clause',
    'scipy': 'BSD-3-Clause',
    'skops': 'MIT',
    'xstatic-jquery': 'MIT',
}
"""Licences that the metadata of a distribution do not name, or not by their SPDX identifier."""


def cksum(text: bytes) -> str:
    """What the program cksum prints of `text`: its POSIX checksum and its length."""
    done = subprocess.run(['cksum'], input=text, capture_output=True, check=True)
    return done.stdout.decode().strip()


def main() -> None:
    """Write the three files."""
    with tempfile.TemporaryDirectory() as folder:
        tools, served = Path(folder, 'tools'), Path(folder, 'served')
        make_environment(tools, *TOOLS)
        HASHED.write_text(hashed(tools))
        make_environment(served, '--require-hashes', '-r', str(HASHED))
        bill = sbom(tools, served)
    SBOM.write_text(json.dumps(bill, indent=1, sort_keys=True) + '\n')
    LICENCES.write_text(licences(bill))


def make_environment(folder: Path, *wanted: str) -> None:
    """A virtual environment with what pip is told to install."""
    subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    subprocess.run([folder / 'bin' / 'pip', 'install', '--quiet', *wanted], check=True)


def hashed(tools: Path) -> str:
    """requirements.txt with hashes. Its first line says which file it was made of."""
    options = '--universal --python-version 3.11 --no-deps --generate-hashes --no-header --no-annotate'
    command = [tools / 'bin' / 'uv', 'pip', 'compile', '--quiet', *options.split(), LISTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    made = f'# Made by python -m tests.packaging.lock of requirements.txt, cksum {cksum(LISTED.read_bytes())}'
    return f'{made}\n{done.stdout}'


def sbom(tools: Path, served: Path) -> dict[str, Any]:
    """The bill of materials: names, versions, licences and who needs whom."""
    program = tools / 'bin' / 'cyclonedx-py'
    options = ['--pyproject', ROOT / 'pyproject.toml', '--output-reproducible', '--short-PURLs']
    done = subprocess.run(
        [program, 'environment', *options, served / 'bin' / 'python'], capture_output=True, check=True
    )
    bill: dict[str, Any] = json.loads(done.stdout)
    bill['components'] = [each for each in bill['components'] if each['name'] not in NOT_OURS]
    references = {'root-component', *[each['bom-ref'] for each in bill['components']]}
    bill['dependencies'] = [each for each in bill['dependencies'] if each['ref'] in references]
    for component in [*bill['components'], *bill['metadata'].pop('tools')['components']]:
        component.pop('externalReferences', None)
        if licence := AS_THEIR_FILES_SAY.get(canonicalize_name(component['name'])):
            component['licenses'] = [{'license': {'id': licence}}]
    return bill


def licences(bill: dict[str, Any]) -> str:
    """The page of licences, a line for each distribution."""
    rows = [f'| {each["name"]} | {each["version"]} | {licence_of(each)} |' for each in bill['components']]
    about = (
        '# Licences\n\nOf what `requirements.txt` installs, as their metadata say. '
        '[sbom.cdx.json](sbom.cdx.json) has the same for programs,\nin the form of CycloneDX. '
        'Both are written by `python -m tests.packaging.lock`.\n'
    )
    return '\n'.join([about, '| distribution | version | licence |', '| --- | --- | --- |', *rows, ''])


def licence_of(component: dict[str, Any]) -> str:
    """Its SPDX expression or, where there are several statements, the first. Raises LookupError."""
    for statement in component['licenses']:
        if found := statement.get('expression') or statement['license'].get('id'):
            return str(found)
    raise LookupError(f'name the licence of {component["name"]} in AS_THEIR_FILES_SAY')


if __name__ == '__main__':
    main()
