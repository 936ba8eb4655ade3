"""docs/guides/typed-clients.md is followed: clients made from a live service are checked, and call it."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.guides.guide import FOLDER, blocks_of
from tests.typed_clients.tools import HERE, Tools, tools

pytestmark = pytest.mark.elaborate

PAGE = 'typed-clients.md'
PROGRAMS = {block.language: block.text for block in blocks_of(PAGE) if block.language != 'sh'}
COMMANDS = [block.text for block in blocks_of(PAGE) if block.language == 'sh']
AT = 'http://127.0.0.1:9999'


class Generated(NamedTuple):
    """A folder with clients of the service at `url`, in both languages."""

    folder: Path
    url: str
    tools: Tools

    def write(self, name: str, language: str, change: tuple[str, str] = ('', ''), more: str = '') -> None:
        """Write the program of the page, changed, with more after it."""
        old, new = change
        text = PROGRAMS[language]
        assert old in text
        (self.folder / name).write_text(text.replace(AT, self.url).replace(old, new, 1) + more, 'utf-8')

    def check(self, language: str, *names: str) -> str:
        """What the type checker of a language says of programs; nothing where all is well."""
        command = COMMANDS[1 if language == 'ts' else 3].splitlines()[0]
        programs = ' '.join(names)
        said = self.tools.run(re.sub(r'flowers\.\w+', programs, command), self.folder).stdout
        return '' if said.startswith('Success: ') else said


@pytest.fixture(scope='module')
def generated(service: str, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    folder, found = tmp_path_factory.mktemp('clients'), tools()
    shutil.copy(HERE / 'package.json', folder)
    (folder / 'node_modules').symlink_to(found.packages / 'node_modules')
    for command in (COMMANDS[0], COMMANDS[2]):
        generate = command.splitlines()[-1].replace(AT, service)
        said = found.must(generate, folder)
        assert 'WARNING' not in said.upper(), said
    return Generated(folder, service, found)


def test_versions_of_the_page_are_those_that_are_tried() -> None:
    named = re.findall(r'([\w-]+)[@=]+([\d.]+\d)', ''.join(COMMANDS))
    package = json.loads((HERE / 'package.json').read_text())
    tried = {**package['dependencies'], **package['devDependencies']}
    tried.update(line.split('==') for line in (HERE / 'requirements.txt').read_text().splitlines()[1:])
    assert len(named) == 4
    assert dict(named).items() <= tried.items()
    for name, version in named:
        if name.startswith('openapi-') and name != 'openapi-fetch':
            assert f'{version.rpartition(".")[0]} writes' in (FOLDER / PAGE).read_text()


def test_typescript_is_checked_and_gets_an_answer(generated: Generated) -> None:
    generated.write('flowers.mts', 'ts')
    assert generated.tools.must(COMMANDS[1], generated.folder) == 'setosa\n'


def test_python_is_checked_and_gets_an_answer(generated: Generated) -> None:
    generated.write('flowers.py', 'python')
    assert generated.tools.must(COMMANDS[3], generated.folder).endswith('\nsetosa\n')


@pytest.mark.parametrize(('name', 'language'), [('refused.mts', 'ts'), ('refused.py', 'python')])
def test_refusal_has_its_words_and_the_id_of_the_request(
    generated: Generated, name: str, language: str
) -> None:
    generated.write(name, language, ('5.1', '500'))
    done = generated.tools.run(f'{"node" if language == "ts" else "python"} {name}', generated.folder)
    assert done.returncode != 0
    assert re.search(r'400: 500(\.0)? is greater than the maximum of 20 \([\w-]+\)', done.stderr), done.stderr


WRONG_TYPESCRIPT = {
    'misspelt': (('sepal_width: 3.5', 'sepal_with: 3.5'), "'sepal_with' does not exist"),
    'missing': (('sepal_width: 3.5, ', ''), "'sepal_width' is missing"),
    'of_another_type': (('5.1', "'long'"), "'string' is not assignable to type 'number'"),
    'unknown_model': (("'/v1/IrisModel', {", "'/v1/RoseModel', {"), '\'"/v1/RoseModel"\' is not assignable'),
    'not_in_the_answer': (('.label', '.colour'), "'colour' does not exist"),
    'no_id': (('get(', 'fetch('), "'fetch' does not exist"),
}


WRONG_PYTHON = {
    'misspelt': (('sepal_width', 'sepal_with'), 'Unexpected keyword argument "sepal_with"'),
    'missing': (('sepal_width=3.5, ', ''), 'Missing positional argument "sepal_width"'),
    'of_another_type': (('5.1', "'long'"), 'expected "float"'),
    'not_in_the_answer': (('.label', '.colour'), 'has no attribute "colour"'),
}


WRONG = {'ts': WRONG_TYPESCRIPT, 'python': WRONG_PYTHON}


@pytest.fixture(scope='module')
def complaints(generated: Generated) -> dict[str, str]:
    """What the checkers say of the wrong programs of each language."""
    said = {}
    for language, programs in WRONG.items():
        end = '.mts' if language == 'ts' else '.py'
        for name, (change, _) in programs.items():
            generated.write(f'{name}{end}', language, change)
        said[language] = generated.check(language, *[f'{name}{end}' for name in programs])
    return said


@pytest.mark.parametrize(
    ('language', 'name'), [(language, name) for language, programs in WRONG.items() for name in programs]
)
def test_wrong_program_does_not_pass_the_checker(
    complaints: dict[str, str], language: str, name: str
) -> None:
    lines = [line for line in complaints[language].splitlines() if line.startswith(f'{name}.')]
    assert WRONG[language][name][1] in '\n'.join(lines), complaints[language]


def test_own_id_is_sent_and_comes_back(generated: Generated) -> None:
    generated.write(
        'own_id.py',
        'python',
        ('body=', "x_request_id='flower-7', body="),
        "print(response.headers['X-Request-ID'])\n",
    )
    generated.write(
        'own_id.mts',
        'ts',
        ('{body:', "{params: {header: {'X-Request-ID': 'flower-7'}}, body:"),
        "console.log(response.headers.get('X-Request-ID'));\n",
    )
    assert generated.check('python', 'own_id.py') == generated.check('ts', 'own_id.mts') == ''
    for name, runner in (('own_id.py', 'python'), ('own_id.mts', 'node')):
        assert generated.tools.must(f'{runner} {name}', generated.folder) == 'setosa\nflower-7\n'
