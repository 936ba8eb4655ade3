"""POST /v1/OnceModel: the drill, as a model that must not be asked twice."""

from typing import Any

from benchmarks.served.drill_model_resource import DrillModelResource, drill_model_schema
from model_serving.utils.validation_utils import validate_json


class OnceModelResource(DrillModelResource):
    """Does what it is told, once."""

    safe_to_retry = False

    @validate_json(drill_model_schema)
    def post(self) -> Any:
        """Do it."""
        return self.do()
