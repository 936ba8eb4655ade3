#!/bin/sh
# Check everything: format, lint, types, import contract, tests. Installs what that takes first.
# --torch  also installs PyTorch and runs its tests.
set -eu
. "$(dirname -- "$0")/common.sh"

torch=
for argument; do
  case $argument in --torch) torch=yes ;; *) fail "unknown argument $argument; the only one is --torch" ;; esac
done

# Commands from outside Python, and the Debian packages that bring them.
missing=
command -v chromium >/dev/null || missing="$missing chromium"
command -v curl >/dev/null || missing="$missing curl"
command -v git >/dev/null || missing="$missing git"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing
  else
    fail "install these programs first:$missing (Debian: sudo apt install$missing)"
  fi
fi

make_environment "$root/.venv-test" requirements-dev.txt
cd "$root"
PATH=$root/.venv-test/bin:$PATH
deselected='not torch'
if [ -n "$torch" ]; then
  python -m pip install --quiet --disable-pip-version-check torch==2.13.0
  deselected=
fi

echo '== format'; ruff format --check .
echo '== lint'; ruff check .
echo '== types'; mypy
echo '== imports'; lint-imports
echo '== tests'
exec pytest --cov --cov-report=term -m "$deselected"
