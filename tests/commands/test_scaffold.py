import ast
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.commands.scaffold import (
    EXAMPLE,
    FILES,
    MOST_CHARACTERS,
    REFERENCE,
    ScaffoldError,
    check_name,
    copy_of_reference,
    files_of,
    mount_of,
    next_steps,
    scaffold,
    snake_case,
    suggestion,
    with_mount,
)
from model_serving.json_codec import encode
from model_serving.resources.xxx_model_resource import xxx_model_schema
from tests.service_process import ROOT

MAIN = (ROOT / 'main.py').read_text()
PACKAGE = 'model_serving.'
LONGEST = 'ARatherLongNameForMeModel'

FILE_NAMES = {
    'XXXModel': 'xxx_model',
    'CO2Model': 'co2_model',
    'NERModel': 'ner_model',
    'SentimentModel': 'sentiment_model',
    'HTTPServerModel': 'http_server_model',
    'T5Model': 't5_model',
    'AModel': 'a_model',
    'YOLOv8Model': 'yolov8_model',
    'GPT4oModel': 'gpt4o_model',
    'Bert4RecModel': 'bert4_rec_model',
}


@pytest.mark.parametrize(('name', 'file'), FILE_NAMES.items())
def test_file_is_called_as_the_model(name: str, file: str) -> None:
    check_name(name)
    assert snake_case(name) == file


def test_models_of_the_project_are_called_so() -> None:
    for path in (ROOT / 'model_serving' / 'models').glob('*_model.py'):
        names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        assert path.stem in map(snake_case, names)


NO_NAMES = {
    'sentiment_model': 'SentimentModel',
    'sentimentModel': 'SentimentModel',
    'Sentimentmodel': 'SentimentModel',
    'Sentiment': 'SentimentModel',
    'Sentiment_Model': 'SentimentModel',
    'sentiment-analysis': 'SentimentAnalysisModel',
    'SentimentModels': 'SentimentModelsModel',
    'class': 'ClassModel',
    'None': 'NoneModel',
    'model': 'SentimentModel',
    'Model': 'SentimentModel',
    '': 'SentimentModel',
    '3DModel': 'DModel',
    'Zoë': 'ZoeModel',
    '情感': 'SentimentModel',
    '../../etc/passwd': 'EtcPasswdModel',
    "X'); import os #Model": 'XImportOsModel',
    'SentimentModel\n': 'SentimentModel',
    'İModel': 'IModel',
}


@pytest.mark.parametrize(('name', 'better'), NO_NAMES.items())
def test_other_names_are_refused_with_a_better_one(name: str, better: str) -> None:
    with pytest.raises(ScaffoldError) as caught:
        check_name(name)
    assert str(caught.value) == (
        f'{name!r}: model names are CamelCase and end in "Model"; try: main.py new {better}'
    )


def test_a_refusal_is_one_line_and_status_1() -> None:
    with pytest.raises(SystemExit) as caught:
        scaffold('sentiment')
    assert str(caught.value.code).startswith("main.py new: 'sentiment': model names are CamelCase")


@given(st.text())
def test_a_suggestion_is_always_a_name(text: str) -> None:
    check_name(suggestion(text))


def test_a_name_that_makes_lines_too_long_is_refused() -> None:
    check_name(LONGEST)
    with pytest.raises(ScaffoldError, match='has 32 characters; keep it to 31'):
        check_name(LONGEST.replace('Me', 'Any'))
    check_name(suggestion(LONGEST.replace('Me', 'Many')))


@pytest.mark.parametrize('pattern', FILES)
def test_copies_have_the_new_name_alone(pattern: str) -> None:
    text = copy_of_reference(pattern, 'CO2ishModel', ROOT)
    ast.parse(text)
    assert not any(left in text for left in ('XXX', 'xxx', 'reference'))
    original = (ROOT / pattern.format(REFERENCE)).read_text()
    assert text.count('CO2ish') == original.count('XXX')
    if 'resources/{}' in pattern:
        assert text.startswith('"""POST /v1/CO2ishModel."""\n')
        assert 'from model_serving.models.co2ish_model import CO2ishModel\n' in text
        assert 'co2ish_model_instance = CO2ishModel()\n' in text
    if 'models/{}' in pattern:
        assert text.startswith('"""CO2ish Model."""\n')
        assert "'Initializing CO2ish Model ...'" in text


