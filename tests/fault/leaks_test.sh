#!/bin/bash
# leaks_test.sh - witan up --inproc in a build with the address sanitizer: start, two answers (one whole, one
# as a stream), drain, stop. It must end with exit code 0, and LeakSanitizer must have nothing to say.
# TAP.
set -u
build=$(cd "${WITAN_BUILD:-build}" && pwd)
tmp=$(mktemp -d)
pid=""
finish() {
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
  rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM
export HOME=$tmp ASAN_OPTIONS=detect_leaks=1:exitcode=23
for v in $(compgen -e | grep '^WITAN_' | grep -vE '^WITAN_(SHARED|BUILD)$'); do unset "$v"; done

fail() {
  echo "not ok 1 - $1"
  tail -40 "$tmp/out" "$tmp/err" "$tmp"/state/logs/*.log 2>/dev/null | sed 's/^/# /'
  echo 1..1
  exit 1
}

# field NAME: of witan.json.
field() {
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$tmp/state/witan.json" "$1" 2>/dev/null
}

ask() { # STREAM
  python3 - "$(field http)" "$(field admin_key)" "$1" <<'END'
import json, sys, urllib.request
base, key, stream = sys.argv[1], sys.argv[2], sys.argv[3] == "true"
body = {"model": "tiny", "max_tokens": 8, "temperature": 0, "stream": stream, "stop": ["zzz"],
        "messages": [{"role": "user", "content": "Who are you?"}]}
q = urllib.request.Request(base + "/v1/chat/completions", json.dumps(body).encode(),
                           {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
text = urllib.request.urlopen(q, timeout=60).read().decode()
sys.exit(0 if ("[DONE]" in text if stream else json.loads(text)["choices"][0]["message"]["content"]) else 1)
END
}

"$build/bin/witan" up --inproc --model models/tiny --http 127.0.0.1:0 --state "$tmp/state" >"$tmp/out" 2>"$tmp/err" &
pid=$!
for i in $(seq 600); do
  kill -0 "$pid" 2>/dev/null || fail "it ended before it was ready"
  if [ -n "$(field http)" ] && ask false 2>"$tmp/ask"; then break; fi
  [ "$i" -lt 600 ] || fail "it did not answer within a minute: $(tail -1 "$tmp/ask")"
  sleep 0.1
done
ask true || fail "no answer as a stream"
kill -TERM "$pid"
wait "$pid"
code=$?
pid=""
grep -l "LeakSanitizer\|AddressSanitizer\|runtime error" "$tmp/out" "$tmp/err" "$tmp"/state/logs/*.log && fail "a sanitizer spoke"
[ "$code" = 0 ] || fail "exit code $code after SIGTERM"
echo "ok 1 - start, two answers, drain, stop: nothing is left of memory"
echo 1..1
