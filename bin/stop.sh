#!/bin/sh
# Stop the service: no new requests, those in flight finish (30 seconds at most).
set -eu
. "$(dirname -- "$0")/common.sh"

if [ ! -x .venv/bin/python ]; then
  [ ! -e tmp/model-serving.pid ] || fail 'stop it as it was started: there is no .venv here'
  echo 'Not running'
  exit
fi
exec .venv/bin/python -m model_serving stop
