"""What an app serves, read from its URL map: the one source for all that lists the models."""

import dataclasses
import inspect
from typing import Any

from flask import Flask

JSON = 'application/json'


def json_object(**properties: Any) -> dict[str, Any]:
    """The `answers` of a resource that returns a JSON object with all of these properties."""
    return {JSON: {'type': 'object', 'properties': properties, 'required': list(properties)}}


@dataclasses.dataclass(frozen=True)
class MountedModel:
    """A model, or a version of one, its URLs and its description.

    `name` is DigitsModel or, of a version, DigitsModel@2. `schema` is that of its requests, empty where the
    model failed to load; `response_schema` that of its answers, if it has one. `description` is the docstring
    of `resource`, its class. `failure` says why the model does not serve, in words that follow its name; None
    if it serves. `page` and `card` as in its mount.
    A request that is `safe_to_retry` may be sent again where nobody knows what became of it.
    """

    name: str
    urls: tuple[str, ...]
    schema: dict[str, Any]
    resource: type[Any]
    response_schema: dict[str, Any] | None = None
    description: str = ''
    failure: str | None = None
    page: str = ''
    card: str = ''
    safe_to_retry: bool = True

    @property
    def url(self) -> str:
        """The first of its URLs, that with its version if it has one."""
        return self.urls[0]

    @property
    def base_name(self) -> str:
        """Its name without the version."""
        return self.name.partition('@')[0]

    @property
    def version(self) -> str:
        """Its version; empty where the model has but one."""
        return self.name.partition('@')[2]

    @property
    def title(self) -> str:
        """What people call it: the title of its schema, with its version."""
        title: str = self.schema.get('title') or self.base_name
        return f'{title}, version {self.version}' if self.version else title

    @property
    def is_default(self) -> bool:
        """Whether it answers where a path names no version."""
        return not self.version or f'/v1/{self.base_name}' in self.urls

    @property
    def example(self) -> Any:
        """The first example of the schema; None where it has none."""
        return next(iter(self.schema.get('examples', [])), None)


def mounted_models(app: Flask) -> list[MountedModel]:
    """The models of `app` in the order of their mounting: each resource whose `post` has a schema."""
    models, urls = [], dict[str, list[str]]()
    for rule in app.url_map.iter_rules():
        urls.setdefault(rule.endpoint, []).append(rule.rule)
    for endpoint, of_endpoint in urls.items():
        resource = getattr(app.view_functions[endpoint], 'view_class', None)
        view: Any = getattr(resource, 'post', None)
        if resource is not None and hasattr(view, 'request_schema'):
            page, card = pages(app).get(endpoint, ('', ''))
            model = MountedModel(
                name=endpoint,
                urls=tuple(of_endpoint),
                schema=view.request_schema,
                resource=resource,
                response_schema=getattr(view, 'response_schema', None),
                description=inspect.cleandoc(resource.__doc__ or ''),
                failure=getattr(resource, 'load_failure', None) or failures(app).get(endpoint),
                page=page,
                card=card,
                safe_to_retry=getattr(resource, 'safe_to_retry', True),
            )
            models.append(model)
    return models


def failures(app: Flask) -> dict[str, str]:
    """Why models of `app` that have loaded do not serve, by their names; readiness writes it."""
    known: dict[str, str] = app.extensions.setdefault('model_failures', {})
    return known


def pages(app: Flask) -> dict[str, tuple[str, str]]:
    """The page and the card of each model of `app` that was mounted with them, or without."""
    known: dict[str, tuple[str, str]] = app.extensions.setdefault('model_pages', {})
    return known
