"""Clients that ask a model again and again for a while, each as soon as it has its answer."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60
SHOWN = 300


class NotAnswered(Exception):
    """The model has not answered with 200; the text says what it did instead."""


def ask(url: str, body: Any, clients: int, seconds: float) -> int:
    """How many answers so many clients get in that time; each waits for its last. Raises NotAnswered."""
    end = time.monotonic() + seconds
    data = json.dumps(body).encode()
    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(_ask, url, data, end) for _ in range(clients)]
        return sum(each.result() for each in asked)


def _ask(url: str, data: bytes, end: float) -> int:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or '', place.port, timeout=TIMEOUT_SECONDS)
    count = 0
    try:
        while not count or time.monotonic() < end:
            connection.request('POST', place.path, data, {'Content-Type': 'application/json'})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise NotAnswered(f'answered {answer.status}: {text[:SHOWN].decode(errors="replace")}')
            count += 1
    except (OSError, http.client.HTTPException) as error:
        raise NotAnswered(f'gave no answer: {error}') from error
    finally:
        connection.close()
    return count
