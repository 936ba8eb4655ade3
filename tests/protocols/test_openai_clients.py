"""Embeddings as OpenAI's own client and LangChain's ask for them, of a real service with keys."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import kept_environment
from tests.access.key_files import line, write
from tests.service_process import running_service

HERE = Path(__file__).parent
KEYS = (
    line('all', 'msk_all', 'Letters,Counted,Broken'),
    line('slow', 'msk_slow', 'Letters', '1/s'),
)
VECTORS = [[0.1, 0.1, 0.1, 0.3], [0, 0.2, 0, 0.2]]


@pytest.fixture(scope='module')
def openai_python() -> Path:
    """The interpreter of the environment."""
    return kept_environment.openai_python()


@pytest.fixture(scope='module')
def answers(openai_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp('openai')
    keys = write(folder / 'keys.conf', *KEYS)
    served = 'tests.protocols.embeddings_service:create_app()'
    with running_service(folder / 'log', application=served, MODEL_SERVING_KEYS=str(keys)) as url:
        found = subprocess.run(
            [openai_python, HERE / 'openai_calls.py', url, 'msk_all', 'msk_slow'],
            env={**os.environ, 'PYTHONPATH': ''},
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert found.returncode == 0, found.stderr[-3000:]
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize('name', ['default', 'float', 'langchain', 'langchain async'])
def test_texts_have_their_vectors(answers: Any, name: str) -> None:
    assert answers[name] == [pytest.approx(vector, abs=1e-7) for vector in VECTORS]


def test_one_text_has_its_vector(answers: Any) -> None:
    assert answers['single'] == [answers['langchain query']] == [pytest.approx(VECTORS[0], abs=1e-7)]


def test_client_that_asks_for_base64_gets_it(answers: Any) -> None:
    assert answers['base64'] == 'zczMPc3MzD3NzMw9mpmZPg=='


def test_what_else_is_asked_for_comes(answers: Any) -> None:
    assert answers['dimensions'] == [pytest.approx(VECTORS[0][:2], abs=1e-7)]
    assert answers['usage'] == {'prompt_tokens': 3, 'total_tokens': 3}
    assert answers['large'] == [2048, pytest.approx(VECTORS[0], abs=1e-7)]


def test_models_are_listed(answers: Any) -> None:
    assert answers['models'] == ['Letters', 'Remembered', 'Counted', 'Arrays', 'Wrong']
    assert answers['model']['id'] == 'Letters'


def test_calls_at_once_share_runs_of_the_model(answers: Any) -> None:
    lengths = [round(10 * vector[3]) for vector in answers['at once']]
    assert lengths == list(range(1, 33))
    assert answers['runs'] <= 16


def test_client_waits_where_a_limit_is_reached(answers: Any) -> None:
    assert 0.9 < answers['waited'] < 20


@pytest.mark.parametrize(
    ('case', 'expected'),
    {
        'empty': ('BadRequestError', 400, None, '[] should be non-empty'),
        'long': ('BadRequestError', 400, None, 'is too long'),
        'tokens': ('BadRequestError', 400, None, 'Send texts, not tokens'),
        'extra': ('BadRequestError', 400, None, "The model takes no 'truncate'; leave it out"),
        'unknown': ('NotFoundError', 404, 'model_not_found', "No embedding model is called 'Nobody'"),
        'unknown model': ('NotFoundError', 404, 'model_not_found', "No embedding model is called 'Nobody'"),
        'wrong key': ('AuthenticationError', 401, None, 'The key is not valid'),
        'other model': ('PermissionDeniedError', 403, None, 'This key is not for Wrong'),
        'chat': ('NotFoundError', 404, None, 'Nothing is served at /openai/v1/chat/completions'),
        'broken': ('InternalServerError', 503, None, 'Broken failed to load'),
    }.items(),
)
def test_refusal_is_the_exception_of_the_client(
    answers: Any, case: str, expected: tuple[str, int, str | None, str]
) -> None:
    found = answers['refusals'][case]
    assert (found['class'], found['status'], found['code']) == expected[:3]
    assert expected[3] in found['message']
    assert found['type'] == ('server_error' if found['status'] == 503 else 'invalid_request_error')
