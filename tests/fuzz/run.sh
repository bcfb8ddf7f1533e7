#!/usr/bin/env bash
# run.sh BUILD SECONDS: runs every libFuzzer program of BUILD (preset fuzz) for SECONDS on a copy
# of its corpus, one a processor at a time. Prints what each has executed. A finding fails the
# run; its input is kept under BUILD/findings.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,4p' "$0" | cut -c3-; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
seconds=$2
mkdir -p "$build/findings"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16}       # else freed inputs fill memory

one() {
  local program=$1 name log rc=0
  name=$(basename "$program")
  log=$work/$name.log
  mkdir "$work/$name"
  cp "$here/corpus/${name#fuzz_}"/* "$work/$name"
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" "$work/$name" >"$log" 2>&1 || rc=$?
  awk -v name="$name" -v rc="$rc" '
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
    /stat::number_of_executed_units/ { n = $2 }
    /stat::peak_rss_mb/ { mb = $2 }
    END { printf "%-18s %10d execs, %6d edges, %4d MiB, %s\n", name, n, cov, mb,
                 rc ? "A FINDING" : "no finding" }' "$log"
  [ "$rc" -eq 0 ] && return 0
  tail -60 "$log" >&2
  echo "$name: kept in $build/findings; try again with: $program FILE" >&2
  return 1
}

n=0 failed=0
for program in "$build"/tests/fuzz_*; do
  [ -x "$program" ] || continue
  one "$program" &
  n=$((n + 1))
  if [ $((n % $(nproc))) -eq 0 ]; then
    for p in $(jobs -p); do wait "$p" || failed=$((failed + 1)); done
  fi
done
for p in $(jobs -p); do wait "$p" || failed=$((failed + 1)); done
if [ "$n" -eq 0 ]; then
  echo "no fuzz targets in $build/tests; configure with --preset fuzz" >&2
  exit 1
fi
echo "$n targets, $failed with findings"
[ "$failed" -eq 0 ]
