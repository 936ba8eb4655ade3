"""`main.py plan`: the workers, the instances and the month that a rate of requests to a model takes."""

import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from model_serving.commands.background import CONFIG
from model_serving.commands.capacity import processes
from model_serving.commands.capacity.bodies import NoBody
from model_serving.commands.capacity.clients import NotAnswered
from model_serving.commands.capacity.measure import CannotMeasure, measure
from model_serving.commands.capacity.options import read
from model_serving.commands.capacity.report import report
from model_serving.commands.capacity.sizing import DoesNotFit
from model_serving.project import ROOT
from model_serving.service.mounts import Mount, choose, read_mounts
from model_serving.settings import SettingError


def plan(arguments: Mapping[str, Any], mounts: Sequence[Mount] | None = None) -> None:
    """Measure the model that the arguments name, and print the plan; else exit with a line that says why.

    The mounts are those of the project's main.py unless they are given.
    """
    options = read(arguments)
    model = options.request.model
    if not CONFIG.is_file():
        sys.exit(f'{CONFIG} is missing; give this command in the folder of a project')
    if not processes.is_known():
        sys.exit('plan: needs Linux, which counts what a process takes in /proc')
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Else the service would go on.
    try:
        chosen = choose(read_mounts(ROOT / 'main.py') if mounts is None else mounts, (model,))
        if len(chosen) > 1:
            keys = ' or '.join(f'--model={mount.key}' for mount in chosen)
            sys.exit(f'plan: {model} has several versions; give {keys}')
        print(f'Measuring {model} on this machine, for about ten seconds ...', flush=True)
        measured = measure(model, options.request.rows, options.demand.threads)
        print(report(options, measured))
    except (SettingError, CannotMeasure, NoBody) as error:
        sys.exit(f'plan: {error}')
    except NotAnswered as error:
        sys.exit(f'plan: {model} {error}')
    except DoesNotFit as error:
        needed = f'give --memory={error.needed_mib} or more, or leave it out'
        sys.exit(f'plan: one worker does not fit into {options.size.memory_mib:g} MiB; {needed}')
    except KeyboardInterrupt:
        sys.exit('Interrupted; nothing was left running')
