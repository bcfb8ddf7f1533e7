#!/usr/bin/env bash
# run.sh - real clients, unmodified, against a cluster as `witan up` starts it. Clients come from PyPI into
# .venv-clients (kept); where they cannot be had, this says "skipped".
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=${WITAN_BUILD:-build}
venv=.venv-clients
if ! "$venv/bin/python" -c 'import openai' 2>/dev/null; then
  python3 -m venv "$venv" && "$venv/bin/pip" install -q 'openai==2.*' >"$venv/pip.log" 2>&1 || {
    echo "skipped: the openai package could not be installed ($venv/pip.log)"
    exit 0
  }
fi
state=$(mktemp -d)
trap '"$build/bin/witan" down --state "$state" >/dev/null || true; rm -rf "$state"' EXIT
"$build/bin/witan" up --detach --state "$state" --http 127.0.0.1:0 >/dev/null
"$venv/bin/python" tests/conformance/openai_python.py "$state/witan.json"
