#!/usr/bin/env bash
# oracle.sh BUILD: makes the golden models anew with a random seed and compares. Needs a python with torch
# and transformers: $WITAN_ORACLE_PYTHON, or python3; says "skipped" where there is none.
set -euo pipefail
build=$1
py=${WITAN_ORACLE_PYTHON:-python3}
if ! "$py" -c 'import torch, transformers, safetensors' 2>/dev/null; then
  echo "skipped: no torch and transformers in $py (WITAN_ORACLE_PYTHON names another)"
  exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
seed=$((RANDOM + 2))
echo "seed $seed"
"$py" "$(dirname "$0")/make_models.py" "$out" --seed "$seed"
"$build/tests/golden_test" "$out"
