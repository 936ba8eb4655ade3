import logging

import pytest

from model_serving.models.xxx_model import XXXModel


@pytest.fixture(scope='module')
def model() -> XXXModel:
    return XXXModel()


@pytest.mark.parametrize('name', ['Leo', '', 'Zoë 你好', '<b>'])
def test_a_greeting_repeats_the_name_as_it_is(model: XXXModel, name: str) -> None:
    assert model.hello(name) == f'Hello, {name}!'


def test_loading_is_logged_under_the_name_of_the_model(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        XXXModel()
    assert [record.name for record in caplog.records] == ['XXXModel']
    assert caplog.messages == ['Initializing XXX Model ...']
