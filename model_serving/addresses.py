"""Where a server can listen. Free of Flask, as scripts use it as well."""

import socket

LARGEST = 65535
LOOPBACK = '127.0.0.1'
ANYWHERE = '0.0.0.0'


def whole_number(text: str) -> int | None:
    """`text` as a number from 1 to 65535; None if it is none."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and 1 <= int(text) <= LARGEST:
        return int(text)
    return None


def why_not_free(host: str, port: int) -> str | None:
    """Why a server cannot listen there now; None if it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        return getattr(error, 'strerror', None) or 'this is not an address'
    return None
