"""Prints the milliseconds of one request without a server: parse the body on standard input, predict, write.

The argument names the endpoint. It runs in the environment of the service, with a copy of it on the path.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

SECONDS = 0.5


def work(endpoint: str) -> Callable[[bytes], bytes]:
    """What an endpoint does with a body, less HTTP and validation."""
    if endpoint == 'hello':
        from model_serving.models.xxx_model import XXXModel

        return answering('name', 'result', XXXModel().hello)
    if endpoint == 'image':
        from benchmarks.served.image_model import ImageModel

        return answering('image', 'mean', ImageModel().brightness)
    if endpoint == 'heavy':
        from benchmarks.served.heavy_model import HeavyModel

        return answering('instances', 'predictions', HeavyModel().predict)
    from benchmarks.served.digit_labels_model import DigitLabelsModel

    return answering('instances', 'predictions', DigitLabelsModel().predict)


def answering(key: str, result: str, method: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A function from body to body around a method of a model."""
    return lambda body: orjson.dumps(
        {result: method(orjson.loads(body)[key])}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def median_ms(function: Callable[[bytes], bytes], body: bytes) -> float:
    """The median time of a call."""
    times = []
    function(body)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        function(body)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


if __name__ == '__main__':
    print(median_ms(work(sys.argv[1]), sys.stdin.buffer.read()))
