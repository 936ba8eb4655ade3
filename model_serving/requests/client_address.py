"""The address of a client, as the proxies that are trusted tell it."""

import functools
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

IS_PROXY_KEY = 'model_serving.is_proxy'
"""Where a server keeps, for requests of a trusted proxy, the function that knows the others by address."""

MAX_FORWARDED_LENGTH = 1024


def client_address(environ: Mapping[str, Any]) -> str:
    """The peer; behind trusted proxies the last address in X-Forwarded-For that is not one of theirs.

    What stands further left in that header may be the client's own invention.
    """
    peer: str = environ.get('REMOTE_ADDR') or '-'
    is_proxy = environ.get(IS_PROXY_KEY)
    forwarded = environ.get('HTTP_X_FORWARDED_FOR') if is_proxy is not None else None
    if is_proxy is None or not forwarded or len(forwarded) > MAX_FORWARDED_LENGTH:
        return peer
    return _last_of_others(peer, forwarded, is_proxy)


@functools.lru_cache(1024)
def _last_of_others(peer: str, forwarded: str, is_proxy: Callable[[str], bool]) -> str:
    client = peer
    for text in reversed(forwarded.split(',')):
        try:
            client = str(ipaddress.ip_address(text.strip()))
        except ValueError:
            break
        if not is_proxy(client):
            break
    return client
