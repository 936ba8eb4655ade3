"""What start.sh asks of the network; the exit status answers.

`free HOST PORT`, `wait URL PID`, and `report URL`, which prints what is wrong with the models.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model_serving.utils.address_utils import whole_number, why_not_free

START_SECONDS = 120
WARM_UP_SECONDS = 10


def free(host: str, port: str) -> None:
    """Exit with one line unless the service could listen there."""
    number = whole_number(port)
    if number is None:
        sys.exit(f'start.sh: PORT: {port!r} is not a number from 1 to 65535')
    if reason := why_not_free(host, number):
        sys.exit(f'start.sh: cannot listen on {host} port {port}: {reason}; choose others with HOST and PORT')


def wait(url: str, pid: str) -> None:
    """Return once `url` answers; exit with status 1 if the process ends first, or time runs out."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if not _answers(url):
            _exit_if_gone(int(pid))
            time.sleep(0.1)
            continue
        return
    sys.exit(f'start.sh: no answer after {START_SECONDS} seconds')


def report(url: str) -> None:
    """Print a line for each model that is not ready; those that are being run get a while."""
    end = time.monotonic() + WARM_UP_SECONDS
    while any(model['state'] == 'starting' for model in _models(url)) and time.monotonic() < end:
        time.sleep(0.1)
    for model in _models(url):
        if 'reason' in model:
            print(f'start.sh: {model["name"]} {model["reason"]}; see the log', file=sys.stderr)


def _models(url: str) -> list[dict[str, Any]]:
    try:
        with _opener().open(f'{url}/health/ready', timeout=5) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
    models: list[dict[str, Any]] = json.loads(text)['models']
    return models


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(url: str) -> bool:
    try:
        _opener().open(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _exit_if_gone(pid: int) -> None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit(1)


COMMANDS: dict[str, Callable[..., None]] = {'free': free, 'wait': wait, 'report': report}

if __name__ == '__main__':
    COMMANDS[sys.argv[1]](*sys.argv[2:])
