"""What the environment, and so a platform, says of address, paths and version. Free of Flask."""

import os
import re

from model_serving.addresses import ANYWHERE, LOOPBACK
from model_serving.settings import SettingError

ROUTE = re.compile(r'/[A-Za-z0-9._~:/-]*')
VERSION = re.compile(r'[A-Za-z0-9._~+/:@-]{1,64}')
PREFIX = re.compile(r'(/[A-Za-z0-9._~-]+)+')
PLATFORMS = 'GAE_ENV', 'K_SERVICE', 'KUBERNETES_SERVICE_HOST', 'AIP_HTTP_PORT'
"""Variables that App Engine, Cloud Run, Kubernetes and Vertex AI set in their containers."""


def chosen_host() -> str:
    """The variable HOST; without it this machine or, in a container of a platform, all addresses."""
    is_contained = any(name in os.environ for name in PLATFORMS)
    return os.environ.get('HOST') or (ANYWHERE if is_contained else LOOPBACK)


def chosen_port() -> str:
    """The variable that Vertex AI sets, else PORT; without either 9999."""
    given = map(os.environ.get, ('AIP_HTTP_PORT', 'PORT'))
    return next(filter(None, given), '9999')


def platform_route(name: str) -> str:
    """The path that a platform has chosen by the variable `name`, AIP_HEALTH_ROUTE for instance; or nothing.

    Raises SettingError for what is no path.
    """
    path = os.environ.get(name, '')
    if path and not ROUTE.fullmatch(path):
        raise SettingError(f'{name}: {path!r} is not a path such as /health')
    return path


def chosen_prefix() -> str:
    """The variable SCRIPT_NAME: what all paths begin with for clients, such as `/ml`; empty if nothing.

    Raises SettingError for what is no prefix.
    """
    text = os.environ.get('SCRIPT_NAME', '').strip().rstrip('/')
    if text and not PREFIX.fullmatch(text):
        raise SettingError(f'SCRIPT_NAME: {text!r} is no prefix such as /ml')
    return text


def served_version(setting: str) -> str:
    """The setting `version`, else the revision of Cloud Run or the version of App Engine; empty without any.

    Raises SettingError for what could not be in a line of the log.
    """
    version = setting or os.environ.get('K_REVISION') or os.environ.get('GAE_VERSION') or ''
    if version and not VERSION.fullmatch(version):
        raise SettingError(
            f'version: {version!r} is not 1 to 64 of the characters A-Z a-z 0-9 . _ ~ + / : @ -'
        )
    return version
