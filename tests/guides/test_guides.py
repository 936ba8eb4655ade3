"""The guides are followed: every file, command and answer of each page."""

import ast
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from model_serving.commands.scaffold import with_mount
from tests import kept_environment
from tests.guides.guide import FOLDER, blocks_of, followed, shell, text_of, write_files
from tests.project_copy import assert_checks_pass, copy_of_project
from tests.raw_http import post, send
from tests.service_process import ROOT

TORCH = pytest.mark.torch
PAGES = {
    'scikit-learn.md': (),
    'data-frames.md': (),
    'onnx.md': (),
    'image-upload.md': (),
    'streaming.md': (),
    'embeddings.md': (),
    'pytorch.md': TORCH,
    'hugging-face.md': TORCH,
}
"""The guides that make a model, and which of them need what bin/test.sh --all installs."""
FOLLOWED_BELOW = 'streaming.md', 'embeddings.md'
OTHERS = {'calling.md', 'payload-log.md', 'typed-clients.md'}


@pytest.mark.elaborate
@pytest.mark.parametrize(
    'page', [pytest.param(page, marks=marks) for page, marks in PAGES.items() if page not in FOLLOWED_BELOW]
)
def test_guide_does_what_it_says(page: str, tmp_path: Path) -> None:
    with followed(page, tmp_path):
        pass


@pytest.mark.parametrize('page', PAGES)
def test_guide_runs_the_tests_it_gives(page: str) -> None:
    tests = [block.file for block in blocks_of(page) if (block.file or '').startswith('tests/')]
    assert len(tests) == 2
    assert f'bin/test.sh {" ".join(map(str, tests))}\n' in (FOLDER / page).read_text()


def test_every_guide_is_listed_and_followed() -> None:
    pages = {path.name for path in FOLDER.glob('*.md')} - {'README.md'}
    assert pages == {*PAGES, *OTHERS}
    listed = re.findall(r'^\| \[.+?\]\((\S+?)\)', (FOLDER / 'README.md').read_text(), re.MULTILINE)
    assert set(listed) == pages


@pytest.mark.elaborate
def test_code_of_the_guides_passes_the_checks(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path)
    for page in PAGES:
        paths = write_files(page, copy)
        [name] = re.findall(r'main\.py new (\w+)', (FOLDER / page).read_text())
        (copy / 'main.py').write_text(with_mount((copy / 'main.py').read_text(), name, 'model_serving.'))
        assert len(paths) in (4, 5)
    assert_checks_pass(copy)


def test_packages_of_the_guides_are_those_of_the_tests() -> None:
    """Else a guide would be followed with other versions than it names."""
    pinned = ''.join(path.read_text() for path in ROOT.glob('requirements-*.txt'))
    for page in PAGES:
        for pin in re.findall(r'[\w-]+==[\d.]+\d', (FOLDER / page).read_text()):
            assert re.search(rf'^{re.escape(pin)}$', pinned, re.MULTILINE | re.IGNORECASE), pin


@pytest.mark.elaborate
def test_report_of_the_payload_log_finds_the_drift(tmp_path: Path) -> None:
    with followed('payload-log.md', tmp_path) as result:
        assert (result.copy / 'tmp' / 'payloads.jsonl').read_text().count('\n') == 150


def clients_of(page: str, package: str) -> list[str]:
    """The code of a page that calls with this package."""
    codes = [block.text for block in blocks_of(page) if block.language == 'python' and not block.file]
    return [code for code in codes if package in code]


# The clients of OpenAI


@pytest.fixture(scope='module')
def openai_python() -> Path:
    return kept_environment.openai_python()


def test_clients_of_openai_get_embeddings(openai_python: Path, tmp_path: Path) -> None:
    with followed('embeddings.md', tmp_path) as result:
        [by_hand] = clients_of('embeddings.md', 'import openai\n')
        assert float(printed(by_hand, result.url, openai_python)) == pytest.approx(0.6, abs=0.05)
        [langchain] = clients_of('embeddings.md', 'langchain')
        found = printed(langchain, result.url, openai_python)
        assert found == 'The except clause handles errors that were raised\n'


