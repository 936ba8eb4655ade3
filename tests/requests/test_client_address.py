"""Whose address a request has: nobody can make one up."""

from collections.abc import Iterator

import pytest

from model_serving.requests.client_address import client_address, client_network, proxies

NEAR, CLIENT, FORGED = '10.0.0.1', '203.0.113.7', '198.51.100.1'


@pytest.fixture(autouse=True)
def trusting() -> Iterator[None]:
    """Trust one network; afterwards, what is trusted without a setting."""
    proxies.trust(['10.0.0.0/8', 'fd00::/8'])
    yield
    proxies.trust(['127.0.0.1', '::1'])


CASES = {
    'direct': ((CLIENT, None), CLIENT),
    'forged_without_a_proxy': ((CLIENT, FORGED), CLIENT),
    'behind_a_proxy': ((NEAR, CLIENT), CLIENT),
    'forged_behind_a_proxy': ((NEAR, f'{FORGED}, {CLIENT}'), CLIENT),
    'behind_two': ((NEAR, f'{FORGED},{CLIENT} , 10.2.3.4'), CLIENT),
    'all_are_proxies': ((NEAR, '10.9.9.9, 10.2.3.4'), '10.9.9.9'),
    'no_address': ((NEAR, f'{FORGED}, unknown'), NEAR),
    'no_address_behind_one': ((NEAR, f'{FORGED}, , {CLIENT}'), CLIENT),
    'port': ((NEAR, f'{CLIENT}:4711'), CLIENT),
    'mapped': ((f'::ffff:{NEAR}', f'::ffff:{CLIENT}'), CLIENT),
    'six': (('fd00::1', '[2001:db8::1]:4711'), '2001:db8::1'),
    'socket_file': (('', CLIENT), CLIENT),
    'empty': ((NEAR, ''), NEAR),
    'endless': ((NEAR, f'{FORGED}, ' * 9999 + CLIENT), CLIENT),
}


@pytest.mark.parametrize(('given', 'address'), CASES.values(), ids=CASES)
def test_address(given: tuple[str, str | None], address: str) -> None:
    peer, forwarded = given
    environ = {'REMOTE_ADDR': peer} | ({} if forwarded is None else {'HTTP_X_FORWARDED_FOR': forwarded})
    assert client_address(environ) == address


def test_last_address_counts_where_every_proxy_is_trusted() -> None:
    proxies.trust(['*'])
    assert client_address({'REMOTE_ADDR': NEAR, 'HTTP_X_FORWARDED_FOR': f'{FORGED}, {CLIENT}'}) == CLIENT


def test_client_in_ipv6_is_a_network() -> None:
    networks = {client_network({'REMOTE_ADDR': f'2001:db8::{number}'}) for number in range(9)}
    assert networks == {'2001:db8::/64'}
    assert client_network({'REMOTE_ADDR': CLIENT}) == CLIENT
