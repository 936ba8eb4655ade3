"""Reads manifests by the models of KServe's own package; prints what these do not know, as JSON.

Runs in the environment of KServe's client.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve.models
import kubernetes.client.models

PRIMITIVES: dict[str, Any] = {'str': str, 'int': int, 'bool': bool, 'float': (int, float)}


def main() -> None:
    found: list[str] = []
    for manifest in json.load(sys.stdin):
        add_ports(manifest)
        found += complaints_of(manifest, 'V1beta1InferenceService', manifest['kind'])
    print(json.dumps(found))


def add_ports(manifest: Any) -> None:
    """Name the port that Knative chooses: these models need one, unlike KServe's definition in a cluster."""
    for container in manifest['spec']['predictor']['containers']:
        for probe in ('readinessProbe', 'livenessProbe'):
            container.get(probe, {}).get('httpGet', {}).setdefault('port', 8080)


def complaints_of(value: Any, type_name: str, place: str) -> Iterator[str]:
    """What in a value does not fit the type of this name, as the models write it."""
    if found := re.fullmatch(r'[Ll]ist\[(.+)\]', type_name):
        for number, each in enumerate(value):
            yield from complaints_of(each, found[1], f'{place}[{number}]')
    elif found := re.fullmatch(r'[Dd]ict[(\[](.+?), (.+)[)\]]', type_name):
        for name, each in value.items():
            yield from complaints_of(each, found[2], f'{place}.{name}')
    elif (model := model_called(type_name)) is not None:
        yield from complaints_of_object(value, model, place)
    elif type_name in PRIMITIVES and not isinstance(value, PRIMITIVES[type_name]):
        yield f'{place} is {value!r}, not {type_name}'


def model_called(name: str) -> Any:
    return getattr(kserve.models, name, None) or getattr(kubernetes.client.models, name, None)


def complaints_of_object(value: Any, model: Any, place: str) -> Iterator[str]:
    attributes = {shown: attribute for attribute, shown in model.attribute_map.items()}
    for name, each in value.items():
        if name in attributes:
            yield from complaints_of(each, model.openapi_types[attributes[name]], f'{place}.{name}')
        else:
            yield f'{place}.{name} is unknown'
    try:
        model(**{attributes[name]: each for name, each in value.items() if name in attributes})
    except ValueError as error:  # Of what a model needs, or allows only some values of.
        yield f'{place}: {error}'


if __name__ == '__main__':
    main()
