"""Which models an application serves, and where."""

import contextvars
import importlib
import runpy
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flask import Flask


class Mount(NamedTuple):
    """A model: its name, and the resource that is mounted at /v1/<name>, as 'module:Class'.

    An `opt_in` model loads only when it is chosen. gunicorn imports the `packages` once for all workers; what
    is not named here, each worker imports for itself. `page` is the model's own page and `card` a JavaScript
    module that adds to its card in the console, both as paths of URLs, such as 'client/digits.html'.
    Several mounts may have one name, each with another `version`, such as '2'; one without it is then '1'.
    """

    name: str
    resource: str
    opt_in: bool = False
    packages: tuple[str, ...] = ()
    page: str = ''
    card: str = ''
    version: str = ''

    @property
    def key(self) -> str:
        """The name that it has in this service: DigitsModel or, of a version, DigitsModel@2."""
        return f'{self.name}@{self.version}' if self.version else self.name


class MountsRead(BaseException):
    """Ends a program that was run for its mounts alone."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        super().__init__()
        self.mounts = mounts


load_seconds: dict[str, float] = {}
"""How long each model has taken to load, in this process."""

_stands_in = contextvars.ContextVar('stands_in', default=False)
_reads_mounts = contextvars.ContextVar('reads_mounts', default=False)


def read_mounts(main: Path) -> Sequence[Mount]:
    """The mounts that the program `main` gives to `create_app`, which makes no application this time.

    Where the program fails, there are none: whoever runs it in earnest says why.
    """
    token = _reads_mounts.set(True)
    try:
        runpy.run_path(str(main))
    except MountsRead as read:
        return read.mounts
    except Exception:
        return []
    finally:
        _reads_mounts.reset(token)
    return []


def packages_of_mounts(main: Path) -> list[str]:
    """The packages of the models that `main` mounts and the settings choose. Raises SettingError."""
    from model_serving.service_settings import ServiceSettings
    from model_serving.settings import load_settings

    chosen = choose(read_mounts(main), load_settings(ServiceSettings, 'model_serving').models)
    return [package for mount in chosen for package in mount.packages]


def create_app(models: Iterable[Mount], only: Iterable[str] = (), check_answers: bool = False) -> 'Flask':
    """The WSGI application with `models` mounted and loaded, or those `only` that are named.

    Without `only`, the setting `models` chooses. Raises SettingError for a setting that cannot be used, an
    unknown model among them, and BadSchema. Where a model fails otherwise, the others serve; unless the
    setting `require_all_models` is true, when its error is raised. `check_answers` as in the settings.
    """
    known = list(models)
    if _reads_mounts.get():
        raise MountsRead(known)
    from model_serving.observability.access_log import log_failed_start, set_up_logging

    set_up_logging()
    with log_failed_start():
        return assemble(known, tuple(only), check_answers)


def assemble(models: Sequence[Mount], only: tuple[str, ...], check_answers: bool) -> 'Flask':
    """The same application, by a program that has set up logging and tells itself of what goes wrong."""
    from model_serving.catalogue import pages
    from model_serving.health.readiness import readiness_of
    from model_serving.jobs.mount import mount_jobs
    from model_serving.protocols.mcp_resource import mount_mcp
    from model_serving.protocols.mount import PLATFORM_HEALTH, mount_protocols
    from model_serving.service.application import build_service
    from model_serving.service.resources import SERVICE
    from model_serving.service.versions import check_mounts, urls_of
    from model_serving.service_settings import ServiceSettings
    from model_serving.settings import SettingError, load_settings

    settings = load_settings(ServiceSettings, 'model_serving')
    app, api = build_service(settings)
    api.check_answers = check_answers or settings.check_answers
    for resource, urls, endpoint in SERVICE:
        api.add_resource(resource, *urls, endpoint=endpoint)
    mount_mcp(app, api, settings)
    check_mounts(models, {*app.view_functions, 'models', PLATFORM_HEALTH})
    required = settings.require_all_models and not _stands_in.get()
    chosen = choose(models, only or settings.models)
    if settings.default_model not in ('', *(mount.name for mount in chosen)):
        raise SettingError(f'default_model: {settings.default_model!r} is none of the models that are loaded')
    urls_by_key = urls_of(models, chosen, settings.default_versions, settings.labels)
    for mount in chosen:
        api.add_resource(load(mount, required), *urls_by_key[mount.key], endpoint=mount.key)
        pages(app)[mount.key] = mount.page.lstrip('/'), mount.card.lstrip('/')
    mount_protocols(app, api, settings.default_model)
    mount_jobs(app, api)
    if required:
        readiness_of(app).require()
    return app


def choose(models: Sequence[Mount], names: tuple[str, ...]) -> list[Mount]:
    """The mounts of these names, in that order; without, all that are not opt-in. Raises SettingError.

    DigitsModel names all versions of that model, DigitsModel@2 one. Each of several versions has its number.
    """
    from model_serving.service.versions import with_versions
    from model_serving.settings import SettingError

    mounts = with_versions(models)
    known = dict.fromkeys(name for mount in mounts for name in (mount.name, mount.key))
    if unknown := [name for name in names if name not in known]:
        raise SettingError(f'models: no model is called {unknown[0]!r}; known: {", ".join(known)}')
    chosen = {mount.key: mount for name in names for mount in mounts if name in (mount.name, mount.key)}
    return list(chosen.values()) or [mount for mount in mounts if not mount.opt_in]


def stand_in_for_mistakes() -> None:
    """Let a mistake of its author stop a model alone, as other errors do, from now on in this thread."""
    _stands_in.set(True)


def load(mount: Mount, required: bool = False) -> type:
    """Import the resource of `mount`, which loads its model.

    Raises SettingError if a module or a package is missing, and BadSchema, unless `stand_in_for_mistakes` was
    called. After any other error, which is raised if the model is `required`, the resource is one that says
    why the model does not serve.
    """
    import logging

    from model_serving.schemas.compiled import BadSchema
    from model_serving.settings import SettingError

    logging.getLogger('main').info('loading %s', mount.key)
    begin = time.monotonic()
    try:
        resource = _import(mount)
    except BaseException as error:  # A panic of an extension is no Exception.
        is_mistake = isinstance(error, SettingError | BadSchema) and not _stands_in.get()
        if required or is_mistake or isinstance(error, KeyboardInterrupt):
            error.add_note(f'(while loading {mount.key})')
            raise
        return _stand_in(mount.key, error)
    load_seconds[mount.key] = time.monotonic() - begin
    return resource


def _import(mount: Mount) -> type:
    from model_serving.observability.log_guard import check_logging
    from model_serving.observability.metrics import observe_load
    from model_serving.protocols.embeddings import embeddings_of
    from model_serving.settings import SettingError

    module, _, name = mount.resource.partition(':')
    try:
        with observe_load(mount.key):
            loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = f'needs the package {error.name!r}, which is not installed; add it to requirements.txt'
        if _is_part_of(module, error.name):
            missing = f'is to come from {mount.resource!r}, but there is no module {error.name!r}'
        raise SettingError(f'models: {mount.key} {missing}, or choose other models') from error
    finally:
        check_logging(mount.key)
    if not hasattr(loaded, name):
        raise SettingError(f'models: {mount.key} is to be {mount.resource!r}, but there is no {name!r} in it')
    resource: type = getattr(loaded, name)
    if declared := embeddings_of(resource):
        declared.check(resource)
    return resource


def _stand_in(name: str, error: BaseException) -> type:
    import logging

    from model_serving.errors import in_words
    from model_serving.health.failed_model_resource import failed_model_resource

    failure = f'failed to load: {in_words(error)}'
    logging.getLogger(name).error('%s %s; the others are served', name, failure, exc_info=error)
    return failed_model_resource(name, failure)


def _is_part_of(module: str, missing: str | None) -> bool:
    """Whether the missing module is of the same package as `module`, so not one to install."""
    package, dot, _ = module.partition('.')
    return bool(dot) and str(missing).partition('.')[0] == package
