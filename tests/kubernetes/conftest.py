import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture(scope='session')
def paths(app: Flask) -> set[str]:
    """What the service answers GET at."""
    return {rule.rule for rule in app.url_map.iter_rules() if 'GET' in (rule.methods or ())}


@pytest.fixture(scope='session')
def metric_types(app: Flask) -> dict[str, str]:
    """The type of each series that /metrics shows."""
    client = app.test_client()
    assert client.post('/v1/XXXModel', json={'name': 'Leo'}).status_code == 200
    families = text_string_to_metric_families(client.get('/metrics').text)
    return {sample.name: family.type for family in families for sample in family.samples}
