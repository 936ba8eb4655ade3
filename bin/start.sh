#!/bin/sh
# Start the service in the background, installing what it needs first.
# From the environment: HOST (0.0.0.0), PORT (9999), WORKERS (one per core), THREADS (8), PRELOAD
# (imports), PYTHON, and the settings MODEL_SERVING_*.
set -eu
. "$(dirname -- "$0")/common.sh"

HOST=${HOST:-0.0.0.0} PORT=${PORT:-9999}
export HOST PORT
case $HOST in
  0.0.0.0 | ::) reachable=127.0.0.1 ;;
  *:*) reachable="[$HOST]" ;;
  *) reachable=$HOST ;;
esac
url=http://$reachable:$PORT
address_file=$root/tmp/model-serving.address

if pid=$(running_pid); then
  echo "Already running: pid $pid, $(cat "$address_file"), log in $log_file"
  exit 0
fi
mkdir -p "$root/tmp"
rm -f "$pid_file"
[ ! -f "$log_file" ] || mv -f "$log_file" "$log_file.1"
make_environment "$root/.venv" requirements.txt
python=$root/.venv/bin/python

"$python" "$root/bin/probe.py" free "$HOST" "$PORT" || exit 1
[ "$(uname)" != Darwin ] || export OBJC_DISABLE_INITIALIZE_FORK_SAFETY=YES # Else macOS ends forked workers.
# A session of its own, and none of our streams: the server outlives the terminal and the pipe we run in.
nohup "$python" -c 'import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])' \
  -m gunicorn --config "$config" --pid "$pid_file" </dev/null >"$log_file" 2>&1 &
started=$!

if ! "$python" "$root/bin/probe.py" wait "$url/health/live" "$started"; then
  kill "$started" 2>/dev/null || true
  echo "start.sh: the service did not start; from $log_file:" >&2
  grep -m 1 -F '[CRITICAL]' "$log_file" >&2 || grep -m 1 -E '^[A-Za-z_.]+(Error|Exception): ' "$log_file" >&2 ||
    tail -n 20 "$log_file" >&2
  exit 1
fi
echo "$url" >"$address_file"
"$python" "$root/bin/probe.py" report "$url" || true
echo "Serving at $url/ (pid $started, log in $log_file)"
echo "Try:  curl $url/v1/XXXModel -H 'Content-Type: application/json' -d '{\"name\": \"Leo\"}'"
echo "Stop: bin/stop.sh"
