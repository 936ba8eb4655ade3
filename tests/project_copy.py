"""A copy of the project that serves models of the tests as well."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.service_process import ROOT

END_OF_MODELS = ']\n"""What is served'


def copy_with_models(place: Path, resources: Mapping[str, str]) -> Path:
    """Copy the project to `place`, with a model for each of these: its name, and the code of its resource.

    That code has to make the class `<name>Resource`.
    """
    for name in ('conf', 'model_serving', 'client', 'data'):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns('__pycache__'))
    lines = ''
    for name, code in resources.items():
        module = re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower() + '_resource'
        (place / 'model_serving' / 'resources' / f'{module}.py').write_text(code)
        lines += f"    Mount('{name}', 'model_serving.resources.{module}:{name}Resource'),\n"
    main = (ROOT / 'main.py').read_text()
    assert main.count(END_OF_MODELS) == 1
    (place / 'main.py').write_text(main.replace(END_OF_MODELS, f'{lines}{END_OF_MODELS}'))
    return place
