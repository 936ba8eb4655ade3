"""`model-serving init`: a project of one's own, in the shape of this package's repository."""

import ast
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from model_serving.commands.layout import code_in, path_in, template
from model_serving.commands.requirement import requirement

OWN = Path(__file__).parent / 'project'
"""The files that a project has in a form of its own."""

VERBATIM = (
    '.gitignore',
    'LICENSE',
    'app.yaml',
    'bin/common.sh',
    'bin/reload.sh',
    'bin/request-demo.sh',
    'bin/start.sh',
    'bin/stop.sh',
    'client/xxx-model-ajax-client.html',
    'conf/gunicorn.conf.py',
    'conf/model-serving.logrotate',
    'conf/model-serving.service',
    'conf/model_serving.conf',
)

PYTHON = (
    'model_serving/models/__init__.py',
    'model_serving/models/xxx_model.py',
    'model_serving/resources/__init__.py',
    'model_serving/resources/xxx_model_resource.py',
    'tests/models/test_xxx_model.py',
    'tests/resources/test_xxx_model_resource.py',
)
"""The reference model."""

REQUIREMENTS = (
    '# What is installed to serve, on Google App Engine too. Add the packages of your models, pinned.\n'
)


def init(folder: str) -> None:
    """Write a project into `folder`, new or empty, and print what to do next; else exit with one line."""
    root = Path(folder)
    try:
        if root.exists() and any(path.name != '.git' for path in root.iterdir()):
            sys.exit(f'model-serving init: {folder} is not empty; choose a new folder')
        write_project(root)
    except OSError as error:
        sys.exit(f'model-serving init: {error}')
    print(f'Wrote {folder}, with one model, XXXModel, the one to copy. Next:')
    print(f'  cd {shlex.quote(folder)}')
    print('  bin/start.sh                                  serve it')
    print('  bin/test.sh                                   run its tests')
    print('  .venv/bin/python main.py new SentimentModel   add a model of your own')


def write_project(root: Path) -> None:
    """Write the files of a project below `root`. Raises OSError."""
    source = template()
    texts = {name: (source / name).read_text('utf-8') for name in VERBATIM}
    for name in PYTHON:
        texts[path_in(root, name)] = code_in(root, (source / name).read_text('utf-8'))
    for path in OWN.rglob('*.*'):
        name = path.relative_to(OWN).as_posix()
        texts[f'bin/{name}' if path.suffix == '.sh' else name] = path.read_text('utf-8')
    texts['main.py'] = with_the_reference_alone(code_in(root, (source / 'main.py').read_text('utf-8')))
    texts['.gcloudignore'] = upload_set((source / '.gcloudignore').read_text('utf-8'))
    with tempfile.TemporaryDirectory() as folder:
        vendor = Path(folder) / 'vendor'
        texts['requirements.txt'] = f'{REQUIREMENTS}{requirement(vendor)}\n'
        for wheel in vendor.glob('*.whl'):
            (root / 'vendor').mkdir(parents=True)
            shutil.copy(wheel, root / 'vendor')
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding='utf-8')
        if name.endswith('.sh') and name != 'bin/common.sh':
            (root / name).chmod(0o755)


def with_the_reference_alone(text: str) -> str:
    """The text of main.py with the first model of MODELS alone."""
    lines = text.splitlines(keepends=True)
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List):
            first, last = statement.value.elts[0], statement.value.elts[-1]
            del lines[first.end_lineno : last.end_lineno]
    return ''.join(lines)


def upload_set(text: str) -> str:
    """The .gcloudignore of a project: its folders instead of the package, and nothing that is ours alone."""
    folders = '!/models/\n!/resources/\n!/vendor/\n# Add a line for whatever else they import.\n'
    text = text.replace('!/model_serving/\n', folders)
    ours = r'# (?:What Cloud Run builds|How the model files were made).*?\n\n'
    return re.sub(ours, '', text, flags=re.DOTALL)
