"""Virtual environments for tools that cannot share that of the tests; each is made once and kept."""

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.service_process import ROOT


def kept_environment(folder: Path, requirements: Path) -> Path:
    """The programs of an environment with what the file lists, made anew where the file has changed."""
    programs, done = folder / 'bin', folder / 'requirements.txt'
    with requirements.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # Another process may run other tests that need it.
        if not done.exists() or done.read_text() != requirements.read_text():
            subprocess.run([sys.executable, '-m', 'venv', '--clear', folder], check=True)
            python = str(programs / 'python')
            install = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
            subprocess.run([*install, '-r', str(requirements)], check=True, timeout=900)
            done.write_text(requirements.read_text())
    return programs


def mcp_programs() -> Path:
    """The programs of the environment of the Model Context Protocol's own client, Node among its packages."""
    return kept_environment(ROOT / '.venv-mcp', ROOT / 'tests' / 'protocols' / 'requirements-mcp.txt')


def kserve_python() -> Path:
    """The interpreter of the environment of KServe's own package."""
    requirements = ROOT / 'tests' / 'protocols' / 'requirements-kserve.txt'
    return kept_environment(ROOT / '.venv-kserve', requirements) / 'python'


def openai_python() -> Path:
    """The interpreter of the environment of OpenAI's own package, and LangChain's."""
    requirements = ROOT / 'tests' / 'protocols' / 'requirements-openai.txt'
    return kept_environment(ROOT / '.venv-openai', requirements) / 'python'
