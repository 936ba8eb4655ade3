"""The server of `python main.py`: Flask's own, for one's own machine."""

import ipaddress
import os
import sys
from collections.abc import Callable

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, run_simple

from model_serving.addresses import ANYWHERE, LOOPBACK, whole_number, why_not_free
from model_serving.errors import ModelNotReady
from model_serving.observability.access_log import configure_logging
from model_serving.schemas.compiled import BadSchema
from model_serving.settings import SettingError


class _QuietRequestHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = '-', size: int | str = '-') -> None:
        """Write nothing: the service has an access log of its own."""


def serve(create: Callable[[], Flask], host: str | None, port: str | None, debug: bool) -> None:
    """Serve the application that `create` makes until interrupted.

    Exits with one line and status 1 when the port is no port or taken, or the app cannot be made.
    """
    address = host or LOOPBACK
    number = _port(port or '9999')
    if not _in_reloaded_process() and (reason := why_not_free(address, number)):
        sys.exit(
            f'model-serving cannot start on {address} port {number}: {reason};'
            ' choose others with --host and --port'
        )
    configure_logging()
    only_watches = debug and not _in_reloaded_process()
    app = Flask('reloader') if only_watches else _create(create)
    debugger = debug and _is_loopback(address)
    if debug and not debugger:
        app.config['PROPAGATE_EXCEPTIONS'] = False
    _announce(address, number, debug, debugger)
    app.debug = debug
    run_simple(
        address,
        number,
        app,
        threaded=True,
        use_reloader=debug,
        use_debugger=debugger,
        request_handler=_QuietRequestHandler,
    )


def _create(create: Callable[[], Flask]) -> Flask:
    try:
        return create()
    except (SettingError, BadSchema, ModelNotReady) as error:
        sys.exit(f'model-serving cannot start: {error}')


def _port(text: str) -> int:
    return whole_number(text) or sys.exit(
        f'model-serving cannot start: {text!r} is not a port; give a number from 1 to 65535 with --port'
    )


def _in_reloaded_process() -> bool:
    return os.environ.get('WERKZEUG_RUN_MAIN') == 'true'


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def _announce(host: str, port: int, debug: bool, debugger: bool) -> None:
    if _in_reloaded_process():
        return
    if debug and not debugger:
        print(f'Debugging without the interactive debugger: {host} can be reached from other machines.')
    print(f'Serving at http://{LOOPBACK if host == ANYWHERE else host}:{port}/', flush=True)
