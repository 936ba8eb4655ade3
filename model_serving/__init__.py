"""model-serving: each model behind a validated JSON endpoint."""

from model_serving.commands.run import arguments as arguments
from model_serving.commands.run import run as run
from model_serving.service.mounts import Mount as Mount
from model_serving.service.mounts import create_app as create_app
from model_serving.version import __version__ as __version__
