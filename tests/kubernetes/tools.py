"""The real tools: kubectl and validators in an environment of their own, and KServe's client in its."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.kept_environment import kept_environment, kserve_python
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


def validate_strictly(manifests: list[Any], folder: Path, version: str) -> str:
    """What kubernetes-validate says of them, for this version of Kubernetes; nothing where all is well."""
    path = folder / 'manifests.yaml'
    path.write_text(yaml.safe_dump_all(manifests))
    command = [tool('kubernetes-validate'), '--strict', '--quiet', '--kubernetes-version', version, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return '' if done.returncode == 0 else done.stdout + done.stderr or f'exit {done.returncode}'


def model_complaints(script: str, manifests: list[Any]) -> list[str]:
    """What one of the scripts beside this file says of the manifests, by models of their projects."""
    python = kserve_python() if script == 'kserve_models.py' else tool('python')
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
