#!/bin/sh
# deploy/install.sh LOCK [uv|pip]: this project and the packages of a lock, hash-checked, in .venv.
set -eu
cd "$(dirname "$0")/.."
lock=$1
installer=${2:-uv}

test -x .venv/bin/python || "${PYTHON:-python3}" -m venv .venv
pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/pip install --quiet"

if [ "$installer" = uv ]; then
    $pip --no-deps --require-hashes -r requirements-uv.lock || installer=pip
    uv=".venv/bin/uv pip install --quiet --python .venv/bin/python"
fi
if [ "$installer" = uv ]; then
    # uv does not read pip's configuration: where the packages come from somewhere else, pip knows
    $uv --no-deps --require-hashes -r "$lock" || installer=pip
    [ "$installer" = pip ] || { $uv --no-deps --no-build-isolation --editable . && exit; }
fi
[ "${2:-uv}" = pip ] || echo "uv cannot be used here (above): pip goes on, which takes about two minutes." >&2
$pip --no-deps --require-hashes -r "$lock" && $pip --no-deps --no-build-isolation --editable . || {
    echo "$lock could not be installed (above). If there is no network, try again when there is: nothing is lost." >&2
    exit 1
}
