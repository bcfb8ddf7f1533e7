#!/usr/bin/env bash
# up_test.sh - clusters as witan up starts them: what it prints, what ps, doctor, logs and models say then.
. "$(dirname "$0")/lib.sh"

pids=()
state plain
up --experts 3 --replicas 2 --routers 2
result $? "up --detach" "$(cat "$tmp/up.err")"
grep -q "^ready$" "$tmp/up.out" && grep -q "^witan answers at http://127.0.0.1:" "$tmp/up.out"; result $? "says that it is ready, and where it answers"
grep -q "is ready (7 of 7)" "$tmp/up.err"; result $? "a line for each process" "$(cat "$tmp/up.err")"
! grep -q $'\033\|\r' "$tmp/up.err"; result $? "plain lines where there is no terminal"
answer=$(bash -c "$(grep '^ *curl' "$tmp/up.out")")
grep -q '"content"' <<<"$answer"; result $? "the curl line works when pasted" "$answer"
json "ps" 0 '[p["role"] for p in j] == ["router"] * 2 + ["expert"] * 3 + ["witness", "gateway"] and all(p["state"] == "ready" for p in j)
  and all(len(p["shard"]["revisions"]) == 1 and len(p["shard"]["revisions"][0]) == 64 and p["shard"]["replicas"] == 2
  for p in j if p["role"] == "expert") and sum(p["shard"]["held"] for p in j if p["role"] == "expert") == 160' \
  -- "$w" ps -o json --state "$state"
try "ps as a table" 0 "2 routers, 3 workers, every expert held by 2 of them" "revision" -- "$w" ps --state "$state"
json "doctor finds it well" 0 'j["ok"] and any("held by our gateway-0" in f["words"] for f in j["findings"]) and
  any("all 7 processes are ready" in f["words"] for f in j["findings"]) and
  any("key in witan.json is valid" in f["words"] for f in j["findings"])' -- "$w" doctor -o json --state "$state"
json "its RPC port, too" 0 'any(f["words"].startswith("rpc: ") and "held by our gateway-0" in f["words"] for f in j["findings"])' \
  -- "$w" doctor -o json --state "$state"
json "models" 0 'j["data"][0]["id"] == "tiny"' -- "$w" models -o json --state "$state"
try "models as a table" 0 "MODEL" "tiny" "1024" -- "$w" models list --state "$state"
try "one question" 0 "tiny model" -- "$w" chat --temperature 0 --state "$state" "Who are you?"
json "one question as JSON" 0 'j["tokens"] > 3 and "tiny model" in j["answer"]' -- "$w" chat --temperature 0 --state "$state" -o json "Who are you?"
try "a second cluster in the folder" 1 "already runs" "witan ps" "witan down" "--state DIR" -- "$w" up --detach --state "$state" --http 127.0.0.1:0

json "its logs" 0 'len(j) > 10 and [l["ts"] for l in j] == sorted(l["ts"] for l in j) and {l["svc"] for l in j} >=
  {"router-0", "router-1", "expert-0", "gateway-0"}' -- bash -c '"$0" logs -o json --state "$1" | python3 -c "
import json, sys
print(json.dumps([json.loads(l) for l in sys.stdin]))"' "$w" "$state"
try "logs of a role" 0 "expert-0" "expert-2" "EXPERT-READY" -- "$w" logs expert --state "$state"
case $out in *router-0*\ notice*ROUTER*) result 1 "and of no other" ;; *) result 0 "and of no other" ;; esac
try "logs by level" 0 -- "$w" logs --level error --state "$state"
[ -z "$out" ]; result $? "there is no error" "$out"
try "the last lines" 0 -- "$w" logs -n 2 --state "$state"
[ "$(wc -l <<<"$out")" = 2 ]; result $? "are two"
try "logs since yesterday" 0 "ROUTER-READY" -- "$w" logs --since 1d --state "$state"
try "a log, mistyped" 1 "did you mean gateway-0?" -- "$w" logs gatewy-0 --state "$state"
if script -qc true /dev/null </dev/null >/dev/null 2>&1; then
  TERM=xterm script -qc "$w logs -n 1 --state $state" /dev/null </dev/null | grep -q $'\033\[32m'; result $? "colours on a terminal"
  ! NO_COLOR=1 TERM=xterm script -qc "$w logs -n 1 --state $state" /dev/null </dev/null | grep -q $'\033'; result $? "none with NO_COLOR"
fi
"$w" logs -f --state "$state" >"$tmp/followed" 2>&1 &
follower=$!
pid=$(field "$state/witan.json" '[p["pid"] for p in j["processes"] if p["name"] == "expert-1"][0]')
kill -9 "$pid"
for _ in $(seq 1200); do
  [ "$(grep -c EXPERT-READY "$tmp/followed")" -ge 4 ] && "$w" ps --state "$state" >/dev/null 2>&1 && break
  sleep 0.1
