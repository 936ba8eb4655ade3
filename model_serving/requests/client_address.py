"""The address of a client: of what connects or, where that is a trusted proxy, of whom it speaks for."""

import functools
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

WITH_PORT = re.compile(r'\[([^\]]*)\](?::\d+)?|([0-9.]+):\d+')
MAX_HOPS = 16
MAX_CHARACTERS = 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies whose headers count: those of gunicorn's setting `forwarded_allow_ips`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.trust(names)

    def trust(self, names: Iterable[str]) -> None:
        """Trust these addresses and networks from now on; `*` is every one."""
        given = [name.strip() for name in names]
        self.are_all = '*' in given
        self._networks = [ipaddress.ip_network(name) for name in given if name not in ('', '*')]

    def have(self, address: Address | None) -> bool:
        """Whether this is one of them. Who connects by a socket in the file system has none, and is."""
        return self.are_all or address is None or any(address in network for network in self._networks)

    def have_peer(self, address: Any) -> bool:
        """Whether the peer of a socket is one of them."""
        return self.have(parse_address(str(address[0])) if isinstance(address, tuple) else None)


proxies = Proxies(os.environ.get('FORWARDED_ALLOW_IPS', '127.0.0.1,::1').split(','))


def client_address(environ: Mapping[str, Any]) -> str:
    """The address of the client: the last one in X-Forwarded-For that is no trusted proxy.

    What stands before it, the client may have written itself. Where all are trusted, the last one counts.
    """
    address: str = environ.get('REMOTE_ADDR') or '-'
    forwarded = environ.get('HTTP_X_FORWARDED_FOR')
    if forwarded is None or not proxies.have(parse_address(address)):
        return address
    for hop in reversed(forwarded[-MAX_CHARACTERS:].split(',')[-MAX_HOPS:]):
        found = parse_address(hop.strip())
        if found is None:
            break
        address = str(found)
        if proxies.are_all or not proxies.have(found):
            break
    return address


def client_network(environ: Mapping[str, Any]) -> str:
    """The same address or, in IPv6, its network: one client has 2 ** 64 addresses."""
    address = parse_address(client_address(environ))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


@functools.lru_cache(256)
def parse_address(text: str) -> Address | None:
    """`text`, perhaps with a port, as an address; None where it is none."""
    match = WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((match and (match[1] or match[2])) or text.partition('%')[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
