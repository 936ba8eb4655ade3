"""`main.py new DigitsModel --version=2`: it has what may differ, and imports what stays the same."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from model_serving.commands.background import expected_address
from model_serving.commands.layout import package_of, path_in
from model_serving.commands.scaffold import (
    FILES,
    LINE_LENGTH,
    ScaffoldError,
    check_new,
    files_of,
    mount_of_lines,
    mounting_list,
    snake_case,
    with_last,
    write_new,
)
from model_serving.project import ROOT
from model_serving.service.versions import VERSION

OWN = 'model_serving', 'models', 'resources'
MODEL = '''"""{name}, version {version}: what differs from the first."""

from {package}models.{snake} import {name}


class {name}{version}({name}):
    """Version {version}; what is not here is as in the first."""
'''
SECTION = "\n    section = '{snake}_{version}'\n"
TEST = """from main import MODELS
from model_serving import create_app


def test_the_example_is_answered_as_the_response_schema_says() -> None:
    client = create_app(MODELS, only=['{name}@{version}'], check_answers=True).test_client()
    [listed] = client.get('/', headers={{'Accept': 'application/json'}}).get_json()['models']
    response = client.post(listed['url'], json=listed['schema']['examples'][0])
    assert response.status_code == 200, response.get_json()
"""
NEXT = """Wrote version {version} of {name}, which is as the first so far, and mounted it in main.py.
Edit its files: {files}
{settings}Start: bin/reload.sh
Try:   {address}/v1/{name}/versions/{version}, as you call {name}
Test:  bin/test.sh tests/resources/test_{snake}_{version}_resource.py
Serve it as {name}: default_versions = {name}={version} in conf/model_serving.conf"""


SETTINGS = {
    'load_settings': 'First have {name} read load_settings(..., self.section), a name in its class.\n',
    'self.section': 'Settings: conf/{snake}_{version}.conf, section [{snake}_{version}]\n',
}
"""What to say of settings, where the code of the model contains this; the last that it does."""


def new_version(name: str, version: str, root: Path = ROOT) -> str:
    """Write the files of a version of the model `name` and mount it. Returns what to do next.

    Raises ScaffoldError, with nothing written, where that would overwrite something or cannot work.
    """
    if not VERSION.fullmatch(version):
        raise ScaffoldError(f'{version!r} is no version; give a number: main.py new {name} --version=2')
    snake, package = snake_case(name), package_of(root)
    names = {'name': name, 'snake': snake, 'version': version, 'package': package}
    try:
        text = (root / 'main.py').read_text('utf-8')
        models = mounting_list(text)
        mounted = with_last(text, models, _mount(models, name, version, package))
        model, resource = ((root / path).read_text('utf-8') for path in [*files_of(name, root)][:2])
        codes = (
            MODEL.format(**names) + SECTION.format(**names) * ('load_settings' in model),
            _resource(resource, name, version, package),
            TEST.format(**names),
        )
        patterns = (pattern for pattern in FILES if 'tests/models' not in pattern)
        paths = [path_in(root, pattern.format(f'{snake}_{version}')) for pattern in patterns]
        check_new(f'{name}@{version}', paths, root)
        write_new(dict(zip(paths, codes, strict=True)), root, mounted)
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(f'{error}; nothing was changed') from error
    settings = ([''] + [line.format(**names) for code, line in SETTINGS.items() if code in model])[-1]
    return NEXT.format(**names, settings=settings, files=', '.join(paths), address=expected_address())


def _mount(models: ast.List, name: str, version: str, package: str) -> str:
    """The lines that mount the version as the model is, but for its page and card, which are made for one.

    Raises ScaffoldError.
    """
    calls = [each for each in models.elts if isinstance(each, ast.Call) and each.args]
    found = [call for call in calls if ast.unparse(call.args[0]) == repr(name)]
    given = [{each.arg: ast.unparse(each) for each in call.keywords} for call in found]
    if not given:
        raise ScaffoldError(f'main.py mounts no {name!r}; main.py new {name} writes a new model')
    mounted = f'version={version!r}'
    if mounted in [keywords.get('version', "version='1'") for keywords in given]:
        raise ScaffoldError(f'{name} has a version {version} in main.py already; choose another number')
    kept = [text for keyword, text in given[0].items() if keyword not in ('page', 'card', 'version')]
    module, resource = f'{package}resources.{snake_case(name)}_{version}_resource', f'{name}{version}Resource'
    return mount_of_lines(name, module, resource, *kept, mounted)


def _resource(text: str, name: str, version: str, package: str) -> str:
    """The code of the resource: the class of the model's, which imports what else it uses from there."""
    snake = snake_case(name)
    old, new = f'{snake}_instance', f'{snake}_{version}_instance'
    *others, resource = ast.parse(text).body
    if not isinstance(resource, ast.ClassDef) or f'\n{old} = {name}()\n' not in text:
        raise ScaffoldError(f'{name} has not the shape of XXXModel; write the version as in docs/versions.md')
    first = min(node.lineno for node in [resource, *resource.decorator_list])  # type: ignore[attr-defined]
    code = '\n'.join(text.splitlines()[first - 1 :])
    code = re.sub(rf'\b{old}\b', new, code).replace(f'{name}Resource', f'{name}{version}Resource')
    used = {node.id for node in ast.walk(resource) if isinstance(node, ast.Name)} - {old}
    imports = [
        *_kept_imports(others, used),
        f'from {package}models.{snake}_{version} import {name}{version}',
        *_import(f'{package}resources.{snake}_resource', used & _defined(others)),
    ]
    head = f'"""POST /v1/{name}/versions/{version}: what differs from the first."""'
    return f'{head}\n\n{_grouped(imports)}\n\n{new} = {name}{version}()\n\n\n{code}\n'


def _kept_imports(statements: list[ast.stmt], used: set[str]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if node.names:
                yield ast.unparse(node)


def _defined(statements: list[ast.stmt]) -> set[str]:
    """The names that statements define, by themselves or somewhere inside."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    stored = {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return stored | {each.name for each in statements if isinstance(each, ast.FunctionDef | ast.ClassDef)}


def _import(module: str, names: set[str]) -> list[str]:
    line = f'from {module} import {", ".join(sorted(names))}'
    if len(line) > LINE_LENGTH:
        line = f'from {module} import (\n    ' + ',\n    '.join(sorted(names)) + ',\n)'
    return [line] if names else []


def _grouped(imports: list[str]) -> str:
    """The imports of the standard library, of others, and of the project, as ruff has them."""
    groups: tuple[list[str], ...] = [], [], []
    for line in imports:
        root = line.replace('.', ' ').split()[1]
        groups[2 if root in OWN else root not in sys.stdlib_module_names].append(line)
    return '\n\n'.join('\n'.join(group) for group in (*groups[:2], sorted(groups[2])) if group)
