#!/bin/sh
# Makes or updates a virtual environment from a lock: tools/venv.sh DIRECTORY LOCK [editable]
#
# Needs nothing but Python 3.11 to 3.14 with its venv module. PYTHON names the interpreter; without it the
# first one that fits is taken.
set -eu

directory=$1
lock=$2
editable=${3:-}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if fits "$PYTHON"; then
            echo "$PYTHON"
            return
        fi
        echo "PYTHON=$PYTHON is not a Python 3.11 to 3.14." >&2
        exit 1
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 to 3.14 was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

if ! "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making $directory with $("$python" --version)"
    if ! "$python" -m venv --clear "$directory"; then
        rm -rf "$directory"
        echo "This Python cannot make virtual environments: its venv module is not installed." >&2
        echo "On Debian and Ubuntu: apt-get install python3-venv (or python3.11-venv, after your version)." >&2
        echo "Or name another interpreter: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
fi

pip() {
    "$directory/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

echo "Installing $lock into $directory"
pip install -qq --require-hashes -r "$lock"
if [ -n "$editable" ]; then
    pip install -qq --no-deps --no-build-isolation --editable .
    for integration in integrations/*/; do
        pip install -qq --no-deps --no-build-isolation --editable "$integration"
    done
fi
touch "$directory/.installed"
