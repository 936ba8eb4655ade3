"""bin/start.sh with a model that loads for long: it waits, and says for what."""

import re
from pathlib import Path

from tests.linux import linux_only
from tests.master.updated import Project, run
from tests.service_process import free_port

pytestmark = linux_only


def test_start_says_what_is_loading_and_how_long_it_took(tmp_path: Path) -> None:
    project = Project(tmp_path / 'project')
    project.add_scripts()
    project.write(1, seconds=8)
    settings = {'HOST': '127.0.0.1', 'PORT': str(free_port()), 'WORKERS': '1'}
    models = {'MODEL_SERVING_MODELS': 'VersionModel,XXXModel'}
    try:
        started = run(project.root, 'start.sh', **settings, **models)
        assert started.returncode == 0, started
        assert re.search(r'\.\.\. loading VersionModel \([567] s\)\n', started.stdout)
        assert re.search(r'Try:  curl \S+/v1/VersionModel ', started.stdout)
    finally:
        run(project.root, 'stop.sh')
    log = (project.root / 'tmp' / 'model-serving.log').read_text()
    assert re.search(r'ready: VersionModel 8\.\d s\n', log)
