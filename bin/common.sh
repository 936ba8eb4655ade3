# What the scripts share. Sourced, not run: goes to the project's folder, and defines functions.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"

fail() {
  echo "$(basename -- "$0"): $*" >&2
  exit 1
}

# The newest Python on the PATH that the service is tried with, or the one that $PYTHON names.
find_python() {
  if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.13 python3.12 python3.11 python3; fi
  for candidate; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "needs Python 3.11 or newer${PYTHON:+, which $PYTHON is not}; install it, or name it in PYTHON"
}

# install_packages PACKAGE...: Debian packages, by apt when root; else one line says what to install.
install_packages() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "install first: $* (Debian and Ubuntu: sudo apt install $*)"
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

# list_to_install REQUIREMENTS: the list with hashes, as long as it was made of this requirements.txt.
list_to_install() {
  if [ "$1" = requirements.txt ] && [ -f requirements-hashed.txt ] &&
    head -n 1 requirements-hashed.txt | grep -qF "cksum $(cksum <requirements.txt)"; then
    echo requirements-hashed.txt
  else
    echo "$1"
  fi
}

# make_environment DIRECTORY REQUIREMENTS: a virtual environment with what the file lists, made once
# and brought up to date when the file (or what it includes) changes.
make_environment() {
  stamp=$1/installed-requirements.txt
  wanted=$(cat requirements.txt "$2" && { [ ! -d vendor ] || cksum vendor/*; })
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$1/bin/python" -c '' 2>/dev/null; then
    return
  fi
  python=$(find_python) || exit 1
  echo "Installing $2 into ${1#"$root"/} ..."
  if ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$1"
    # Debian's Python comes without what a virtual environment is made with.
    "$python" -c 'import ensurepip' 2>/dev/null ||
      install_packages "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    "$python" -m venv "$1"
  fi
  "$1/bin/python" -m pip install --disable-pip-version-check -r "$(list_to_install "$2")" ||
    fail "$2 could not be installed; see above"
  # pip takes a wheel of the same version for the same wheel.
  [ ! -d vendor ] || "$1/bin/python" -m pip install --quiet --force-reinstall --no-deps vendor/*.whl
  printf '%s\n' "$wanted" >"$stamp"
}
