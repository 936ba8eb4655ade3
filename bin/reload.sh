#!/bin/sh
# Have the running service take new code, model files, settings and packages. It serves all the while; where what is
# new does not become ready, what is old stays, and this says why. From the environment: PYTHON alone.
set -eu
. "$(dirname -- "$0")/common.sh"

[ -e tmp/model-serving.pid ] || fail 'the service does not run; start it with bin/start.sh'
make_environment .venv requirements.txt
exec .venv/bin/python -m model_serving reload
