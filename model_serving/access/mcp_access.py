"""Who may use /mcp: by default those with keys or, without keys, programs of this machine; of pages few."""

import re
from typing import Any

from werkzeug.exceptions import NotFound

from model_serving.access.guard import ADMITTED
from model_serving.access.keys import ANONYMOUS
from model_serving.errors import Forbidden
from model_serving.platforms import chosen_host
from model_serving.service_settings import ServiceSettings

PROXIED = ('FORWARDED', 'VIA', 'X_FORWARDED_FOR', 'X_FORWARDED_HOST', 'X_FORWARDED_PROTO', 'X_REAL_IP')
"""What proxies add. One on this machine would make the whole network look like this machine."""
LOOPBACK = re.compile(r'(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?|::1', re.ASCII | re.IGNORECASE)
CLOSED = 'MCP is for programs of this machine, which name it localhost or 127.0.0.1; mcp=on, or keys, open it'


class MCPAccess:
    """Refuses requests for /mcp. It `is_off`, for all, where it would be open to a network by default."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._is_open = settings.mcp == 'on' or (bool(settings.keys) and settings.mcp == 'auto')
        self.is_off = settings.mcp == 'off' or not (self._is_open or LOOPBACK.fullmatch(chosen_host()))
        self._origins = {origin.lower() for origin in settings.cors_origins} - {'*'}

    def is_for(self, environ: dict[str, Any]) -> bool:
        """Whether it is for the client of a request, which may come from a page."""
        return not self.is_off and (self._is_open or _is_of_this_machine(environ))

    def require(self, environ: dict[str, Any]) -> None:
        """Raise NotFound or Forbidden, unless a request may be answered."""
        if not self.is_for(environ):
            raise NotFound(CLOSED)
        origin, host = environ.get('HTTP_ORIGIN', '').lower(), environ.get('HTTP_HOST', '').lower()
        # Where it neither has a key nor names this machine, a page's own name may lead here.
        has_key = environ.get(ADMITTED) not in (None, '', ANONYMOUS)
        is_own = origin.partition('://')[2] == host and (has_key or LOOPBACK.fullmatch(host))
        if 'HTTP_ORIGIN' in environ and not is_own and origin not in self._origins:
            raise Forbidden('Pages of this origin may call no tools; cors_origins may name it, * does not')


def _is_of_this_machine(environ: dict[str, Any]) -> bool:
    """Whether a request was sent here, to here by name, and through no proxy that says so."""
    ends = (environ.get(name) or '' for name in ('SERVER_NAME', 'REMOTE_ADDR', 'HTTP_HOST'))
    return all(map(LOOPBACK.fullmatch, ends)) and not any(f'HTTP_{name}' in environ for name in PROXIED)
