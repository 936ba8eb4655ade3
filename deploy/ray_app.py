"""The models under Ray Serve: one deployment for each, and for several one that forwards requests by path.

serve run deploy.ray_app:app                         # the models that MODEL_SERVING_MODELS chooses
serve run deploy.ray_app:app models=DigitsModel max_replicas=4 num_cpus=2 num_gpus=1
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from model_serving.project import ROOT
from model_serving.service.mounts import choose, create_app, read_mounts
from model_serving.service_settings import ServiceSettings
from model_serving.settings import load_settings

MAIN = ROOT / 'main.py'
Answer = tuple[bytes, int, list[tuple[bytes, bytes]]]
"""Body, status and headers."""

MODEL_OF_PATH = re.compile('/v[12]/(?:models/)?([A-Za-z][A-Za-z0-9_-]*)')
PASSED_ON = (
    'type',
    'http_version',
    'method',
    'scheme',
    'path',
    'root_path',
    'query_string',
    'server',
    'client',
)
LENGTH = {b'content-length', b'transfer-encoding'}


class Options(BaseModel):
    """What `serve run deploy.ray_app:app name=value ...` takes. `num_cpus` and `num_gpus` are a replica's.

    Below the `max_batch_size` of a @batched method, `max_ongoing_requests` would forbid full batches.
    """

    models: str = ''
    gateways: int = 1
    min_replicas: int = 1
    max_replicas: int = 4
    max_ongoing_requests: int = 64
    max_queued_requests: int = 512
    num_cpus: float = 1
    num_gpus: float = 0


class Model:
    """A replica of one model: the service's own application with this model alone, in all its versions."""

    def __init__(self, names: list[str], threads: int) -> None:
        from a2wsgi import WSGIMiddleware

        from model_serving.health.readiness import readiness_of

        application = create_app(read_mounts(MAIN), only=names)
        self.readiness = readiness_of(application)
        self.readiness.require()
        self.application = WSGIMiddleware(application, workers=threads)
        self.most = max_body_bytes()

    async def __call__(self, request: Request) -> Response:
        """Answer a request that comes without the detour of the gateway."""
        return await forward(request, self.answer, self.most)

    async def answer(self, scope: dict[str, Any], body: bytes) -> Answer:
        """Answer a request in one of the threads, so that calls meet in a @batched method."""
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {'type': 'http.request', 'body': body}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.application(scope, receive, send)
        content = b''.join(message['body'] for message in messages[1:])
        return content, messages[0]['status'], messages[0]['headers']

    def check_health(self) -> None:
        """Let Ray replace the replica when its model has stopped answering."""
        if missing := self.readiness.missing():
            raise RuntimeError(str(missing[0]))


class Gateway:
    """Forwards each request to the model that its path names, and one that names none to the default."""

    def __init__(self, default: str, **models: DeploymentHandle) -> None:
        self.most = max_body_bytes()
        self.answers = {name: handle.answer.remote for name, handle in models.items()}
        self.default = default

    async def __call__(self, request: Request) -> Response:
        """The answer of the model, or 503 where it has no replica with room."""
        found = MODEL_OF_PATH.match(request.scope['path'].removeprefix(request.scope['root_path']))
        answer = self.answers.get(found[1] if found else '') or self.answers[self.default]
        try:
            return await forward(request, answer, self.most)
        except (BackPressureError, DeploymentUnavailableError, RayActorError) as error:
            message = f'No replica can answer now ({type(error).__name__}); try again'
            return JSONResponse({'message': message, 'error': message}, 503, {'Retry-After': '1'})


def max_body_bytes() -> int:
    """The limit of the service."""
    return load_settings(ServiceSettings, 'model_serving').max_body_bytes


async def forward(request: Request, answer: Callable[..., Awaitable[Answer]], most: int) -> Response:
    """Send a request to a replica with its body, or of one over `most` bytes as much as shows that it is."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            break
    headers = [header for header in request.scope['headers'] if header[0] not in LENGTH]
    scope = {name: request.scope[name] for name in PASSED_ON}
    scope['headers'] = [*headers, (b'content-length', b'%d' % len(body))]
    content, status, answered = await answer(scope, bytes(body))
    response = Response(content, status)
    response.raw_headers = [header for header in answered if header[0] != b'x-request-id']  # Ray adds it.
    return response


def app(options: Options) -> serve.Application:
    """The application of Ray Serve. Raises SettingError for an unknown model."""
    settings = load_settings(ServiceSettings, 'model_serving')
    names = tuple(filter(None, options.models.split(','))) or settings.models
    chosen: dict[str, list[str]] = {}
    for mount in choose(read_mounts(MAIN), names):
        chosen.setdefault(mount.name, []).append(mount.key)
    models = {name: deployment_of(name, keys, options) for name, keys in chosen.items()}
    first, *others = models
    if not others:
        return models[first]
    gateway = serve.deployment(
        Gateway,
        num_replicas=options.gateways,
        max_ongoing_requests=10 * options.max_ongoing_requests,
        ray_actor_options={'num_cpus': 0.5},
    )
    return gateway.bind(settings.default_model or first, **models)


def deployment_of(name: str, keys: list[str], options: Options) -> serve.Application:
    """The deployment of one model with these versions, which has as many replicas as its requests need."""
    model = serve.deployment(
        Model,
        name=name,
        max_ongoing_requests=options.max_ongoing_requests,
        max_queued_requests=options.max_queued_requests,
        autoscaling_config={
            'min_replicas': options.min_replicas,
            'max_replicas': options.max_replicas,
            'target_ongoing_requests': options.max_ongoing_requests / 2,
        },
        ray_actor_options={'num_cpus': options.num_cpus, 'num_gpus': options.num_gpus},
    )
    return model.bind(keys, options.max_ongoing_requests)
