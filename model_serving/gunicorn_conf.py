"""How gunicorn runs the service: the default of conf/gunicorn.conf.py, which imports every name from here.

It is one itself, too: `gunicorn --config python:model_serving.gunicorn_conf`. HOST, PORT, WORKERS, THREADS
and PRELOAD come from the environment.
"""

import gc
import os
import resource
import sys
import tempfile
import time
from functools import partial
from typing import Any

import model_serving.access.limits  # noqa: F401 - it makes the memory in which all workers count.
from model_serving.addresses import whole_number
from model_serving.cores import available_cores
from model_serving.engine.children import end_children, end_group, end_processes, isolate_children
from model_serving.engine.shutdown import announce_shutdown
from model_serving.master.standing import BOOTING
from model_serving.master.supervisor import Supervisor
from model_serving.observability.metrics import unanswered_requests
from model_serving.observability.shared_cells import shared_cells
from model_serving.platforms import chosen_host
from model_serving.project import ROOT, project_file
from model_serving.service.mounts import packages_of_mounts
from model_serving.service.preload import PACKAGES, import_packages, run_in_fork, threads_lost_by_a_fork
from model_serving.service_settings import drain_seconds


def number(name: str, default: int) -> int:
    """The environment variable `name` as a number from 1 to 65535."""
    text = os.environ.get(name) or str(default)
    return whole_number(text) or sys.exit(f'{name}: {text!r} is not a number from 1 to 65535')


def one_of(name: str, default: str, *choices: str) -> str:
    """The environment variable `name`, which is one of `choices` where it is set."""
    text = os.environ.get(name) or default
    if text not in (default, *choices):
        sys.exit(f'{name}: {text!r} is not one of {", ".join(choices)}')
    return text


BOOT_ERROR = 3  # gunicorn then starts no other.
END_SECONDS = 2
PAUSE_SECONDS = 1
KIB_PER_MIB = 1024


def on_starting(server: Any) -> None:
    """Divide the cores among the workers, however many gunicorn's own options made of them."""
    server.supervisor = Supervisor(server, reload_timeout_s)
    announce_shutdown(server, server.supervisor.ends_the_service)
    if shares_cores:
        os.environ['OMP_NUM_THREADS'] = share_of_cores(server.cfg.workers)


