"""The access log tells the client's address, and how many bytes it was sent."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, nap_body, read_to_end, request_of, served, until
from tests.raw_http import send

GREETING = b'{"name": "Leo"}'


@pytest.fixture(scope='module', params=['true', 'false'], ids=['fast_path', 'full_dispatch'])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('access') / 'log'
    settings = {'FORWARDED_ALLOW_IPS': '127.0.0.1,192.0.2.0/24', 'MODEL_SERVING_TIMEOUT_S': '1'}
    with served(log, MODEL_SERVING_FAST_PATH=request.param, **settings) as service:
        yield service


def line_of(service: Service, marker: str) -> tuple[int, str]:
    """The size and the address in the line of the request with this id."""
    line = rf'\[{marker}\] - \[access\] .* ms (\S+) B (\S+)\n'
    match = until(lambda: re.search(line, service.log.read_text()))
    return int(match[1]), match[2]


def sent(
    service: Service, marker: str, method: str, path: str, *headers: str, body: bytes = b''
) -> tuple[bytes, int, str]:
    """All that comes on a connection for one request, and what its line says."""
    with service.connect() as connection:
        head = ('Connection: close', f'X-Request-ID: {marker}', *headers)
        connection.sendall(request_of(method, path, *head, body=body))
        return (read_to_end(connection), *line_of(service, marker))


REQUESTS = {
    'json': ('POST', '/v1/XXXModel', GREETING),
    'refusal': ('POST', '/v1/XXXModel', b'{}'),
    'no_json': ('POST', '/v1/XXXModel', b'{'),
    'unknown_path': ('GET', '/nowhere', b''),
    'stream': ('GET', '/stream?count=5&size=100', b''),
    'large': ('GET', '/whole?size=1000000', b''),
    'crash': ('POST', '/v1/Crash', b'{}'),
    'late': ('POST', '/v1/Nap', nap_body('late', 2)),
    'head': ('HEAD', '/', b''),
}


@pytest.mark.parametrize(('method', 'path', 'body'), REQUESTS.values(), ids=REQUESTS)
def test_size_is_that_of_all_bytes_that_were_sent(
    service: Service, method: str, path: str, body: bytes
) -> None:
    marker = f'{method}-{path.strip("/").partition("?")[0].replace("/", "-")}-{len(body)}'
    data, size, client = sent(service, marker, method, path, body=body)
    assert (size, client) == (len(data), '127.0.0.1')


def test_each_of_several_answers_on_a_connection_has_its_size(service: Service) -> None:
    with service.connect() as connection:
        for number in range(3):
            last = ['Connection: close'] if number == 2 else []
            headers = [f'X-Request-ID: several-{number}', *last]
            connection.sendall(request_of('POST', '/v1/XXXModel', *headers, body=GREETING))
        total = len(read_to_end(connection))
    assert sum(line_of(service, f'several-{number}')[0] for number in range(3)) == total


FORWARDED = {
    'none': (None, '127.0.0.1'),
    'client': ('198.51.100.7', '198.51.100.7'),
    'invented_by_the_client': ('10.9.9.9, 198.51.100.7', '198.51.100.7'),
    'through_two_proxies': ('10.9.9.9, 198.51.100.7, 192.0.2.5', '198.51.100.7'),
    'proxies_alone': ('192.0.2.6, 192.0.2.5', '192.0.2.6'),
    'version_6': ('2001:db8::1', '2001:db8::1'),
    'no_address': ('evil" 200 [x', '127.0.0.1'),
    'no_address_further_left': ('unknown, 192.0.2.5', '192.0.2.5'),
    'long': (', '.join(['198.51.100.7'] * 500), '198.51.100.7'),
}


@pytest.mark.parametrize(('forwarded', 'expected'), FORWARDED.values(), ids=FORWARDED)
def test_address_is_what_trusted_proxies_say(service: Service, forwarded: str | None, expected: str) -> None:
    marker = f'from-{abs(hash(forwarded))}'
    headers = [] if forwarded is None else [f'X-Forwarded-For: {forwarded}']
    assert sent(service, marker, 'GET', '/', *headers)[2] == expected


def test_address_that_others_claim_is_not_believed(tmp_path: Path) -> None:
    settings = {'FORWARDED_ALLOW_IPS': '192.0.2.1', 'MODEL_SERVING_LOG_FORMAT': 'json'}
    with served(tmp_path / 'log', **settings) as service:
        send(service.url, request_of('GET', '/', 'X-Request-ID: claim', 'X-Forwarded-For: 198.51.100.7'))
        line = until(lambda: re.search('.*"claim".*', service.log.read_text()))[0]
        assert '"remoteIp":"127.0.0.1"' in line
        assert re.search(r'"responseSize":"\d+"', line)