def test_a_name_that_holds_that_of_the_reference_is_no_trouble() -> None:
    text = copy_of_reference('model_serving/models/{}.py', 'MyXXXModel', ROOT)
    assert 'class MyXXXModel:' in text


def test_mount_is_the_last_of_the_list_and_nothing_else_changes() -> None:
    mounted = with_mount(MAIN, 'SentimentModel', PACKAGE)
    place = 'model_serving.resources.sentiment_model_resource:SentimentModelResource'
    line = f"    Mount('SentimentModel', '{place}'),\n"
    assert mounted.replace(line, '') == MAIN
    assert f'{line}]\n' in mounted


@pytest.mark.parametrize('length', range(6, MOST_CHARACTERS + 1))
def test_mount_is_as_ruff_formats_it(length: int) -> None:
    name = LONGEST[: length - 5] + 'Model'
    text = f'MODELS = [\n{mount_of(name, PACKAGE)}]\n'
    formatted = subprocess.run(
        [sys.executable, '-m', 'ruff', 'format', '--stdin-filename', 'main.py', '-'],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert formatted == text
    assert max(map(len, text.splitlines())) <= 110


ELSEWHERE = {
    'annotated': 'MODELS: list[Mount] = [\n    Mount("A", "b"),\n]\n',
    'empty': 'MODELS = [\n]\n',
    'commented': 'MODELS = [\n    Mount("A", "b"),  # one\n    # the end\n]  # all\n',
    'not_first': 'OTHERS = [\n]\nMODELS = [\n    Mount("A", "b"),\n]\nX = 1\n',
}


@pytest.mark.parametrize('text', ELSEWHERE.values(), ids=ELSEWHERE)
def test_lists_of_other_looks_are_added_to(text: str) -> None:
    mounted = with_mount(text, 'NERModel', PACKAGE)
    assert mounted.replace(mount_of('NERModel', PACKAGE), '') == text
    assert mounted.index('MODELS') < mounted.index('NERModel') < mounted.rindex(']')


EDITED = {
    'gone': ('X = 1\n', 'has no list MODELS = [...]'),
    'no_list': ('MODELS = tuple([\n])\n', 'has no list MODELS = [...]'),
    'one_line': ('MODELS = [Mount("A", "b")]\n', 'must end with a comma, and then a line with ] alone'),
    'no_comma': ('MODELS = [\n    Mount("A", "b")\n]\n', 'must end with a comma'),
    'bracket_not_alone': (
        'MODELS = [\n    Mount("A", "b"),\n    Mount("C", "d")]\n',
        'must end with a comma',
    ),
    'mounted': ('MODELS = [\n    Mount("NERModel", "b"),\n]\n', 'NERModel is in MODELS of main.py already'),
}


@pytest.mark.parametrize(('text', 'message'), EDITED.values(), ids=EDITED)
def test_a_list_that_was_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(
        ScaffoldError, match=message.replace('[...]', r'\[\.\.\.\]').replace('with ]', r'with \]')
    ):
        with_mount(text, 'NERModel', PACKAGE)


def test_next_steps_name_every_file_in_order_and_a_body_that_is_answered() -> None:
    steps = next_steps('SentimentModel')
    positions = [steps.index(path) for path in [*files_of('SentimentModel'), 'requirements.txt']]
    assert positions == sorted(positions)
    assert (
        f"curl http://127.0.0.1:9999/v1/SentimentModel -H 'Content-Type: application/json' -d '{EXAMPLE}'"
        in steps
    )
    assert encode(xxx_model_schema['examples'][0]).decode().strip() == EXAMPLE.replace(' ', '')
