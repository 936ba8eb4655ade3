"""Model server: each model behind a validated JSON endpoint, POST /v1/<Model>.

Usage:
  model-serving init <folder>
  model-serving new <Model>
  model-serving key <name>
  model-serving plan --model=<name> --rate=<per-second> [--rows=<n>] [--busy=<percent>] [--cores=<n>]
                     [--memory=<MiB>] [--price-instance-hour=<x>] [--price-vcpu-second=<x>]
                     [--price-gib-second=<x>] [--price-million-requests=<x>]
  model-serving start
  model-serving serve
  model-serving reload
  model-serving stop
  model-serving -h | --help
  model-serving -v | --version

init writes a project of your own into a new or empty folder. The other commands are given in such a folder:
new writes the files of a model and mounts it (with --version=2: those of a version), key makes a
key for a caller, plan measures a model here and says what a rate of requests takes, start runs the service in
the background under gunicorn, reload has it take new code, models and settings without losing a request, stop
stops it once requests in flight have finished. serve runs it in the foreground instead, as in a container,
until SIGTERM. start and serve take HOST, PORT, WORKERS, THREADS, PRELOAD and MODEL_SERVING_* from the
environment.
"""

import sys
from typing import Any

import docopt

from model_serving.commands.run import arguments
from model_serving.version import __version__


def main() -> None:
    """Do what the command line says; exit with one line where files or processes are in the way."""
    given = docopt.docopt(__doc__, arguments(), version=__version__)
    try:
        _run(given)
    except OSError as error:
        sys.exit(f'model-serving: {error}')


def _run(arguments: dict[str, Any]) -> None:
    if arguments['init']:
        from model_serving.commands.init import init

        init(arguments['<folder>'])
    elif arguments['new']:
        from model_serving.commands.scaffold import scaffold

        scaffold(arguments['<Model>'])
    elif arguments['key']:
        from model_serving.commands.key import make_key

        make_key(arguments['<name>'])
    elif arguments['plan']:
        from model_serving.commands.plan import plan

        plan(arguments)
    elif arguments['start']:
        from model_serving.commands.start import start

        start()
    elif arguments['serve']:
        from model_serving.commands.foreground import serve

        serve()
    elif arguments['reload']:
        from model_serving.commands.reload import reload

        reload()
    else:
        from model_serving.commands.stop import stop

        stop()
