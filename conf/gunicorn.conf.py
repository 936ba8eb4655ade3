"""How gunicorn runs the service: `gunicorn --config conf/gunicorn.conf.py main:app`.

HOST, PORT, WORKERS, THREADS and PRELOAD come from the environment.
"""

import gc
import os
import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from model_serving.utils.address_utils import whole_number
from model_serving.utils.cpu_utils import available_cores
from model_serving.utils.preload_utils import import_packages, threads_lost_by_a_fork
from model_serving.utils.settings_utils import ServiceSettings, SettingError, load_settings


def number(name, default):
    """The environment variable `name` as a number from 1 to 65535."""
    text = os.environ.get(name) or str(default)
    return whole_number(text) or sys.exit(f'{name}: {text!r} is not a number from 1 to 65535')


def one_of(name, default, *choices):
    """The environment variable `name`, which is one of `choices`."""
    text = os.environ.get(name) or default
    return text if text in choices else sys.exit(f'{name}: {text!r} is not one of {", ".join(choices)}')


SERVICE = 'model_serving.utils.service_utils', 'model_serving.resources.service_resources'


def post_worker_init(worker):
    """Let the models of a worker answer their examples, in the background."""
    readiness = getattr(worker.wsgi, 'extensions', {}).get('readiness')
    if readiness:
        readiness.begin()


def share_memory(server):
    """Import here, once and before the first fork, what every worker would import for itself."""
    if preload == 'imports':
        gc.disable()  # There is little garbage in imports, and it takes a tenth of their time to look for it.
        import_packages([*SERVICE, *chosen_resources()])
    if preload != 'none':
        refuse_threads(server)
        # Else a worker's first full collection writes to it all, and so copies 27 MB.
        gc.freeze()
        gc.enable()


def refuse_threads(server):
    """Stop the start where a worker would lack threads that it may wait for."""
    threads = threads_lost_by_a_fork() - earlier_threads
    if threads > 0:
        safe = 'imports' if preload == 'models' else 'none'
        server.log.critical(
            'Cannot start: PRELOAD=%s started threads (%d) that no worker would have; set PRELOAD=%s',
            preload,
            threads,
            safe,
        )
        server.halt(exit_status=server.APP_LOAD_ERROR)


def chosen_resources():
    """The modules of the resources to be mounted; none where the settings are wrong, which a worker says."""
    main = runpy.run_path(str(ROOT / 'main.py'), run_name='gunicorn.conf')
    try:
        mounts = main['choose'](load_settings(ServiceSettings, 'model_serving').models)
    except SettingError:
        return []
    return [mount.resource.partition(':')[0] for mount in mounts]


when_ready = on_reload = share_memory

host = os.environ.get('HOST') or '0.0.0.0'
port = number('PORT', 9999)
wsgi_app = 'main:app'
chdir = str(ROOT)
bind = f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

# An event loop that a view which blocks cannot stop; measured with benchmarks/run.py against other engines.
worker_class = 'model_serving.engine.loop_worker.LoopWorker'
workers = number('WORKERS', available_cores())
# So many calls of one view run at the same time in a worker, if they are slow; quick ones run in the loop.
threads = number('THREADS', 8)

# What workers share: the packages they import; their models too, which is for models without threads of their
# own; or nothing. A lone worker has nobody to share with, and only Linux lets threads be counted.
shares = workers > 1 and sys.platform == 'linux'
preload = one_of('PRELOAD', 'imports' if shares else 'none', 'imports', 'models', 'none')
preload_app = preload == 'models'
earlier_threads = threads_lost_by_a_fork()  # Such as those of a profiler, which knows what it does.
# Without this, every worker's arithmetic would use every core, and they would fight for them.
os.environ.setdefault('OMP_NUM_THREADS', str(max(1, available_cores() // workers)))

# Requests in flight have this long to finish when the service stops.
graceful_timeout = 30
# Longer than the 60 s for which load balancers commonly keep an idle connection to us.
keepalive = 75
# The heartbeat of a worker, not a limit of a request.
timeout = 60

# Nothing is written outside a directory for temporary files.
control_socket_disable = True
worker_tmp_dir = '/dev/shm' if os.access('/dev/shm', os.W_OK) else tempfile.gettempdir()
logconfig = str(ROOT / 'conf' / 'logging.conf')

# No header of a request becomes part of the environment that names the application's place.
forwarder_headers = ''
