"""The base of the protocols' resources: each serves one model by its tensors."""

from typing import ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.catalogue import MountedModel
from model_serving.errors import ModelNotReady
from model_serving.health.readiness import readiness_of
from model_serving.protocols.signature import Signature


class TensorResource(Resource):
    """A resource of one model; `mount_protocols` makes a subclass for each model and sets `model`."""

    model: ClassVar[MountedModel]

    @property
    def signature(self) -> Signature:
        """The model's tensors. Raises ModelNotReady if it failed to load."""
        self.require_loaded()
        signature: Signature = self.model.resource.tensors
        return signature

    def require_loaded(self) -> None:
        """Raise ModelNotReady if the model failed to load."""
        if self.model.failure is not None:
            raise ModelNotReady(f'{self.model.name} {self.model.failure}; see the log')

    def require_ready(self) -> None:
        """Raise ModelNotReady unless the model has loaded and answered its own example."""
        require_ready(self.model.name)


def require_ready(name: str | None = None) -> None:
    """Raise ModelNotReady unless all models, or the one of this name, are ready."""
    readiness = readiness_of(current_app)
    readiness.begin()
    if missing := readiness.missing(name):
        raise ModelNotReady('; '.join(map(str, missing)), ready=False)


def has_tensors(model: MountedModel) -> bool:
    """Whether a model has tensors, or failed to load, so that this is unknown."""
    return model.failure is not None or hasattr(model.resource, 'tensors')
