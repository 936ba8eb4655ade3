"""How gunicorn runs the service: `gunicorn --config conf/gunicorn.conf.py`.

HOST, PORT, WORKERS, THREADS and PRELOAD come from the environment, all else from model_serving.gunicorn_conf.
What is set below, as `graceful_timeout = 60`, wins over both.
"""

import os
import sys
from pathlib import Path

os.chdir(Path(__file__).resolve().parent.parent)
sys.path.insert(0, os.getcwd())

from model_serving.gunicorn_conf import *
