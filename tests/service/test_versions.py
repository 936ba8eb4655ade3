"""Which versions a service has, and where each of them is."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from model_serving import Mount, create_app
from model_serving.service.mounts import choose
from model_serving.service.versions import urls_of
from model_serving.settings import SettingError, load_settings
from tests.protocols import mcp_calls
from tests.service.versions_service import FIRST, SECOND, XXX

KNOWN = [FIRST, SECOND, XXX]

CHOICES = {
    'all': ((), ['SumModel@1', 'SumModel@2', 'XXXModel']),
    'all_versions': (('SumModel',), ['SumModel@1', 'SumModel@2']),
    'one_version': (('SumModel@2',), ['SumModel@2']),
    'one_twice': (('SumModel@2', 'SumModel'), ['SumModel@2', 'SumModel@1']),
}


@pytest.mark.parametrize(('names', 'keys'), CHOICES.values(), ids=CHOICES)
def test_name_chooses_all_versions_and_a_number_one(names: tuple[str, ...], keys: list[str]) -> None:
    assert [mount.key for mount in choose(KNOWN, names)] == keys


def test_unknown_version_is_named_with_those_that_are() -> None:
    known = 'SumModel, SumModel@1, SumModel@2, XXXModel'
    with pytest.raises(SettingError, match=f"no model is called 'SumModel@3'; known: {known}"):
        choose(KNOWN, ('SumModel@3',))


def urls(defaults: tuple[str, ...] = (), labels: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Any:
    return urls_of(KNOWN, choose(KNOWN, names), defaults, labels)


def test_first_version_is_the_default() -> None:
    assert urls() == {
        'SumModel@1': ['/v1/SumModel/versions/1', '/v1/SumModel'],
        'SumModel@2': ['/v1/SumModel/versions/2'],
        'XXXModel': ['/v1/XXXModel'],
    }


def test_setting_chooses_another_default() -> None:
    found = urls(('SumModel = 2', 'XXXModel=1'))
    assert found['SumModel@2'] == ['/v1/SumModel/versions/2', '/v1/SumModel']
    assert found['SumModel@1'] == ['/v1/SumModel/versions/1']
    assert found['XXXModel'] == ['/v1/XXXModel']


def test_labels_are_further_urls() -> None:
    found = urls((), ('SumModel:canary=2', 'SumModel:next=2', 'XXXModel:stable = 1'))
    ends = ('versions/2', 'labels/canary', 'labels/next')
    assert found['SumModel@2'] == [f'/v1/SumModel/{end}' for end in ends]
    assert found['XXXModel'] == ['/v1/XXXModel', '/v1/XXXModel/labels/stable']


def test_only_version_that_is_loaded_is_the_default() -> None:
    assert urls(names=('SumModel@2',)) == {'SumModel@2': ['/v1/SumModel/versions/2', '/v1/SumModel']}


def test_what_is_set_of_a_model_that_is_not_loaded_stops_nothing() -> None:
    assert urls(('SumModel=2',), ('SumModel:canary=2',), ('XXXModel',)) == {'XXXModel': ['/v1/XXXModel']}


WRONG = {
    'no_version': (('SumModel',), (), "default_versions: 'SumModel' does not look like DigitsModel=2"),
    'word': (('SumModel=two',), (), "default_versions: 'SumModel=two' does not look like DigitsModel=2"),
    'model': (('Foo=1',), (), "default_versions: 'Foo=1': no such model; known: SumModel, XXXModel"),
    'version': (('SumModel=3',), (), "default_versions: 'SumModel=3': no such version; SumModel has: 1, 2"),
    'of_one': (('XXXModel=2',), (), "'XXXModel=2': no such version; XXXModel has: 1"),
    'twice': (('SumModel=1', 'SumModel=2'), (), "'SumModel=2': an earlier one says otherwise"),
    'no_label': ((), ('SumModel=1',), "labels: 'SumModel=1' does not look like DigitsModel:canary=2"),
    'path': ((), ('SumModel:a/b=1',), "labels: 'SumModel:a/b=1' does not look like DigitsModel:canary=2"),
    'label': ((), ('SumModel:canary=9',), "labels: 'SumModel:canary=9': no such version; SumModel has: 1, 2"),
    'label_twice': (
        (),
        ('SumModel:canary=1', 'SumModel:canary=2'),
        "labels: 'SumModel:canary=2': an earlier one says otherwise; leave one of them out",
    ),
}


@pytest.mark.parametrize(('defaults', 'labels', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_setting_is_named_with_the_versions_that_are(
    defaults: tuple[str, ...], labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        urls(defaults, labels)
    assert message in str(caught.value)


def test_default_that_is_not_loaded_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_VERSIONS', 'SumModel=1')
    with pytest.raises(SettingError, match="'SumModel=1': no such version; SumModel has: 2"):
        create_app(KNOWN, only=['SumModel@2'])


BAD_MOUNTS: dict[str, tuple[Any, str]] = {
    'number': (SECOND._replace(version=2), "a version is a whole number above 0 as text, such as '2', not 2"),
    'zero': (SECOND._replace(version='0'), "such as '2', not '0'"),
    'word': (SECOND._replace(version='v2'), "such as '2', not 'v2'"),
    'path': (SECOND._replace(version='2/x'), "such as '2', not '2/x'"),
    'same_resource': (
        FIRST._replace(version='2'),
        "First' is another version already",
    ),
    'first_again': (
        SECOND._replace(version='1'),
        "'SumModel': the name is taken; choose another, or",
    ),
}


@pytest.mark.parametrize(('mount', 'message'), BAD_MOUNTS.values(), ids=BAD_MOUNTS)
def test_version_that_cannot_be_is_named(mount: Mount, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        create_app([FIRST, mount])
    assert message in str(caught.value)


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return create_app(KNOWN).test_client()


def test_index_lists_each_version_with_its_urls(client: FlaskClient) -> None:
    models = client.get('/', headers={'Accept': 'application/json'}).get_json()['models']
    listed = [(each['name'], each['url'], each.get('version'), each.get('urls')) for each in models]
    assert listed == [
        ('SumModel@1', '/v1/SumModel/versions/1', '1', ['/v1/SumModel/versions/1', '/v1/SumModel']),
        ('SumModel@2', '/v1/SumModel/versions/2', '2', ['/v1/SumModel/versions/2']),
        ('XXXModel', '/v1/XXXModel', None, None),
    ]


def test_page_has_a_card_for_each_version(client: FlaskClient) -> None:
    page = client.get('/', headers={'Accept': 'text/html'}).text
    assert '<h2 id="SumModel@1">Sum, version 1</h2>' in page
    assert '<code>POST /v1/SumModel/versions/2</code>' in page
    assert 'Also at <code>/v1/SumModel</code>' in page


def test_openapi_has_each_url_with_an_id_of_its_own(client: FlaskClient) -> None:
    document = client.get('/openapi.json').get_json()
    ids = {path: item['post']['operationId'] for path, item in document['paths'].items() if 'post' in item}
    assert ids == {
        '/v1/SumModel/versions/1': 'SumModel_v1',
        '/v1/SumModel': 'SumModel',
        '/v1/SumModel/versions/2': 'SumModel_v2',
        '/v1/XXXModel': 'XXXModel',
    }
    schemas = document['components']['schemas']
    assert {'SumModel_v1Request', 'SumModel_v2Request', 'XXXModelRequest'} <= schemas.keys()


def test_model_without_versions_has_no_path_for_them(client: FlaskClient) -> None:
    answer = client.post('/v1/XXXModel/versions/1', json={'name': 'Leo'})
    message = 'Nothing is served at /v1/XXXModel/versions/1; GET / lists what is'
    assert (answer.status_code, answer.get_json()) == (404, {'message': message})


def test_single_version_with_a_number_keeps_its_number() -> None:
    client = create_app([SECOND]).test_client()
    assert client.post('/v1/SumModel', json={'x': 1}).get_json() == {'sum': 3}
    assert client.post('/v1/SumModel/versions/2', json={'x': 1}).get_json() == {'sum': 3}
    assert client.get('/v2/models/SumModel').get_json()['versions'] == ['2']
    assert client.post('/invocations', json={'x': 1}).get_json() == {'sum': 3}


def test_default_model_answers_by_its_default_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_MODEL', 'SumModel')
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_VERSIONS', 'SumModel=2')
    client = create_app(KNOWN).test_client()
    assert client.post('/invocations', json={'x': 1}).get_json() == {'sum': 3}


def test_settings_of_a_version_are_no_mistyped_ones_of_the_model() -> None:
    from model_serving.models.digits_model import DigitsSettings

    environment = {'MODEL_SERVING_DIGITS_MODEL_2_THREADS': '3'}
    assert load_settings(DigitsSettings, 'digits_model', environment=environment).threads == 0
    assert load_settings(DigitsSettings, 'digits_model_2', environment=environment).threads == 3


def test_tool_of_a_model_is_its_default_version_and_others_are_tools_beside_it(client: FlaskClient) -> None:
    tools = mcp_calls.send(client, *mcp_calls.newest('tools/list')).get_json()['result']['tools']
    assert [(each['name'], each['title']) for each in tools] == [
        ('SumModel', 'Sum, version 1'),
        ('SumModel_2', 'Sum, version 2'),
        ('XXXModel', 'Hello'),
    ]
    for name, total in (('SumModel', 2), ('SumModel_2', 3)):
        assert mcp_calls.call(client, name, {'x': 1})['structuredContent'] == {'sum': total}


def test_embeddings_are_asked_for_by_the_name_of_the_model_or_of_a_version() -> None:
    place = 'tests.protocols.embeddings_service'
    first = Mount('Letters', f'{place}:LettersResource')
    second = Mount('Letters', f'{place}:RememberedResource', version='2')
    client = create_app([first, second]).test_client()
    listed = client.get('/openai/v1/models').get_json()['data']
    assert [each['id'] for each in listed] == ['Letters', 'Letters@1', 'Letters@2']
    for name, answering in (('Letters', 'Letters@1'), ('Letters@2', 'Letters@2')):
        answer = client.post('/openai/v1/embeddings', json={'model': name, 'input': 'abc'})
        assert (answer.status_code, answer.get_json()['model']) == (200, answering)
