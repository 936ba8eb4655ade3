#!/bin/sh
# Run the tests, installing what they need first. Arguments go to pytest: bin/test.sh tests/models
set -eu
. "$(dirname -- "$0")/common.sh"

make_environment .venv-test requirements-test.txt
exec .venv-test/bin/python -m pytest "$@"
