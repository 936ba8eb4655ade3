"""What an app serves, read from its URL map: the one source for the index, warm-up and what comes next."""

import dataclasses
from typing import Any

from flask import Flask


@dataclasses.dataclass(frozen=True)
class MountedModel:
    """A model's name, the URL it is served at, and the schema of its requests."""

    name: str
    url: str
    schema: dict[str, Any]

    @property
    def example(self) -> Any:
        """The first example of the schema; None where it has none."""
        return next(iter(self.schema.get('examples', [])), None)


def mounted_models(app: Flask) -> list[MountedModel]:
    """The models of `app` in the order of their mounting: each resource whose `post` has a schema."""
    models = []
    for rule in app.url_map.iter_rules():
        resource = getattr(app.view_functions[rule.endpoint], 'view_class', None)
        schema = getattr(getattr(resource, 'post', None), 'request_schema', None)
        if schema is not None:
            models.append(MountedModel(rule.endpoint, rule.rule, schema))
    return models
