"""What start.sh asks of the network: `free HOST PORT`, `wait URL PID`; the exit status answers."""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model_serving.utils.address_utils import whole_number, why_not_free

START_SECONDS = 120


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


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
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


if __name__ == '__main__':
    {'free': free, 'wait': wait}[sys.argv[1]](*sys.argv[2:])