def share_of_cores(workers: int) -> str:
    """How many threads a worker computes with: else each would use every core, and all would compete."""
    return str(max(1, available_cores() // workers))


def post_worker_init(worker: Any) -> None:
    """See whether the project's hooks have left ours out."""
    if not hasattr(worker, 'is_prepared'):
        refuse_hook(worker, 'post_fork')


def when_ready(server: Any) -> None:
    """Load what the workers share, and note the files of it."""
    share_memory(server)
    server.supervisor.remember_files()


def share_memory(server: Any) -> None:
    """Import here, once and before the first fork, what every worker would import for itself."""
    # A lone worker has nobody to share with, and only Linux lets threads be counted.
    shares = server.cfg.workers > 1 and sys.platform == 'linux'
    shared = preload or ('imports' if shares else 'none')
    if shared == 'imports':
        gc.disable()  # There is little garbage in imports, and it takes a tenth of their time to look for it.
        import_packages([*PACKAGES, *packages_of_models()])
    if shared != 'none':
        refuse_threads(server, shared)
        # Else a worker's first full collection writes to it all, and so copies 27 MB.
        gc.freeze()
        gc.enable()


def refuse_threads(server: Any, shared: str) -> None:
    """Stop the start where a worker would lack threads that it may wait for."""
    threads = threads_lost_by_a_fork() - earlier_threads
    if threads > 0:
        safe = 'imports' if shared == 'models' else 'none'
        server.log.critical(
            'Cannot start: PRELOAD=%s started threads (%d) that no worker would have; set PRELOAD=%s',
            shared,
            threads,
            safe,
        )
        server.halt(exit_status=server.APP_LOAD_ERROR)


def packages_of_models() -> list[str]:
    """Those of the models to be mounted; none where the settings are wrong, which a worker says.

    main.py runs in a process of its own for this: what it imports must be new to the workers that follow a
    reload, and the threads that it starts are theirs.
    """
    return run_in_fork(lambda: packages_of_mounts(ROOT / 'main.py'))


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker a place to count in, that of one that has ended if there is one, and its standing."""
    if not hasattr(server, 'supervisor'):
        refuse_hook(server, 'on_starting')
    worker.metrics_region = shared_cells.allocate()
    server.supervisor.prepare(worker)


def post_fork(server: Any, worker: Any) -> None:
    """Count there, in the worker; what its models start shares its group with it, but not its sockets."""
    from model_serving.master.worker import load_what_loads, run_in_turn

    if not hasattr(worker, 'metrics_region'):
        refuse_hook(worker, 'pre_fork')
    worker.is_prepared = True
    shared_cells.attach(worker.metrics_region)
    os.setpgid(0, 0)
    isolate_children(lambda: [each.fileno() for each in worker.sockets])
    worker.run = partial(run_in_turn, worker, worker.run)
    if worker.is_replacement:
        load_what_loads(worker)


def refuse_hook(process: Any, name: str) -> None:
    """Stop the start: the project's hook of that name has replaced ours instead of calling it."""
    process.log.critical('%s in conf/gunicorn.conf.py has to call that of model_serving.gunicorn_conf', name)
    sys.exit(BOOT_ERROR)


def worker_exit(server: Any, worker: Any) -> None:
    """End the processes that the models have started."""
    if worker.pid == os.getpid():  # gunicorn calls this in its master, too, where a worker has vanished.
        end_children(END_SECONDS, worker.ppid)


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: what it has counted stays, what it has started does not."""
    if requests := unanswered_requests(worker.metrics_region):
        server.log.error(
            'Worker (pid:%s) ended with unanswered requests to %s; the largest worker so far took %d MiB',
            worker.pid,
            ', '.join(f'{model}: {count}' for model, count in requests.items()),
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // KIB_PER_MIB,
        )
    shared_cells.release(worker.metrics_region)
    end_group(worker.pid, PAUSE_SECONDS)
    if server.LISTENERS and worker.standing.state == BOOTING:  # Not at once again: it would do the same.
        time.sleep(PAUSE_SECONDS)


def on_exit(server: Any) -> None:
    """End what is left of workers that had to be killed, and, unless a new master is there, of the master."""
    for pid in server.WORKERS:
        end_group(pid, PAUSE_SECONDS)
    if not server.supervisor.is_relieved and preload == 'models':
        end_processes(END_SECONDS)


_host, _port = chosen_host(), number('AIP_HTTP_PORT', number('PORT', 9999))
wsgi_app = 'main:app'
chdir = str(ROOT)
bind = f'[{_host}]:{_port}' if ':' in _host else f'{_host}:{_port}'

# A loop that only reads and writes, and threads for views (docs/engine.md); gthread serves as well.
worker_class = 'model_serving.engine.loop_worker.LoopWorker'
workers = number('WORKERS', available_cores())
# The most calls of one model that run at a time in a worker, besides those that wait for a batch or stream.
threads = number('THREADS', 8)

# A reload waits so many seconds for each new worker; if one is not ready then, the old ones stay.
reload_timeout_s = number('RELOAD_TIMEOUT_S', 600)

# What workers share: the packages they import; their models too, which is for models without threads of their
# own; or nothing. Unless it is chosen here, it depends on the number of workers.
preload = one_of('PRELOAD', '', 'imports', 'models', 'none')
preload_app = preload == 'models'
earlier_threads = threads_lost_by_a_fork()  # Such as those of a profiler, which knows what it does.

shares_cores = 'OMP_NUM_THREADS' not in os.environ
os.environ.setdefault('OMP_NUM_THREADS', share_of_cores(workers))  # Numeric packages read it on import.

# Requests in flight have this long to finish when the service stops, after those that still come meanwhile.
graceful_timeout = 30 + drain_seconds()
# Longer than the 60 s for which load balancers commonly keep an idle connection to us.
keepalive = 75
# The heartbeat of a worker, not a limit of a request.
timeout = 60

# Nothing is written outside a directory for temporary files.
control_socket_disable = True
worker_tmp_dir = '/dev/shm' if os.access('/dev/shm', os.W_OK) else tempfile.gettempdir()
logconfig = str(project_file('conf/logging.conf'))

# No header of a request becomes part of the environment that names the application's place.
forwarder_headers = ''
