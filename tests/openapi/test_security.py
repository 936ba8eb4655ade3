"""What the OpenAPI document says of keys."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from model_serving.openapi.document import openapi_document
from tests.access.key_files import LINES, write
from tests.protocols.echo_service import EchoModelResource, create

EITHER: list[dict[str, list[str]]] = [{'bearer': []}, {'apiKey': []}]
WITH_KEY = {'401', '403', '429'}


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv('MODEL_SERVING_KEYS', str(write(tmp_path / 'keys.conf', *LINES)))
    return openapi_document(create(EchoModel=EchoModelResource))


def test_models_and_metrics_need_a_key(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert set(document['components']['securitySchemes']) == {'bearer', 'apiKey'}
    secured = {path for path, way in document['paths'].items() for each in way.values() if 'security' in each}
    assert secured == {'/v1/EchoModel', '/metrics'}
    post = document['paths']['/v1/EchoModel']['post']
    assert post['security'] == EITHER
    assert set(post['responses']) >= WITH_KEY
    assert set(document['components']['responses']) >= WITH_KEY


def test_without_keys_nothing_is_said_of_them() -> None:
    document = openapi_document(create(EchoModel=EchoModelResource))
    assert 'securitySchemes' not in document['components']
    assert not WITH_KEY & set(document['components']['responses'])
    assert 'security' not in document['paths']['/v1/EchoModel']['post']
