"""`model-serving serve`: the service in the foreground, under gunicorn, as containers start it."""

import os
import sys
from typing import NoReturn

from model_serving.commands.background import CONFIG, server_command, server_environment


def serve() -> NoReturn:
    """Become gunicorn, so that signals reach it. HOST and PORT come from the environment.

    Exits with status 1 where there is no project. Raises OSError.
    """
    if not CONFIG.is_file():
        sys.exit(f'{CONFIG} is missing; give this command in the folder of a project')
    command = server_command()
    os.execve(command[0], command, server_environment())  # noqa: S606 - there is no shell to start it with.