done
json "a worker that died is back" 0 '[p["restarts"] for p in j if p["name"] == "expert-1"] == [1]' -- "$w" ps -o json --state "$state"
kill $follower
try "the supervisor says so" 0 "CHILD-AGAIN" "expert-1" "signal=9" -- "$w" logs supervisor --state "$state"
[ "$(grep -c EXPERT-READY "$tmp/followed")" -ge 4 ]; result $? "logs -f saw it come back" "$(tail -3 "$tmp/followed")"
kill -9 "$(field "$state/witan.json" 'j["supervisor"]')"
for _ in $(seq 1200); do "$w" ps --state "$state" 2>&1 | grep -q "is gone without witan down" && break; sleep 0.1; done
try "ps when the supervisor was killed" 1 "is gone without witan down" "witan up starts it again" -- "$w" ps --state "$state"
json "doctor, too" 0 'any("is gone without witan down" in f["words"] for f in j["findings"])' -- "$w" doctor -o json --state "$state" --http 127.0.0.1:0
head -c 8192 /dev/zero | tr '\0' '\n' >>"$state/logs/expert-0.log"
up --log-bytes 4K --log-keep 1
result $? "up starts it again" "$(cat "$tmp/up.err")"
for _ in $(seq 1200); do [ -s "$state/logs/expert-0.log.1" ] && break; sleep 0.1; done
[ "$(stat -c %s "$state/logs/expert-0.log.1")" -gt 8192 ] && [ "$(stat -c %s "$state/logs/expert-0.log")" -lt 8192 ]
result $? "a large log is turned over" "$(ls -l "$state/logs")"
try "down" 0 "stopped" -- "$w" down --state "$state"
try "down again" 0 "nothing runs" -- "$w" down --state "$state"
try "ps of what is stopped" 1 "nothing runs" "witan up starts it again" -- "$w" ps --state "$state"
try "chat with what is stopped" 1 "is stopped" "witan up starts it again" -- "$w" chat --state "$state" hello
json "doctor of what is stopped" 0 'j["ok"] and any("stopped; witan up starts it again" in f["words"] for f in j["findings"])' \
  -- "$w" doctor -o json --state "$state" --http 127.0.0.1:0

# What can be known before anything is started is said then, and no folder of logs is shown.
state early
mkdir "$tmp/mute" && cp models/tiny/config.json models/tiny/model.safetensors "$tmp/mute/"
early() { # WORDS FLAG...
  local words=$1
  shift
  try "known before the start: $1 ${2:-}" 1 "$words" -- "$w" up --detach --state "$state" --http 127.0.0.1:0 "$@"
  case $out in *"last lines"* | *"starting "*) result 1 "nothing was started" "$out" ;; *) result 0 "nothing was started" ;; esac
}
early "tokenizer.json" --model "$tmp/mute"
early "there is no such folder" --plugins "$tmp/none"
early "nothing can be written in" --profile "$tmp/none/trace.json"
early "leave out --routers and --replicas" --inproc --routers 2
early "no compute plugin is called 'fast'; there are: cpu; --plugins DIR" --compute fast
early "there are: contiguous, least-loaded; did you mean least-loaded?" --place least-load
early "no sample plugin is called 'greedy'; there are: wn1;" --sample greedy
early "is 64.0 KiB, less than one page of 64 positions of this model, 120 KiB (122880 bytes); raise kv_bytes" --kv-bytes 64K
early "above what the model was made for, 1024; lower it" --max-context 2000
mkdir -m 700 "$tmp/plugins" && echo text >"$tmp/plugins/text.so"
early "--plugins $tmp/plugins: cannot load $tmp/plugins/text.so" --plugins "$tmp/plugins"
[ ! -e "$state" ]; result $? "and no folder was made"
if [ "$(id -u)" = 0 ] && chmod 711 "$tmp" && setpriv --reuid 65534 --clear-groups test -x "$w" 2>/dev/null; then
  mkdir -p "$tmp/secret/model" && chmod 700 "$tmp/secret"
  try "a model folder that may not be read" 1 "may not be looked into: Permission denied" "--model DIR" \
    -- setpriv --reuid 65534 --clear-groups "$w" up --detach --state "$tmp/nobody" --http 127.0.0.1:0 --model "$tmp/secret/model"
  cp -r models/tiny "$tmp/closed" && chmod -R a+rX "$tmp/closed" && chmod 600 "$tmp/closed/config.json"
  try "a model whose config may not be read" 1 "config.json: Permission denied" "--model" \
    -- setpriv --reuid 65534 --clear-groups "$w" up --detach --state "$tmp/nobody" --http 127.0.0.1:0 --model "$tmp/closed"
else
  echo "# skipped: folders that may not be read, which root can make and nobody else"
fi

