#!/bin/sh
# Check everything: format, lint, types, import contract, tests. Installs what that takes first.
# --torch    also installs PyTorch and Hugging Face's transformers, and runs their tests.
# PATH ...   runs just these files or folders of tests/, and no checks.
set -eu
. "$(dirname -- "$0")/common.sh"

case ${1-} in
  tests/*)
    make_environment "$root/.venv-test" requirements-dev.txt
    cd "$root"
    exec .venv-test/bin/python -m pytest "$@"
    ;;
esac

torch=
for argument; do
  case $argument in --torch) torch=yes ;; *) fail "unknown argument $argument; give --torch, or paths such as tests/models" ;; esac
done

# Programs from outside Python: the Debian package has the name of the command.
set --
for program in chromium curl git prometheus; do
  command -v "$program" >/dev/null || set -- "$@" "$program"
done
[ $# = 0 ] || install_packages "$@"

make_environment "$root/.venv-test" requirements-dev.txt
cd "$root"
PATH=$root/.venv-test/bin:$PATH
# Playwright's driver needs it, and no package that was installed depends on it.
playwright --version >/dev/null 2>&1 || install_packages libatomic1
selected='not torch'
export UNCOVERED='model_serving/*/co2_model*'
if [ -n "$torch" ]; then
  python -m pip install --quiet --disable-pip-version-check -r requirements-dev-torch.txt
  selected='' UNCOVERED=''
fi

echo '== format'; ruff format --check .
echo '== lint'; ruff check .
echo '== types'; mypy
echo '== imports'; lint-imports
echo '== tests'
exec pytest --cov --cov-report=term -m "$selected"
