"""`model-serving stop`: no new requests, those in flight finish."""

import os
import signal
import sys
import time
from urllib.parse import SplitResult, urlsplit

from model_serving.addresses import why_not_free
from model_serving.commands.background import LOG_FILE, STOP_SECONDS, expected_address, is_server, running_pid
from model_serving.commands.listeners import listeners
from model_serving.service_settings import drain_seconds

PAUSE_SECONDS = 0.1
PROMOTION_SECONDS = 3


def stop() -> None:
    """Stop the service; return once it has ended. Exits with status 1, and says why, where it has not."""
    pid = running_pid()
    if pid is None:
        print('Not running')
        return
    place = urlsplit(expected_address())
    while pid is not None:
        _end(pid)
        ended, pid = pid, None
        end = time.monotonic() + PROMOTION_SECONDS
        while (is_taken := _is_taken(place)) and pid is None and time.monotonic() < end:
            time.sleep(PAUSE_SECONDS)
            pid = running_pid()  # A reload had just put another in its place.
    if is_taken and place.port:
        sys.exit(f'pid {ended} has ended, but its port is still taken:{listeners(place.port)}')
    print(f'Stopped (pid {ended})')


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    seconds = STOP_SECONDS + drain_seconds()
    end = time.monotonic() + seconds
    while is_server(pid):
        if time.monotonic() > end:
            sys.exit(f'pid {pid} has not ended after {seconds} seconds; see {LOG_FILE}')
        time.sleep(PAUSE_SECONDS)


def _is_taken(place: SplitResult) -> bool:
    return bool(place.hostname and place.port and why_not_free(place.hostname, place.port))