# What an earlier run wrote is not shown as the reason of this one, and a failed start leaves the folder free.
state again
mkdir -p -m 700 "$state/logs" && echo "an old complaint" >"$state/logs/expert-0.log" && touch -d "1 hour ago" "$state/logs/expert-0.log"
mkdir "$tmp/broken"
cp "$build/bin/witan" "$tmp/broken/"
ln -s "$build/bin/witan-router" "$build/bin/witan-expert" "$tmp/broken/"
printf '#!/bin/sh\necho no gateway today >&2\nexit 2\n' >"$tmp/broken/witan-gateway"
chmod +x "$tmp/broken/witan-gateway"
for i in first second; do
  try "a $i start that fails" 1 "no gateway today" -- "$tmp/broken/witan" up --detach --state "$state" --http 127.0.0.1:0
  case $out in *"an old complaint"* | *"already runs"*) result 1 "of this run alone" "$out" ;; *) result 0 "of this run alone" ;; esac
done
up --profile "$tmp/trace.json"
result $? "up with a file for traces" "$(cat "$tmp/up.err")"
try "and down" 0 "stopped" -- "$w" down --state "$state"
for p in router-0 expert-0 expert-1; do
  json "a trace of $p" 0 'j' -- cat "$tmp/trace.json.$p"
done

# A worker that never becomes ready, and a supervisor that is killed meanwhile.
state never
mkdir "$tmp/bin"
cp "$build/bin/witan" "$tmp/bin/"
ln -s "$build/bin/witan-router" "$build/bin/witan-gateway" "$tmp/bin/"
printf '#!/bin/sh\nexec sleep 1000\n' >"$tmp/bin/witan-expert"
chmod +x "$tmp/bin/witan-expert"
"$tmp/bin/witan" up --detach --state "$state" --http 127.0.0.1:0 >"$tmp/up.out" 2>"$tmp/up.err" &
waits=$!
for _ in $(seq 1200); do
  pid=$(field "$state/witan.json" 'j["supervisor"]' 2>/dev/null) && [ "${pid:-0}" != 0 ] && grep -q ROUTER-READY "$state/logs/router-0.log" && break
  sleep 0.1
done
kill -9 "$pid"
wait $waits
[ $? = 1 ] && ! grep -q "^ready$" "$tmp/up.out"; result $? "a supervisor that dies early is no success" "$(cat "$tmp/up.out")"
grep -q "ended by signal 9 (Killed) before the cluster was ready" "$tmp/up.err" && grep -q "router-0: .*ROUTER-" "$tmp/up.err"
result $? "that is said, with the last lines of the logs" "$(cat "$tmp/up.err")"

# Two at the same moment, each with the default ports: each has ports of its own.
state first; first=$state
state second
for s in "$first" "$state"; do
  "$w" up --detach --experts 1 --state "$s" --http 127.0.0.1:0 >"$s.out" 2>&1 &
  pids[${#pids[@]}]=$!
done
for p in "${pids[@]}"; do wait "$p"; result $? "one of two that start at the same moment" "$(cat "$first.out" "$state.out")"; done
for what in 'j["rpc"]' '[p["endpoint"] for p in j["processes"] if p["role"] == "router"]' 'j["http"]'; do
  [ "$(field "$first/witan.json" "$what")" != "$(field "$state/witan.json" "$what")" ]
  result $? "they differ in $what" "$(field "$first/witan.json" "$what")"
done
for s in "$first" "$state"; do try "and it answers" 0 "tiny model" -- "$w" chat --temperature 0 --state "$s" "Who are you?"; done
"$w" down --state "$state" >/dev/null
# A port that is promised, and which nobody listens on yet: as in the moment between the plan and the start.
python3 -c 'import os, socket, sys, time
t = socket.socket(); t.bind(("127.0.0.1", 0)); port = t.getsockname()[1]; t.close()
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("\0witan-port-127.0.0.1:%d" % port)
print(port, flush=True); time.sleep(900)' >"$tmp/promised" </dev/null &
holder=$!
for _ in $(seq 1200); do [ -s "$tmp/promised" ] && break; sleep 0.1; done
at=127.0.0.1:$(cat "$tmp/promised")
for flag in "--http $at" "--bus tcp://$at --http 127.0.0.1:0" "--rpc tcp://$at --http 127.0.0.1:0"; do
  try "promised to another: $flag" 1 "$at is taken by another witan up" "name another port" \
    -- "$w" up --detach --state "$tmp/third" $flag
done
kill $holder
"$w" down --state "$first" >/dev/null

state inproc
json "one process, and up as JSON" 0 'j["http"].startswith("http://127.0.0.1:") and j["admin_key"].startswith("wt-")' \
  -- "$w" up --inproc --detach --http 127.0.0.1:0 --state "$state" -o json
json "ps of one process" 0 'len({p["pid"] for p in j}) == 1 and all(p["state"] == "ready" for p in j) and
  any(len(p["shard"]["revisions"]) == 1 for p in j if "shard" in p)' -- "$w" ps -o json --state "$state"
try "it answers" 0 "tiny model" -- "$w" chat --temperature 0 --state "$state" "Who are you?"
try "down, too" 0 "stopped" -- "$w" down --state "$state"
done_testing