def test_client_of_openai_gets_a_chat_as_a_stream(openai_python: Path, story: Any) -> None:
    [code] = clients_of('streaming.md', 'openai')
    text = printed(code, story.url, openai_python)
    assert re.fullmatch('to the (garden|tree|cat|bird|mat|dog) ', text)
    whole = code.replace('stream=True, ', '').partition('for chunk in ')
    call = whole[2].partition(':\n')[0]
    said = printed(f'{whole[0]}print({call}.choices[0].message.content)', story.url, openai_python)
    assert said.split() == text.split()
    wrong = textwrap.indent(code.replace('bird sang', 'zebra'), '    ')
    caught = f'try:\n{wrong}except openai.BadRequestError as error:\n    print(error.body["message"])\n'
    assert printed(caught, story.url, openai_python).startswith("No story begins with 'zebra'; try and, ")


# Streams


@pytest.fixture(scope='module')
def story(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with followed('streaming.md', tmp_path_factory.mktemp('story')) as result:
        yield result


def test_chat_is_mounted_beside_the_model(story: Any) -> None:
    models = send(story.url, b'GET / HTTP/1.1\r\nHost: service\r\n\r\n').json['models']
    urls = {model['name']: model['url'] for model in models}
    assert urls == {'StoryModel': '/v1/StoryModel', 'Chat': '/openai/v1/chat/completions'}


def test_python_reads_the_stream(story: Any) -> None:
    [code] = clients_of('streaming.md', 'urllib')
    assert printed(code, story.url).split() == ['to', 'the', printed(code, story.url).split()[2]]


def test_stream_may_take_longer_than_a_request(story: Any) -> None:
    """`timeout_s` counts until the first event."""
    resource = story.copy / 'model_serving' / 'models' / 'story_model.py'
    text = resource.read_text()
    slow = text.replace(
        '            yield word\n', '            __import__("time").sleep(0.4)\n            yield word\n'
    )
    assert slow != text
    resource.write_text(slow)
    port = int(story.url.rpartition(':')[2])
    shell(
        'bin/stop.sh; MODEL_SERVING_TIMEOUT_S=4 MODEL_SERVING_MODELS=StoryModel bin/start.sh',
        story.copy,
        port,
    )
    answer = post(story.url, '/v1/StoryModel', b'{"start": "the", "most": 12}')
    assert answer.status == 200
    assert (answer.body.count(b'event: message'), answer.body.count(b'event: done')) == (12, 1)


# Calling


def printed(code: str, url: str, python: str | Path = sys.executable) -> str:
    """What the code of a page prints, run by itself against the service at `url`."""
    code = code.replace('http://127.0.0.1:9999', url)
    return subprocess.run([python, '-c', code], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize('number', [0, 1], ids=['urllib', 'requests'])
def test_python_of_calling_gets_an_answer_and_the_words_of_a_refusal(service: str, number: int) -> None:
    code = [block.text for block in blocks_of('calling.md') if block.language == 'python'][number]
    assert printed(code, service) == 'setosa\n'
    wrong = (
        "try:\n    call('IrisModel', {'instances': []})\nexcept RuntimeError as error:\n    print(error)\n"
    )
    assert printed(code + wrong, service) == 'setosa\n400: [] should be non-empty\n'


def test_curl_of_calling_gets_an_answer_and_fails_with_the_message(service: str) -> None:
    command = text_of('calling.md', 'sh').replace('http://127.0.0.1:9999', service)
    assert (
        '"label":"setosa"'
        in subprocess.run(['sh', '-c', command], capture_output=True, text=True, check=True).stdout
    )
    refused = subprocess.run(['sh', '-c', command.replace('5.1', '-5.1')], capture_output=True, text=True)
    assert refused.returncode == 22
    assert 'less than or equal to the minimum of 0' in refused.stdout


def test_notebook_runs_from_top_to_bottom(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((FOLDER / 'notebook.ipynb').read_text('utf-8'))
    names: dict[str, Any] = {}
    results = []
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code':
            assert (cell['outputs'], cell['execution_count']) == ([], None)
            source = ''.join(cell['source']).replace('http://127.0.0.1:9999', service)
            results.append(run_cell(source, names))
    assert set(results[1]['instances'][0]) == set(results[2].columns) - {'label'}
    assert results[2]['label'].tolist() == ['setosa', 'versicolor', 'virginica']
    assert capsys.readouterr().out.startswith('400: ')


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run the statements of a cell; returns the value of the last, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, 'cell', 'exec'), names)
    return eval(compile(ast.Expression(last.value), 'cell', 'eval'), names) if last else None
