"""What an app serves, read from its URL map: the one source for the index, health and what comes next."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from flask import Flask


@dataclasses.dataclass(frozen=True)
class MountedModel:
    """A model's name, the URL it is served at, and what there is to know of it.

    `schema` is that of its requests, empty where the model failed to load; `response_schema` that of its
    answers, if it has one. `description` is the docstring of `resource`, its class; `view` is the function
    `post` of that. `failure` is why the model does not serve, to be read after its name; None if it serves.
    """

    name: str
    url: str
    schema: dict[str, Any]
    resource: type[Any]
    view: Callable[..., Any]
    response_schema: dict[str, Any] | None = None
    description: str = ''
    failure: str | None = None

    @property
    def example(self) -> Any:
        """The first example of the schema; None where it has none."""
        return next(iter(self.schema.get('examples', [])), None)


def mounted_models(app: Flask) -> list[MountedModel]:
    """The models of `app` in the order of their mounting: each resource whose `post` has a schema."""
    models = []
    for rule in app.url_map.iter_rules():
        resource = getattr(app.view_functions[rule.endpoint], 'view_class', None)
        view = getattr(resource, 'post', None)
        if resource is not None and hasattr(view, 'request_schema'):
            failure = getattr(resource, 'load_failure', None) or failures(app).get(rule.endpoint)
            models.append(_mounted(rule.endpoint, rule.rule, resource, view, failure))
    return models


def failures(app: Flask) -> dict[str, str]:
    """Why models of `app` that did load do not serve, by their names. Whoever finds out writes it here."""
    known: dict[str, str] = app.extensions.setdefault('model_failures', {})
    return known


def _mounted(name: str, url: str, resource: type[Any], view: Any, failure: str | None) -> MountedModel:
    return MountedModel(
        name=name,
        url=url,
        schema=view.request_schema,
        resource=resource,
        view=view,
        response_schema=getattr(view, 'response_schema', None),
        description=inspect.cleandoc(resource.__doc__ or ''),
        failure=failure,
    )
