#!/usr/bin/env bash
# run.sh - real clients, unmodified, against a cluster as `witan up` starts it: openai-python and LangChain
# (requirements.txt), openai-node (package-lock.json), and the RPC client of clients/python. They come from PyPI and
# npm into .venv-clients, which is kept; where they cannot be had, this says "skipped" and why.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=${WITAN_BUILD:-build}
here=tests/conformance clients=.venv-clients
venv=$clients/python node=$clients/node

# Reads what is to be installed against what was: a change of the list installs anew.
have() { [ -f "$1" ] && cmp -s "$1" "$2"; }
python_clients() {
  have "$venv/installed.txt" $here/requirements.txt && return 0
  { python3 -m venv --clear "$venv" && "$venv/bin/pip" install -q -r $here/requirements.txt; } \
    >"$clients/python.log" 2>&1 && cp $here/requirements.txt "$venv/installed.txt"
}
node_clients() {
  command -v node >/dev/null && command -v npm >/dev/null || { no_node="there is no node with npm"; return 1; }
  have "$node/installed.json" $here/package-lock.json && return 0
  rm -rf "$node" && mkdir -p "$node" && cp $here/package.json $here/package-lock.json "$node/" &&
    npm ci --prefix "$node" --no-audit --no-fund >"$clients/node.log" 2>&1 &&
    cp $here/package-lock.json "$node/installed.json" ||
    { no_node="npm could not install openai ($clients/node.log)"; return 1; }
}

up() {
  state=$(mktemp -d)
  trap '"$build/bin/witan" down --state "$state" >/dev/null || true; rm -rf "$state"' EXIT
  # Shorter waits than by default, so that what the clients see of a failure comes soon, and yet long enough for a
  # slow machine to answer within them.
  "$build/bin/witan" up --detach --state "$state" --http 127.0.0.1:0 --bus tcp://127.0.0.1:0 \
    --router-wait 3s --expert-wait 3s >/dev/null
}

# The RPC door from Python: the page of clients/python and the classes that protoc makes of proto/.
rpc_client() {
  mkdir "$state/py"
  "$venv/bin/python" -m grpc_tools.protoc -I proto --python_out="$state/py" proto/witan/v1/*.proto
  "$build/bin/witan" key create --state "$state" --name rpc --rpc "$state/client" >/dev/null 2>&1
  PYTHONPATH=$state/py "$venv/bin/python" clients/python/witan_rpc.py "$state/client" "Who are you?" >"$state/said"
  grep -qF "I am the tiny model of Witan." "$state/said" || { echo "not ok - rpc: $(cat "$state/said")"; return 1; }
  echo "ok - witan_rpc.py: models and a stream over RPC"
}

mkdir -p "$clients"
python=yes no_node=""
python_clients || python=""
node_clients || echo "skipped: openai-node: $no_node"
[ -n "$python" ] || echo "skipped: openai-python and LangChain could not be installed ($clients/python.log)"
[ -n "$python" ] || [ -z "$no_node" ] || exit 0
up
if [ -n "$python" ]; then
  "$venv/bin/python" $here/openai_python.py "$state/witan.json" "$build/bin/witan"
  "$venv/bin/python" $here/langchain_client.py "$state/witan.json"
  rpc_client
fi
if [ -z "$no_node" ]; then
  node $here/openai_node.cjs "$state/witan.json" "$node"
fi
