# lib.sh - sourced by the tests of the command line: command, exit code, words, as TAP.
set -u
build=$(cd "${WITAN_BUILD:-build}" && pwd)
w=$build/bin/witan
tmp=$(mktemp -d)
export HOME=$tmp/home TERM=dumb LC_ALL=C.UTF-8
mkdir "$HOME"
for v in $(compgen -e | grep '^WITAN_' | grep -vE '^WITAN_(SHARED|BUILD)$'); do unset "$v"; done
n=0 failed=0 out=""
clusters=()

# Stops what the test started, also when it is interrupted.
finish() {
  local s
  for s in ${clusters[@]+"${clusters[@]}"}; do "$w" down --state "$s" >/dev/null 2>&1; done
  rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM

result() { # OK NAME [WHY]
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2: ${3:-}"
    failed=$((failed + 1))
  fi
}

# try NAME EXIT [WORD...] -- COMMAND...: its exit code, and words that must stand in what it says. What it
# said is in $out.
try() {
  local name=$1 want=$2 words=() code word why=""
  shift 2
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  out=$("$@" 2>&1 </dev/null)
  code=$?
  [ "$code" = "$want" ] || why="exit code $code, not $want"
  for word in ${words[@]+"${words[@]}"}; do
    case $out in *"$word"*) ;; *) why="$why; \"$word\" is not said" ;; esac
  done
  [ -z "$why" ]
  result $? "$name" "$why
$(sed 's/^/#   /' <<<"$out")"
}

# json NAME EXIT EXPRESSION -- COMMAND...: what it prints on standard output is JSON, and a Python expression
# over it (j) is true.
json() {
  local name=$1 want=$2 expression=$3 code why=""
  shift 4
  out=$("$@" 2>"$tmp/stderr" </dev/null)
  code=$?
  [ "$code" = "$want" ] || why="exit code $code, not $want: $(cat "$tmp/stderr")"
  if ! python3 -c 'import json, sys
j = json.loads(sys.stdin.read())
sys.exit(0 if eval("(" + sys.argv[1] + ")") else 1)' "$expression" <<<"$out" 2>"$tmp/python"; then
    why="$why; not $expression; $(tail -1 "$tmp/python")
$(head -c 1000 <<<"$out" | sed 's/^/#   /')"
  fi
  [ -z "$why" ]
  result $? "$name" "$why"
}

# state NAME: a folder for a cluster that is stopped at the end.
state() { clusters+=("$tmp/$1"); state=$tmp/$1; }
up() { "$w" up --detach --state "$state" --http 127.0.0.1:0 "$@" >"$tmp/up.out" 2>"$tmp/up.err"; }
field() { python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"; }

done_testing() {
  echo "1..$n"
  [ "$failed" = 0 ] || echo "# $failed of $n failed"
  exit $((failed > 0))
}
