import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project_copy import copy_files, copy_with_models, project_files
from tests.ray.cluster import Cluster, running_cluster
from tests.service_process import running_service

SLEEPER = """
import os
import time

from flask import request
from flask_restful import Resource

from model_serving.utils.batch_utils import batched
from model_serving.utils.validation_utils import validate_json


class Sleeper:
    @batched(max_batch_size=8, max_wait_ms=20)
    def sleep(self, seconds):
        time.sleep(max(seconds))
        return [len(seconds)] * len(seconds)


sleeper = Sleeper()
schema = {
    'type': 'object',
    'properties': {'seconds': {'type': 'number', 'minimum': 0}},
    'required': ['seconds'],
    'examples': [{'seconds': 0}],
}


class SleeperResource(Resource):
    @validate_json(schema)
    def post(self):
        rows = sleeper.sleep([request.json['seconds']])
        return {'together': rows[0], 'pid': os.getpid()}
"""
IRIS_AGAIN = """
from flask_restful import Resource

from model_serving.resources.iris_model_resource import IrisModelResource, iris_model_schema
from model_serving.utils.validation_utils import validate_json


class IrisAgainResource(Resource):
    tensors = IrisModelResource.tensors

    @validate_json(iris_model_schema)
    def post(self):
        return {'predictions': ['the second']}
"""
MODELS = 'XXXModel,DigitsModel,IrisModel,Sleeper'
LABELS = {'MODEL_SERVING_LABELS': 'IrisModel:canary=2'}


@pytest.fixture(scope='session')
def ray_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a model that sleeps, and says in which process; and a version of another."""
    code = {'Sleeper': SLEEPER, 'IrisAgain': IRIS_AGAIN}
    copy = copy_with_models(tmp_path_factory.mktemp('ray') / 'project', code)
    main = copy / 'main.py'
    mount = re.compile(r"Mount\('IrisAgain', (.*)\),")
    main.write_text(mount.sub(r"Mount('IrisModel', \1, version='2'),", main.read_text()))
    return copy_files(project_files('deploy/ray_app.py'), copy)


@pytest.fixture(scope='session')
def ray_cluster(ray_project: Path) -> Iterator[Cluster]:
    """Three nodes, with two replicas of each model."""
    options = f'models={MODELS}', 'min_replicas=2', 'max_replicas=2', 'num_cpus=0.5', 'gateways=2'
    with running_cluster(ray_project, ray_project.parent / 'ray.log', *options, **LABELS) as cluster:
        yield cluster


@pytest.fixture(scope='session')
def plain_service(ray_project: Path) -> Iterator[str]:
    """The same models under gunicorn."""
    log = ray_project.parent / 'plain.log'
    settings = {'MODEL_SERVING_MODELS': MODELS, 'MODEL_SERVING_ROOT': str(ray_project), **LABELS}
    with running_service(log, ray_project, **settings) as url:
        yield url


@pytest.fixture(scope='session')
def single_model(ray_cluster: Cluster) -> str:
    """The URL of a second application of the cluster: one model, which needs no gateway, under a prefix."""
    prefix = '--name=single', '--route-prefix=/single'
    ray_cluster.serve(*prefix, 'deploy.ray_app:app', 'models=IrisModel', 'num_cpus=0.1')
    return f'{ray_cluster.url}/single'
