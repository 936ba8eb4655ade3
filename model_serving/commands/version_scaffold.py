"""`main.py new DigitsModel --version=2`: it has what may differ, and imports what stays the same."""

import ast
import re
from pathlib import Path
from symtable import symtable

from model_serving.commands.background import expected_address
from model_serving.commands.layout import package_of
from model_serving.commands.scaffold import (
    LINE_LENGTH,
    ScaffoldError,
    files_of,
    mount_of_lines,
    mounting_list,
    snake_case,
    with_last,
    write_new,
)
from model_serving.project import ROOT
from model_serving.service.mounts import read_mounts
from model_serving.service.versions import VERSION

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
SETTINGS = (
    'Settings: conf/{snake}_{version}.conf, section [{snake}_{version}], '
    'where {name} reads load_settings(..., self.section)\n'
)


def new_version(name: str, version: str, root: Path = ROOT) -> str:
    """Write the files of a version of the model `name` and mount it. Returns what to do next.

    Raises ScaffoldError or OSError, with nothing written, where that cannot be or would overwrite something.
    """
    if not VERSION.fullmatch(version):
        raise ScaffoldError(f'{version!r} is no version; give a number: main.py new {name} --version=2')
    package = package_of(root)
    names = {'name': name, 'snake': snake_case(name), 'version': version, 'package': package}
    main = (root / 'main.py').read_text('utf-8')
    mounted = with_last(main, mounting_list(main), _mount(root, name, version))
    model, resource = ((root / path).read_text('utf-8') for path in [*files_of(name, root)][:2])
    has_settings = 'load_settings' in model
    model_path, resource_path, _, test_path = files_of(f'{name}_{version}', root)
    texts = {
        model_path: (MODEL + SECTION * has_settings).format(**names),
        resource_path: _resource(resource, name, version, package),
        test_path: TEST.format(**names),
    }
    write_new(f'{name}@{version}', texts, root, mounted)
    settings = SETTINGS.format(**names) * has_settings
    return NEXT.format(**names, settings=settings, files=', '.join(texts), address=expected_address())


def _mount(root: Path, name: str, version: str) -> str:
    """The lines that mount the version as the model is, but for its page and card, which are made for one.

    Raises ScaffoldError.
    """
    mounts = [mount for mount in read_mounts(root / 'main.py') if mount.name == name]
    if not mounts:
        raise ScaffoldError(f'main.py mounts no {name!r}, or does not run; main.py new {name} writes a model')
    if version in [mount.version or '1' for mount in mounts]:
        raise ScaffoldError(f'{name} has a version {version} in main.py already; choose another number')
    given = {'opt_in': mounts[0].opt_in, 'packages': mounts[0].packages, 'version': version}
    module = f'{package_of(root)}resources.{snake_case(name)}_{version}_resource'
    kept = [f'{argument}={value!r}' for argument, value in given.items() if value]
    return mount_of_lines(name, module, f'{name}{version}Resource', *kept)


def _resource(text: str, name: str, version: str, package: str) -> str:
    """The code of the resource: the class of the model's, which imports what else it uses from there."""
    snake, new = snake_case(name), f'{snake_case(name)}_{version}'
    imports, _, code = text.partition(f'\n{snake}_instance = {name}()\n')
    statements = ast.parse(code).body
    if not statements or not isinstance(statements[-1], ast.ClassDef):
        raise ScaffoldError(f'{name} has not the shape of XXXModel; write the version as in docs/versions.md')
    *others, resource = statements
    used = {node.id for node in ast.walk(resource) if isinstance(node, ast.Name)}
    defined = {each.get_name() for each in symtable(code, '', 'exec').get_symbols() if each.is_assigned()}
    added = [
        f'from {package}models.{new} import {name}{version}',
        *_import(f'{package}resources.{snake}_resource', sorted(used & defined)),
    ]
    lines = code.splitlines()[others[-1].end_lineno if others else 0 :]
    own = re.sub(rf'\b{snake}_instance\b', f'{new}_instance', '\n'.join(lines).strip())
    return (
        f'"""POST /v1/{name}/versions/{version}: what differs from the first."""\n\n'
        f'{_imports(imports, used, name, added)}\n\n'
        f'{new}_instance = {name}{version}()\n\n\n'
        f'{own.replace(f"{name}Resource", f"{name}{version}Resource")}\n'
    )


def _import(module: str, names: list[str]) -> list[str]:
    line = f'from {module} import {", ".join(names)}'
    if len(line) > LINE_LENGTH:
        line = f'from {module} import (\n    ' + ',\n    '.join(names) + ',\n)'
    return [line] if names else []


def _imports(text: str, used: set[str], model: str, added: list[str]) -> str:
    """The imports in the text, without what is not used; what is `added` follows that of the model."""
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = text.splitlines()
    for node in reversed(imports):
        further = added if model in [each.name for each in node.names] else []
        node.names = [each for each in node.names if (each.asname or each.name) in used]
        lines[node.lineno - 1 : node.end_lineno] = [ast.unparse(node)] * bool(node.names) + further
    return re.sub('\n{3,}', '\n\n', '\n'.join(lines[imports[0].lineno - 1 :])).strip()
