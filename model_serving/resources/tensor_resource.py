"""What the resources of the foreign protocols share: each serves one model, by its tensors."""

from typing import Any, ClassVar

from flask import request
from flask_restful import Resource

from model_serving.utils.catalogue_utils import MountedModel
from model_serving.utils.compression_utils import decompressed
from model_serving.utils.error_utils import InvalidInput, ModelNotReady
from model_serving.utils.json_utils import decode
from model_serving.utils.tensor_utils import Signature


class TensorResource(Resource):
    """A resource of one model, which who mounts it sets. Each model has its own class, and gate."""

    model: ClassVar[MountedModel]

    @property
    def signature(self) -> Signature:
        """The model's tensors. Raises ModelNotReady where it could not be loaded."""
        if self.model.failure is not None:
            raise ModelNotReady(self.model.failure, name=self.model.name, ready=False)
        signature: Signature = self.model.resource.tensors  # type: ignore[attr-defined]
        return signature


def has_tensors(model: MountedModel) -> bool:
    """Whether a model is served by its tensors, too; of one that failed to load nobody knows."""
    return model.failure is not None or hasattr(model.resource, 'tensors')


def plain_body() -> bytes:
    """The body of the request, decompressed. Raises what `decompressed` and `get_data` raise."""
    encoding = request.headers.get('Content-Encoding')
    return decompressed(request.get_data(), encoding, request.max_content_length or 0)


def json_body() -> Any:
    """What the JSON of the body says, whatever its content type. Raises InvalidInput if it says nothing."""
    body = plain_body()
    if not body:
        raise InvalidInput('No JSON object')
    return decode(body)
