"""The base of the protocols' resources: each serves one model by its tensors."""

from collections.abc import Sequence
from typing import ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.catalogue import MountedModel
from model_serving.errors import ModelNotReady
from model_serving.health.readiness import ModelState, readiness_of
from model_serving.protocols.signature import Signature


class TensorResource(Resource):
    """A resource of one model; `mount_protocols` makes a subclass for each model and sets these attributes.

    `versions` are all that the model has, this one among them.
    """

    model: ClassVar[MountedModel]
    versions: ClassVar[Sequence[MountedModel]]

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


def model_states() -> dict[str, ModelState]:
    """The states of all models, by their names."""
    readiness = readiness_of(current_app)
    readiness.begin()
    return {state.name: state for state in readiness.states()}


def require_ready(name: str | None = None) -> None:
    """Raise ModelNotReady unless all models, or the one of this name, are ready."""
    readiness = readiness_of(current_app)
    readiness.begin()
    if missing := readiness.missing(name):
        raise ModelNotReady('; '.join(map(str, missing)), ready=False)


def versions_of(model: MountedModel, models: Sequence[MountedModel]) -> list[MountedModel]:
    """Those of `models` that are versions of the same one, and have tensors."""
    return [each for each in models if each.base_name == model.base_name and has_tensors(each)]


def protocol_version(model: MountedModel) -> str:
    """The version of a model as the protocols have it: each model has one."""
    return model.version or '1'


def has_tensors(model: MountedModel) -> bool:
    """Whether a model has tensors, or failed to load, so that this is unknown."""
    return model.failure is not None or hasattr(model.resource, 'tensors')
