"""The service of tests/engine/test_children.py: models that start processes, and that end their own."""

import ctypes
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

FOR_EVER_S = 600
STUBBORN = f"trap '' TERM; echo; exec sleep {FOR_EVER_S}"
forking = multiprocessing.get_context('fork')


def square(number: int) -> int:
    return number * number


class ForkingModel:
    """Starts a process when it loads, and more when it is asked to."""

    def __init__(self) -> None:
        self.loaded = self.daemon()
        self.kept: list[Any] = []

    def pool(self, number: int) -> int:
        """The square, by a pool of its own."""
        with forking.Pool(2) as pool:
            return pool.map(square, [number] * 4)[3]

    def idle_pool(self) -> int:
        """A pool that stays; the process of one who works in it."""
        self.kept.append(forking.Pool(2))
        return int(self.kept[-1].apply(os.getpid))

    def daemon(self) -> int:
        process = forking.Process(target=time.sleep, args=[FOR_EVER_S], daemon=True)
        process.start()
        return process.pid or 0

    def grandchild(self) -> int:
        """A child's child."""
        reader, writer = os.pipe()
        if os.fork() == 0:
            if child := os.fork():
                os.write(writer, str(child).encode())
            time.sleep(FOR_EVER_S)
            os._exit(0)
        return int(os.read(reader, 20))

    def stubborn(self) -> int:
        """A program that does not care for SIGTERM."""
        self.kept.append(subprocess.Popen(['sh', '-c', STUBBORN], stdout=subprocess.PIPE))
        self.kept[-1].stdout.readline()
        return int(self.kept[-1].pid)

    def terminated(self) -> int:
        """How a child ends that is told to, at once."""
        process = forking.Process(target=time.sleep, args=[FOR_EVER_S])
        process.start()
        process.terminate()
        process.join(5)
        return -(process.exitcode or 0)


forking_model = ForkingModel()
STARTS: dict[str, Callable[[], int]] = {
    'loaded': lambda: forking_model.loaded,
    'daemon': forking_model.daemon,
    'grandchild': forking_model.grandchild,
    'stubborn': forking_model.stubborn,
    'idle pool': forking_model.idle_pool,
    'terminated': forking_model.terminated,
}
EXITS: dict[str, Callable[[int], Any]] = {
    'os._exit': os._exit,
    "C's exit": lambda status: ctypes.CDLL(None).exit(status),
    'null pointer': ctypes.string_at,
    'signal': lambda number: os.kill(os.getpid(), number),
}
forking_schema = {
    'type': 'object',
    'properties': {'what': {'type': 'string'}, 'n': {'type': 'integer'}},
    'required': ['what', 'n'],
}


class PoolResource(Resource):  # type: ignore[misc]
    @validate_json(forking_schema)
    def post(self) -> Any:
        return {'result': forking_model.pool(request.json['n'])}


class StartResource(Resource):  # type: ignore[misc]
    @validate_json(forking_schema)
    def post(self) -> Any:
        return {'result': STARTS[request.json['what']]()}


class ExitResource(Resource):  # type: ignore[misc]
    @validate_json(forking_schema)
    def post(self) -> Any:
        EXITS[request.json['what']](request.json['n'])


class StateResource(Resource):  # type: ignore[misc]
    def get(self) -> Any:
        return {'pid': os.getpid()}


def create_app() -> Any:
    if os.path.exists(os.environ.get('FAIL_TO_BOOT', '')):
        raise RuntimeError('this worker does not boot')
    app, api = small_service({'Pool': PoolResource, 'Start': StartResource, 'Exit': ExitResource})
    api.add_resource(StateResource, '/state', endpoint='state')
    return app


app = create_app()
