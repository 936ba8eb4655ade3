#!/bin/sh
# The three calls that show the contract of the reference model: the status and the body of each.
# HOST and PORT from the environment, as for start.sh.
set -eu
. "$(dirname -- "$0")/common.sh"

command -v curl >/dev/null || fail 'needs curl; install it, or call the service from the browser'
HOST=${HOST:-127.0.0.1}
[ "$HOST" != 0.0.0.0 ] || HOST=127.0.0.1
case $HOST in *:*) HOST="[$HOST]" ;; esac
url=http://$HOST:${PORT:-9999}/v1/XXXModel

# call [BODY]: POST it, and show the command, the answer and its status.
call() {
  echo "\$ curl -X POST $url${1:+ -H 'Content-Type: application/json' -d '$1'}"
  curl --silent --noproxy '*' --max-time 30 --write-out 'status %{http_code}\n' -X POST "$url" \
    ${1:+-H 'Content-Type: application/json' -d "$1"} ||
    fail "nothing answers at $url; start the service with bin/start.sh"
}

call
call '{}'
call '{"name": "Leo"}'
