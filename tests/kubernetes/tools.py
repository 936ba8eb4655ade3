"""The real tools: kubectl and validators in an environment of their own, and KServe's client in its."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.kept_environment import kept_environment
from tests.protocols.test_kserve_client import ENVIRONMENT as KSERVE
from tests.protocols.test_kserve_client import REQUIREMENTS as KSERVE_REQUIREMENTS
from tests.service_process import ROOT

HERE = Path(__file__).parent


def tool(name: str) -> Path:
    """A program of the environment."""
    return kept_environment(ROOT / 'tmp' / 'kubernetes-tools', HERE / 'requirements.txt') / name


def kustomize(folder: Path) -> str:
    """What `kubectl apply -k` would apply."""
    done = subprocess.run([tool('kubectl'), 'kustomize', folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def validate_strictly(manifest: Any, folder: Path) -> str:
    """What kubernetes-validate says; nothing where it has no objection."""
    path = folder / 'manifest.yaml'
    path.write_text(json.dumps(manifest))
    command = [tool('kubernetes-validate'), '--strict', '--quiet', path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return '' if done.returncode == 0 else done.stdout + done.stderr or f'exit {done.returncode}'


def model_complaints(script: str, manifests: list[Any]) -> list[str]:
    """What one of the scripts beside this file says of the manifests, by models of their projects."""
    of_kserve = script == 'kserve_models.py'
    python = kept_environment(KSERVE, KSERVE_REQUIREMENTS) / 'python' if of_kserve else tool('python')
    done = subprocess.run(
        [python, '-W', 'ignore', HERE / script],
        input=json.dumps(manifests),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    complaints: list[str] = json.loads(done.stdout.splitlines()[-1])
    return complaints
