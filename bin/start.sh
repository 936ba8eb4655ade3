#!/bin/sh
# Start the service in the background, installing what it needs first.
# From the environment: HOST (127.0.0.1), PORT (9999), WORKERS (one per core), THREADS (8), PRELOAD, PYTHON,
# and the settings MODEL_SERVING_*.
set -eu
. "$(dirname -- "$0")/common.sh"

make_environment .venv requirements.txt
exec .venv/bin/python -m model_serving start
