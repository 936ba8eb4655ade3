"""model-serving: each model behind a validated JSON endpoint, POST /v1/<Model>.

Usage:
  main.py [-a <host> | --host=<host>] [-p <port> | --port=<port>] [-d | --debug] [--models=<names>]
  main.py new <Model>
  main.py -h | --help
  main.py -v | --version

Options:
  -a <host>, --host=<host>  Address to listen on: 0.0.0.0 unless given, 127.0.0.1 with --debug.
  -p <port>, --port=<port>  Port to listen on: 9999 unless given.
  -d, --debug               Reload on changes of the code; show a crash in the browser on this machine;
                            hold answers against the response schemas.
  --models=<names>          Models to load, comma-separated: all but the opt-in ones unless given.
  -h, --help                Show this text.
  -v, --version             Show the version.

`main.py new SentimentModel` writes the files of a new model and mounts it. Without `new`, this is
Flask's own server, for one's own machine; bin/start.sh runs the service under gunicorn.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flask import Flask


class Mount(NamedTuple):
    """A model's name, its resource, and whether it loads only when it is chosen by name."""

    name: str
    resource: str
    opt_in: bool = False


MODELS = [
    Mount('XXXModel', 'model_serving.resources.xxx_model_resource:XXXModelResource'),
    Mount('IrisModel', 'model_serving.resources.iris_model_resource:IrisModelResource'),
    Mount('DigitsModel', 'model_serving.resources.digits_model_resource:DigitsModelResource'),
    Mount('CO2Model', 'model_serving.resources.co2_model_resource:CO2ModelResource', opt_in=True),
]
"""What is served: a line for each model, mounted at /v1/<name>."""


def create_app(models: Iterable[str] = (), check_answers: bool = False) -> 'Flask':
    """The WSGI application, with the models chosen by name (else by the settings) mounted and loaded.

    Raises SettingError for a setting that cannot be used, an unknown model among them, and BadSchema. Where a
    model fails otherwise, the others serve; unless all are required, when its error is raised.
    """
    from model_serving.resources.protocol_resources import mount_protocols
    from model_serving.resources.service_resources import SERVICE
    from model_serving.utils.readiness_utils import readiness_of
    from model_serving.utils.service_utils import build_service
    from model_serving.utils.settings_utils import ServiceSettings, load_settings

    settings = load_settings(ServiceSettings, 'model_serving')
    app, api = build_service(settings)
    api.check_answers = check_answers or settings.check_answers
    for resource, urls, endpoint in SERVICE:
        api.add_resource(resource, *urls, endpoint=endpoint)
    required = settings.require_all_models
    for mount in choose(tuple(models) or settings.models):
        api.add_resource(load(mount, required), f'/v1/{mount.name}', endpoint=mount.name)
    mount_protocols(app, api)
    if required:
        readiness_of(app).require()
    return app


def choose(names: tuple[str, ...]) -> list[Mount]:
    """The mounts of these names; without names, all that are not opt-in. Raises SettingError."""
    from model_serving.utils.settings_utils import SettingError

    known = {mount.name: mount for mount in MODELS}
    if unknown := [name for name in names if name not in known]:
        raise SettingError(f'models: no model is called {unknown[0]!r}; known: {", ".join(known)}')
    return [mount for mount in MODELS if (mount.name in names if names else not mount.opt_in)]


def load(mount: Mount, required: bool = False) -> type:
    """Import the resource of `mount`, which loads its model.

    Raises SettingError if a module or a package is missing, and BadSchema. After any other error, which is
    raised if the model is `required`, the resource is one that says why the model does not serve.
    """
    import importlib

    from model_serving.utils.metrics_utils import observe_load
    from model_serving.utils.schema_utils import BadSchema
    from model_serving.utils.settings_utils import SettingError

    module, _, name = mount.resource.partition(':')
    try:
        with observe_load(mount.name):
            loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = f'needs the package {error.name!r}, which is not installed; add it to requirements.txt'
        if str(error.name).startswith('model_serving'):
            missing = f'is to come from {mount.resource!r}, but there is no module {error.name!r}'
        raise SettingError(f'models: {mount.name} {missing}, or choose other models') from error
    except (Exception, SystemExit) as error:
        if required or isinstance(error, (SettingError, BadSchema)):
            error.add_note(f'(while loading {mount.name})')
            raise
        return _stand_in(mount.name, error)
    if not hasattr(loaded, name):
        raise SettingError(
            f'models: {mount.name} is to be {mount.resource!r}, but there is no {name!r} in it'
        )
    resource: type = getattr(loaded, name)
    return resource


def _stand_in(name: str, error: BaseException) -> type:
    import logging

    from model_serving.resources.failed_model_resource import failed_model_resource
    from model_serving.utils.error_utils import in_words

    logging.getLogger(name).error('%s failed to load; the others are served', name, exc_info=error)
    return failed_model_resource(name, f'failed to load: {in_words(error)}')


def main() -> None:
    """Serve from the command line."""
    from docopt import docopt

    from model_serving import __version__

    arguments = docopt(__doc__, version=__version__)  # Ends here for --help, --version and a wrong usage.
    if arguments['new']:
        from model_serving.utils.scaffold_utils import scaffold

        scaffold(arguments['<Model>'])
        return
    from model_serving.utils.server_utils import serve
    from model_serving.utils.settings_utils import names

    serve(
        lambda: create_app(names(arguments['--models'] or ''), check_answers=arguments['--debug']),
        host=arguments['--host'],
        port=arguments['--port'],
        debug=arguments['--debug'],
    )


if __name__ == '__main__':
    main()
elif __name__ != 'gunicorn.conf':  # Which reads MODELS alone.
    from model_serving.utils.log_utils import configure_logging, log_failed_start

    configure_logging()
    with log_failed_start():
        app = create_app()
