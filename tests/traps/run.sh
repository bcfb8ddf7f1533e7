#!/usr/bin/env bash
# run.sh BUILD [FOLDER]: are the tests able to fail? Each FOLDER/NN-name.patch (default: traps/
# beside this file) is one wrong turn that ports of these models have taken, applied to a copy of
# the shipped sources under BUILD; the test that it names, unmodified, must then fail. First all
# those tests must pass as they are. A patch that does not apply, does not build, or makes the
# test crash or hang is a failure: to be caught is to be seen wrong by an assertion. A patch
# begins with the lines "Trap: what is wrong" and "Test: program that must fail"; perhaps "Keeps:
# program that must still pass".
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,8p' "$0" | cut -c3-; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
folder=$(cd "${2:-$here/traps}" && pwd)
src=$build/src out=$build/out
export TMPDIR=$build/tmp
say() { printf '%s\n' "$*"; }
field() { sed -n "1,3s/^$1: //p" "$2"; }

# A copy, so that a run that is broken off leaves no mutant in the checkout.
rm -rf "$src" "$out" "$TMPDIR" "$build"/*.log
mkdir -p "$src" "$TMPDIR"
"$root/tests/sources.sh" | tar -xf - -C "$src"
cd "$src"
tests=$(for p in "$folder"/*.patch; do field Test "$p"; field Keeps "$p"; done | sort -u)
bad=0
for p in "$folder"/*.patch; do
  patch -p1 -F0 -s -f --dry-run <"$p" && continue
  say "$(basename "$p") does not apply; make it anew"
  bad=1
done
[ "$bad" = 0 ]

build() {
  ninja -C "$out" $1 >"$build/build.log" 2>&1 || { tail -40 "$build/build.log"; return 1; }
}
run() { timeout 300 "$out/tests/$1" >"$build/test.log" 2>&1; }

launcher=""
command -v ccache >/dev/null && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
cmake -S . -B "$out" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWITAN_TESTS=ON $launcher \
  >"$build/build.log" || { cat "$build/build.log"; exit 1; }
build "$tests"
for t in $tests; do
  run "$t" || { cat "$build/test.log"; say "$t fails without any patch"; exit 1; }
  say "unpatched: $t passes"
done

# one PATCH TEST KEEPS TITLE: applied, built, run, taken back.
one() {
  local p=$1 t=$2 keeps=$3 title=$4 rc=0 kept=0
  patch -p1 -F0 -s -f <"$p"
  if ! build "$t $keeps"; then
    patch -p1 -F0 -s -f -R <"$p"
    say "$title: DOES NOT BUILD"
    return 1
  fi
  if [ -n "$keeps" ]; then run "$keeps" || kept=$?; fi
  run "$t" || rc=$?
  cp "$build/test.log" "$build/$(basename "$p" .patch).log"
  patch -p1 -F0 -s -f -R <"$p"
  if [ "$kept" -ne 0 ]; then say "$title: $keeps FAILS, too"; return 1; fi
  case $rc in
    0) say "$title: SURVIVES $t"; return 1 ;;
    124) say "$title: $t HANGS"; return 1 ;;
  esac
  if [ "$rc" -ge 128 ] || ! grep -q 'FAILED' "$build/test.log"; then
    tail -5 "$build/test.log"
    say "$title: $t CRASHES"
    return 1
  fi
  say "$title: killed by $t ($(cases "$build/test.log"))${keeps:+, $keeps passes}"
}

# The cases that failed, by name.
cases() {
  sed -n 's/^.*\[  FAILED  \] \(.*\)$/\1/p' "$1" | grep -v ' test(s), listed below' | sort -u |
    awk '{ s = s (NR > 1 ? ", " : "") $0 } END { print (length(s) > 80 ? NR " cases" : s) }'
}

n=0 caught=0
for p in "$folder"/*.patch; do
  name=$(basename "$p" .patch)
  n=$((n + 1))
  if one "$p" "$(field Test "$p")" "$(field Keeps "$p")" "${name%%-*} $(field Trap "$p")"; then
    caught=$((caught + 1))
  fi
done
[ -e "$folder/absent.txt" ] && sed 's/$/: not in the tree/' "$folder/absent.txt"
say "$caught of $n caught"
rm -rf "$TMPDIR"
[ "$caught" -eq "$n" ]
