"""The service of these tests: a model with two versions that differ in what they add, and a model without."""

from typing import Any

from flask import Flask, request
from flask_restful import Resource

from model_serving import Mount
from model_serving import create_app as create
from model_serving.protocols.signature import Signature, Tensor
from model_serving.schemas.validation import validate_json

PLACE = 'tests.service.versions_service'
SCHEMA: dict[str, Any] = {
    'title': 'Sum',
    'type': 'object',
    'properties': {'x': {'type': 'number'}},
    'required': ['x'],
    'examples': [{'x': 1}],
}


def signature(added: float) -> Signature:
    return Signature([Tensor('x', 'FP64', [-1])], [Tensor('sum', 'FP64', [-1])], lambda x: x + added)


class First(Resource):
    """Adds 1."""

    tensors = signature(1)

    @validate_json(SCHEMA)
    def post(self) -> Any:
        """Add."""
        return {'sum': request.json['x'] + 1}


class Second(Resource):
    """Adds 2."""

    tensors = signature(2)

    @validate_json(SCHEMA)
    def post(self) -> Any:
        """Add."""
        return {'sum': request.json['x'] + 2}


class Failing(Resource):
    """Fails on its own example."""

    tensors = signature(3)

    @validate_json(SCHEMA)
    def post(self) -> Any:
        """Fail."""
        raise RuntimeError('the password is 42')


XXX = Mount('XXXModel', 'model_serving.resources.xxx_model_resource:XXXModelResource')
FIRST = Mount('SumModel', f'{PLACE}:First')
SECOND = Mount('SumModel', f'{PLACE}:Second', version='2')
FAILING = Mount('SumModel', f'{PLACE}:Failing', version='3')
GONE = Mount('SumModel', 'tests.service.broken_version:Broken', version='4')


def create_app() -> Flask:
    """Both versions."""
    return create([FIRST, SECOND, XXX])


def create_failing() -> Flask:
    """A version that serves, one that fails on its example, and one that does not load."""
    return create([FIRST, FAILING, GONE])
