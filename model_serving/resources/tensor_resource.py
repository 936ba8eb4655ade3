"""What the resources of the foreign protocols share: each serves one model, by its tensors."""

from typing import Any, ClassVar

from flask import Request, current_app, request
from flask_restful import Resource

from model_serving.utils.catalogue_utils import MountedModel
from model_serving.utils.compression_utils import decompressed
from model_serving.utils.error_utils import InvalidInput, ModelNotReady
from model_serving.utils.json_utils import decode
from model_serving.utils.readiness_utils import readiness_of
from model_serving.utils.tensor_utils import Signature


class TensorResource(Resource):
    """A resource of one model, which who mounts it sets. Each model has its own class, and gate."""

    model: ClassVar[MountedModel]

    @property
    def signature(self) -> Signature:
        """The model's tensors. Raises ModelNotReady where it could not be loaded."""
        if self.model.failure is not None:
            raise ModelNotReady(f'{self.model.name} {self.model.failure}; see the log')
        signature: Signature = self.model.resource.tensors
        return signature

    def require_ready(self) -> None:
        """Raise ModelNotReady unless the model has loaded and answered its own example."""
        require_ready(self.model.name)


def require_ready(name: str | None = None) -> None:
    """Raise ModelNotReady unless all models, or the one of this name, can answer."""
    readiness = readiness_of(current_app)
    readiness.begin()
    missing = [str(state) for state in readiness.states() if state.reason and name in (None, state.name)]
    if missing:
        raise ModelNotReady('; '.join(missing), ready=False)


def has_tensors(model: MountedModel) -> bool:
    """Whether a model is served by its tensors, too; of one that failed to load nobody knows."""
    return model.failure is not None or hasattr(model.resource, 'tensors')


def plain_body() -> bytes:
    """The body of the request, decompressed. Raises what `decompressed` and `get_data` raise."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    body = asked.get_data()
    encoding = asked.environ.get('HTTP_CONTENT_ENCODING')
    return decompressed(body, encoding, asked.max_content_length or 0) if encoding else body


def json_body() -> Any:
    """What the JSON of the body says, whatever its content type. Raises InvalidInput if it says nothing."""
    body = plain_body()
    if not body:
        raise InvalidInput('No JSON object')
    return decode(body)
