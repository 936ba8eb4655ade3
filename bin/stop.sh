#!/bin/sh
# Stop the service: no new requests, those in flight finish (30 seconds at most).
set -eu
. "$(dirname -- "$0")/common.sh"

if ! pid=$(running_pid); then
  rm -f "$pid_file"
  echo 'Not running'
  exit 0
fi
kill -TERM "$pid"
tenths=0
while running_pid >/dev/null && kill -0 "$pid" 2>/dev/null; do
  [ $tenths -lt 400 ] || fail "pid $pid has not ended after 40 seconds; see $log_file"
  sleep 0.1
  tenths=$((tenths + 1))
done
echo "Stopped (pid $pid)"
