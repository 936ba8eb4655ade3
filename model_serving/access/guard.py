"""What refuses requests by their heads alone, before a body is parsed or a model's queue is entered."""

import math
import time
from collections.abc import Callable
from typing import Any

from flask import Flask

from model_serving.access.keys import MAX_KEY_LENGTH, MAX_SEEN, Key, KeyFile, Keys
from model_serving.access.limits import address_buckets, key_buckets
from model_serving.errors import Forbidden, LimitReached, Unauthorized
from model_serving.observability.metrics import count_refused_key
from model_serving.project import ROOT
from model_serving.requests.client_address import client_network
from model_serving.requests.current import REQUEST_KEY, CurrentRequest
from model_serving.service_settings import ServiceSettings

ADMITTED = 'model_serving.admitted'
"""Where the WSGI environment of an admitted request keeps the name of its key; '' where it needed none."""
ENDPOINT = 'model_serving.endpoint'
"""Where it keeps for what it was admitted: Flask may find another endpoint than the engine has."""
SAFE = 'GET', 'HEAD', 'OPTIONS'
JOB = 'job'
"""The part of a model's endpoints that is asked for its jobs, which are no further calls."""
NEEDED = 'A key is needed: send the header Authorization: Bearer <key>'
WRONG = 'The key is not valid; ask whoever runs the service for one'


class Guard:
    """Refuses requests of `app`.

    A view says in `access` what it is: 'health', which is always free; 'console', 'docs' or 'metrics', which
    may be public; 'listing', for any key. All else needs a key for the model that its endpoint names.
    """

    def __init__(self, app: Flask, settings: ServiceSettings) -> None:
        self.keys = KeyFile(ROOT / settings.keys) if settings.keys else None
        self._app = app
        self._free = {'health', *settings.public}
        self._origins = {origin.lower() for origin in settings.cors_origins}
        self._known: dict[str | None, tuple[str | None, str, str]] = {}

    def __call__(self, environ: dict[str, Any], endpoint: str | None) -> None:
        """Admit a request, once, or raise Unauthorized, Forbidden or LimitReached."""
        if ADMITTED in environ and environ[ENDPOINT] == endpoint:
            return
        method = environ['REQUEST_METHOD'].upper()
        if 'HTTP_ORIGIN' in environ and method not in SAFE:
            self._check_origin(environ)
        environ[ADMITTED], environ[ENDPOINT] = '', endpoint
        if self.keys is None:
            return
        access, model, part = self._known.get(endpoint) or self._learn(endpoint)
        if access in self._free or (method == 'OPTIONS' and not self._has_options(endpoint)):
            return  # A preflight brings no key.
        now = time.monotonic()
        keys = self.keys.keys(now)
        given = environ.get('HTTP_AUTHORIZATION'), environ.get('HTTP_X_API_KEY')
        key = keys.seen.get(given) or _find(keys, given, access)
        environ[ADMITTED] = key.name
        request: CurrentRequest | None = environ.get(REQUEST_KEY)
        if request is not None:
            request.key = key.name
        if access is None:
            if key.models is not None and model not in key.models:
                raise _refusal(key, model)
            if key.limits and part != JOB and (method not in SAFE or not part):
                _take(key, model, environ, now)

    def needs_key(self, endpoint: str | None) -> bool:
        """Whether requests for an endpoint do; None stands for what is not there."""
        return self.keys is not None and self._learn(endpoint)[0] not in self._free

    def has_key_for(self, environ: dict[str, Any], endpoint: str) -> bool:
        """Whether a request needs no key for the model of an endpoint, or has one. Raises Unauthorized."""
        if self.keys is None:
            return True
        keys = self.keys.keys(time.monotonic())
        given = environ.get('HTTP_AUTHORIZATION'), environ.get('HTTP_X_API_KEY')
        models = (keys.seen.get(given) or _find(keys, given, 'listing')).models
        return models is None or self._learn(endpoint)[1] in models

    def _learn(self, endpoint: str | None) -> tuple[str | None, str, str]:
        """What an endpoint is, the model that it is named after, of any version, and what it is of that."""
        view = self._app.view_functions.get(endpoint or '')
        model, _, part = (endpoint or '').partition('.')
        access = 'listing' if endpoint is None else getattr(getattr(view, 'view_class', view), 'access', None)
        known = self._known[endpoint] = access, model.partition('@')[0], part
        return known

    def _has_options(self, endpoint: str | None) -> bool:
        """Whether a view answers OPTIONS, which Flask does otherwise."""
        rules = self._app.url_map.iter_rules(endpoint) if endpoint else ()
        return any(not rule.provide_automatic_options for rule in rules)  # type: ignore[attr-defined]

    def _check_origin(self, environ: dict[str, Any]) -> None:
        """Refuse a request of another origin's page: a browser sends some without asking first."""
        origin = environ['HTTP_ORIGIN']
        if '*' in self._origins or origin.lower() in self._origins:
            return
        # The scheme is not compared: a proxy may have ended TLS. A browser lets no page set the other header.
        host = origin.partition('://')[2].lower()
        is_own = bool(host) and host == environ.get('HTTP_HOST', '').lower()
        if not is_own and environ.get('HTTP_SEC_FETCH_SITE') != 'same-origin':
            raise Forbidden(
                'Pages of this origin may not call; the setting cors_origins lists those that may'
            )


