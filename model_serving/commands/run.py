"""What `python main.py` does: serve, write a new model, make a key, or plan for a rate of requests."""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from model_serving.service.mounts import Mount, assemble

if TYPE_CHECKING:
    from flask import Flask


def arguments() -> list[str]:
    """What was typed, for docopt, to which --version is the option that shows the version of the service.

    `new DigitsModel --version=2` becomes `new DigitsModel@2`, which may be typed as well.
    """
    version = re.fullmatch(r'new (\S+) --version[ =](\S*)', ' '.join(sys.argv[1:]))
    return ['new', f'{version[1]}@{version[2]}'] if version else sys.argv[1:]


def run(models: Sequence[Mount], arguments: dict[str, Any]) -> None:
    """Do what the arguments of main.py say, as docopt reads them from its usage."""
    if arguments['new']:
        from model_serving.commands.scaffold import scaffold

        scaffold(arguments['<Model>'])
        return
    if arguments['key']:
        from model_serving.commands.key import make_key

        make_key(arguments['<name>'])
        return
    if arguments.get('plan'):  # The usage of an older project has none.
        from model_serving.commands.plan import plan

        plan(arguments, models)
        return
    from model_serving.commands.serve import serve
    from model_serving.settings import names

    chosen, debug = names(arguments['--models'] or ''), arguments['--debug']

    def create() -> 'Flask':
        return assemble(models, chosen, check_answers=debug)

    serve(create, host=arguments['--host'], port=arguments['--port'], debug=debug)
