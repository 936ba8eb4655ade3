"""The service of these tests: a model that gives back a tensor of every datatype, and one that is slow."""

import time
from typing import Any

import numpy
from flask import Flask
from flask_restful import Resource

from model_serving.protocols.mount import mount_protocols
from model_serving.protocols.signature import DTYPES, Signature, Tensor
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

ANYTHING: dict[str, Any] = {'type': 'object'}
VALUES: dict[str, list[Any]] = {
    'BOOL': [True, False],
    'UINT8': [0, 2**8 - 1],
    'UINT16': [0, 2**16 - 1],
    'UINT32': [0, 2**32 - 1],
    'UINT64': [0, 2**64 - 1],
    'INT8': [-(2**7), 2**7 - 1],
    'INT16': [-(2**15), 2**15 - 1],
    'INT32': [-(2**31), 2**31 - 1],
    'INT64': [-(2**63), 2**63 - 1],
    'FP16': [-65504.0, 0.5],
    'FP32': [1.5, -3.4028235e38],
    'FP64': [0.1, 1.7976931348623157e308],
    'BYTES': ['Zoë 你好', ''],
}
"""Two elements of every datatype, its least and greatest where it has such."""


class EchoModelResource(Resource):
    """Gives back what it gets: a tensor of every datatype."""

    tensors = Signature(
        inputs=[Tensor(name.lower(), name, [-1, 2]) for name in DTYPES],
        outputs=[Tensor(f'{name.lower()}_out', name, [-1, 2]) for name in DTYPES],
        call=lambda *arrays: arrays,
    )

    @validate_json(ANYTHING)
    def post(self) -> Any:
        """Say nothing."""
        return {}


def nap(seconds: Any) -> Any:
    time.sleep(float(seconds.sum()))
    if (seconds < 0).any():
        raise RuntimeError('crashed')
    return numpy.cumsum(seconds)


class NapModelResource(Resource):
    """Sleeps for as many seconds as it is told; crashes on less than none."""

    tensors = Signature(
        inputs=[Tensor('seconds', 'FP32', [-1])], outputs=[Tensor('total', 'FP32', [-1])], call=nap
    )

    @validate_json(ANYTHING)
    def post(self) -> Any:
        """Say nothing."""
        return {}


class PlainModelResource(Resource):
    """Has no tensors."""

    @validate_json(ANYTHING)
    def post(self) -> Any:
        """Say nothing."""
        return {}


def create(**resources: type[Resource]) -> Flask:
    """An application with these resources, by the names of the models."""
    app, api = small_service(resources)
    mount_protocols(app, api)
    return app


def create_app() -> Flask:
    """The application with all of them."""
    return create(EchoModel=EchoModelResource, NapModel=NapModelResource, PlainModel=PlainModelResource)
