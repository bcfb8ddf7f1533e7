#!/usr/bin/env bash
# run.sh BUILD: one hash everywhere. The golden hash (tests/golden/hash.h) of gcc and clang, -O0
# and -O3, and of aarch64 under qemu must be the committed one; and three kernels that break the
# contract of numbers.md must each change it. All builds are core builds: no packages, no cmocka.
# Says "skipped" where there is no clang, cross compiler or qemu.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,5p' "$0" | cut -c3-; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
cd "$root"
say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null; }
launcher=""
have ccache && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
failed=0 builds=0

# hash NAME COMPILER OPTIMISATION RUNNER [CMAKE FLAGS...]: builds, runs, says the hash.
hash() {
  local name=$1 cc=$2 level=$3 runner=$4 out=$build/$1 start
  shift 4
  start=$(date +%s)
  builds=$((builds + 1))
  if ! { cmake -S . -B "$out" -G Ninja -DWITAN_CORE_ONLY=ON -DWITAN_TESTS=ON \
           -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Plain -DCMAKE_C_FLAGS_PLAIN="$level" \
           $launcher "$@" &&
         ninja -C "$out" profile_hash; } >"$out.log" 2>&1; then
    tail -30 "$out.log"
    say "$name: does not build"
    failed=$((failed + 1))
    return 0
  fi
  rm -rf "$out/packs"
  mkdir "$out/packs"
  if $runner "$out/tests/profile_hash" "$out/packs" 17 >"$out.log" 2>&1; then
    say "$name: $(head -c 16 "$out.log")... as committed, $(($(date +%s) - start)) s"
  else
    cat "$out.log"
    say "$name: ANOTHER HASH"
    failed=$((failed + 1))
  fi
  rm -rf "$out/packs"
}

for cc in gcc clang; do
  have $cc || { say "$cc: skipped, it is not installed"; continue; }
  for level in -O0 -O3; do hash "$cc$level" $cc $level ""; done
done
if have aarch64-linux-gnu-gcc && have qemu-aarch64-static; then
  hash aarch64-gcc-O2 aarch64-linux-gnu-gcc -O2 "qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64
else
  say "aarch64: skipped, it needs aarch64-linux-gnu-gcc and qemu-aarch64-static"
fi
say "$((builds - failed)) of $builds builds have the committed hash"
tests/traps/run.sh "$build/differ" tests/wider/differ || failed=$((failed + 1))
[ "$failed" -eq 0 ]