def _find(keys: Keys, headers: tuple[str | None, str | None], access: str | None) -> Key:
    """The key of a request with these headers, or the line for those without one. Raises Unauthorized."""
    header, given = headers[0] or None, headers[1] or None
    if header is not None:
        scheme, _, token = header.partition(' ')
        token = token.strip()
        given = token if scheme.lower() == 'bearer' and given in (None, token) else ''
    key = keys.anonymous if given is None else keys.find(given)
    if key is None or (given is None and access in ('console', 'docs', 'metrics')):
        count_refused_key()
        raise Unauthorized(NEEDED if given is None else WRONG)
    if given is not None and len(keys.seen) < MAX_SEEN and len((header or '') + given) < 2 * MAX_KEY_LENGTH:
        keys.seen[headers] = key
    return key


def _refusal(key: Key, model: str) -> Unauthorized | Forbidden:
    """Why a key, or a caller without one, may not call a model."""
    if not key.digest:
        count_refused_key()
        return Unauthorized(NEEDED)
    return Forbidden(f'This key is not for {model}; ask whoever runs the service for one that is')


def _take(key: Key, model: str, environ: dict[str, Any], now: float) -> None:
    """Count a request, for its address where it has no key. Raises LimitReached."""
    buckets, address = (key_buckets, '') if key.digest else (address_buckets, client_network(environ))
    if wait_s := buckets.take(key.buckets_of(model, address), now):
        seconds = math.ceil(wait_s)
        text = ' and '.join(map(str, key.limits))
        message = f'{model} takes {text} from {"this key" if key.digest else "an address without a key"}'
        raise LimitReached(f'{message}; try again in {seconds} s', seconds)


def needs_key(app: Flask, endpoint: str | None = None) -> bool:
    """Whether requests for an endpoint of an application need a key; without one: whether keys are on."""
    guard = getattr(app, 'guard', None)
    return isinstance(guard, Guard) and guard.needs_key(endpoint)


def may_call(app: Flask, environ: dict[str, Any], endpoint: str) -> bool:
    """Whether an admitted request could be one for the model of an endpoint. Raises Unauthorized."""
    guard = getattr(app, 'guard', None)
    return not isinstance(guard, Guard) or guard.has_key_for(environ, endpoint)


def guard_of(app: Flask, settings: ServiceSettings) -> Callable[..., None] | None:
    """What is to be called with the environment and the endpoint of each request; None: nobody is refused.

    Raises SettingError for a file of keys that cannot be used.
    """
    is_needed = settings.keys or '*' not in settings.cors_origins
    return Guard(app, settings) if is_needed else None
