"""How gunicorn runs the service: `gunicorn --config conf/gunicorn.conf.py main:app`.

HOST, PORT, WORKERS and THREADS come from the environment.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from model_serving.utils.address_utils import whole_number
from model_serving.utils.cpu_utils import available_cores


def number(name, default):
    """The environment variable `name` as a number from 1 to 65535."""
    text = os.environ.get(name) or str(default)
    return whole_number(text) or sys.exit(f'{name}: {text!r} is not a number from 1 to 65535')


host = os.environ.get('HOST') or '0.0.0.0'
port = number('PORT', 9999)
wsgi_app = 'main:app'
chdir = str(ROOT)
bind = f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

# A thread for each request in flight: a worker of gunicorn's sync class would answer one at a time.
worker_class = 'model_serving.utils.worker_utils.FairThreadWorker'
workers = number('WORKERS', available_cores())
# Measured with benchmarks/serving.py: 4 and 8 serve fast models alike, 16 take 15 % from them. Slow models
# hold a thread each, and other requests wait when all are held.
threads = number('THREADS', 8)

# Models load in each worker, after the fork: runtimes with threads of their own hang otherwise.
preload_app = False
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
