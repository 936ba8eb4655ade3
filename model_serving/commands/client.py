"""What `model-serving start` asks of the service that it has started."""

import json
import shlex
import ssl
import time
import urllib.error
import urllib.request
from typing import Any

WARM_UP_SECONDS = 10
PAUSE_SECONDS = 0.1


def answers(url: str) -> bool:
    """Whether a service answers there."""
    try:
        get(f'{url}/health/live')
    except OSError:
        return False
    return True


def failures(url: str) -> list[str]:
    """A line for each model that is not ready; those that are being run get a while."""
    end = time.monotonic() + WARM_UP_SECONDS
    models = _models(url)
    while any(model['state'] == 'starting' for model in models) and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        models = _models(url)
    return [f'{model["name"]} {model["reason"]}; see the log' for model in models if 'reason' in model]


def _models(url: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = json.loads(get(f'{url}/health/ready'))['models']
    return models


def example(url: str) -> str:
    """A line that calls the first model that has an example."""
    for model in json.loads(get(f'{url}/')).get('models', []):  # None where it takes a key.
        for body in model['schema'].get('examples', [])[:1]:
            data = shlex.quote(json.dumps(body))
            return f"Try:  curl {url}{model['url']} -H 'Content-Type: application/json' -d {data}\n"
    return ''


def get(url: str) -> bytes:
    """The body of an answer of any status. Raises OSError where there is none."""
    # It is the service on this machine, whatever its certificate says.
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)
    )
    try:
        with opener.open(url, timeout=5) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    return body
