"""Who is compared, and how each is started: as its own documentation says, two workers, no access log."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks import environments
from benchmarks.environments import HERE, MODELS, SERVICE
from benchmarks.loads import Form, KServeV1, OpenInference, Plain

WORKERS = 2
ENDPOINTS = ('hello', 'digits', 'heavy')
"""What is served at once: memory and cold start are of these."""

MODEL_OF = {
    'hello': 'XXXModel',
    'digits': 'DigitLabelsModel',
    'heavy': 'HeavyModel',
    'image': 'ImageModel',
    'slow': 'SlowModel',
}


class Contender(NamedTuple):
    """A server; `fill` says what the braces in its command and variables stand for."""

    name: str
    python: Path
    folder: Path
    command: list[str]
    variables: dict[str, str]
    paths: dict[str, str]
    form: Form


def ours(name: str = 'ours', words: str = '', *, access_log: bool = False) -> Contender:
    """The service; `words` are further variables (NAME=VALUE) and arguments of gunicorn."""
    given = shlex.split(words)
    variables = dict(word.split('=', 1) for word in given if word.partition('=')[0].isupper())
    arguments = [word for word in given if not word.partition('=')[0].isupper()]
    return Contender(
        name,
        environments.ours()['ours'],
        SERVICE,
        ['{bin}/gunicorn', '--config', 'conf/gunicorn.conf.py', *arguments],
        {
            'HOST': '127.0.0.1',
            'PORT': '{port}',
            'WORKERS': '{workers}',
            'MODEL_SERVING_MODELS': '{models}',
            'MODEL_SERVING_ACCESS_LOG': str(access_log).lower(),
            **variables,
        },
        {endpoint: f'/v1/{model}' for endpoint, model in MODEL_OF.items()},
        Plain(),
    )


def serving(contender: Contender, models: str) -> Contender:
    """Ours with other models, of those that ship: all for ''."""
    variables = {**contender.variables, 'MODEL_SERVING_MODELS': models}
    paths = {'hello': '/v1/XXXModel', 'digits': '/v1/DigitsModel'}
    return contender._replace(variables=variables, paths=paths)


def version(contender: Contender) -> str:
    """The version of a peer."""
    return environments.version(contender.python, contender.folder.name)


def peer(name: str) -> Contender:
    """A peer, in an environment of its own."""
    folder, command, variables, path, form = PEERS[name]
    paths = {endpoint: path.format(endpoint) for endpoint in MODEL_OF}
    return Contender(
        name, environments.peer(folder), HERE / 'peers' / folder, shlex.split(command), variables, paths, form
    )


UVICORN = (
    '{bin}/uvicorn --host 127.0.0.1 --port {port} --workers {workers} --no-access-log --log-level warning'
)

PEERS: dict[str, tuple[str, str, dict[str, str], str, Form]] = {
    'fastapi-tuned': ('fastapi', f'{UVICORN} tuned:app', {}, '/{}', Plain()),
    'fastapi': ('fastapi', f'{UVICORN} app:app', {}, '/{}', Plain()),
    'mosec': (
        'mosec',
        '{bin}/python server.py --port {port} --address 127.0.0.1 --log-level error',
        {},
        '/{}',
        Plain(),
    ),
    'litserve': ('litserve', '{bin}/python server.py {port}', {}, '/{}', Plain()),
    'bentoml': (
        'bentoml',
        '{bin}/bentoml serve service:Peer --host 127.0.0.1 --port {port}',
        {'BENTOML_DO_NOT_TRACK': 'True'},
        '/{}',
        Plain(),
    ),
    'mlserver': (
        'mlserver',
        '{bin}/mlserver start .',
        {
            'MLSERVER_HOST': '127.0.0.1',
            'MLSERVER_HTTP_PORT': '{port}',
            'MLSERVER_GRPC_PORT': '{port2}',
            'MLSERVER_METRICS_PORT': '{port3}',
            'PYTHONPATH': '{folder}',
        },
        '/v2/models/{}/infer',
        OpenInference(),
    ),
    'kserve': (
        'kserve',
        '{bin}/python server.py --http_port {port} --workers {workers}',
        {},
        '/v1/models/{}:predict',
        KServeV1(),
    ),
}
"""Folder, command, variables, path of an endpoint and form of bodies, by name."""


def fill(
    contender: Contender, endpoints: Iterable[str], ports: list[int], workers: int
) -> tuple[list[str], dict[str, str]]:
    """The command and the variables to start it with."""
    endpoints = list(endpoints)
    words = {
        'bin': str(contender.python.parent),
        'folder': str(contender.folder),
        'workers': str(workers),
        'models': ','.join(MODEL_OF.get(endpoint, endpoint) for endpoint in endpoints),
        'port': str(ports[0]),
        'port2': str(ports[1]),
        'port3': str(ports[2]),
    }
    variables = {
        'PATH': f'{contender.python.parent}:/usr/local/bin:/usr/bin:/bin',
        'BENCHMARK_MODELS': str(MODELS),
        'BENCHMARK_ENDPOINTS': ','.join(endpoints),
        **contender.variables,
    }
    command = [word.format_map(words) for word in contender.command]
    return command, {name: value.format_map(words) for name, value in variables.items()}
