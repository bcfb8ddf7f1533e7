#!/usr/bin/env bash
# control_test.sh - an operator tells routers news and moves experts between workers that serve: what is mistyped is
# refused before anything is sent, what a process refuses comes in its words, and the answer stays the same.
. "$(dirname "$0")/lib.sh"
control() { "$w" control "$@" --state "$state"; }

state none
try "no cluster" 1 "no cluster has been started" "witan up starts one" -- control push --policy-version 3
try "no cluster to assign in" 1 "no cluster has been started" -- control assign expert-0 1:1
try "push of nothing" 2 "--policy-version N, --key-revoked ID" -- control push
try "a version that is none" 2 'is "soon"; it takes a whole number from 1' -- control push --policy-version soon
try "a version of 0" 2 "a whole number from 1" -- control push --policy-version 0
try "a version beyond 64 bits" 2 "a whole number from 1" -- control push --policy-version 18446744073709551616
try "an id that is too long" 2 "at most 64 characters" -- control push --key-revoked "$(printf '%065d' 0)"
try "no experts" 2 "takes a worker and its experts, such as expert-0 2:9" -- control assign expert-0
try "a flag of push" 2 "--key-revoked is for control push" -- control assign expert-0 1:1 --key-revoked x
try "a subcommand, mistyped" 2 'did you mean "witan control unassign"?' -- control unasign expert-0 1:1

state served
up --experts 2 --replicas 1 --routers 2; result $? "(a cluster of two workers with half of the experts each)" "$(cat "$tmp/up.err")"
held() { "$w" ps -o json --state "$state" | python3 -c 'import json, sys
print(*[p["shard"]["held"] for p in json.load(sys.stdin) if p["role"] == "expert"])'; }
settles() { # WANT: what both hold; a slow machine has two minutes
  for _ in $(seq 1200); do [ "$(held)" = "$1" ] && break; sleep 0.1; done
  [ "$(held)" = "$1" ]; result $? "they hold $1" "$(held)"
}
metric() { # ROLE NAME: the sum over its processes
  local m
  for m in $(field "$state/witan.json" '" ".join(p["metrics"] for p in j["processes"] if p["role"] == "'"$1"'")'); do
    curl -s "http://$m/metrics" || python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://$m/metrics"
  done | awk -v n="$2" '$1 == n { s += $2 } END { print s + 0 }'
}
answer=$("$w" chat --temperature 0 --state "$state" "Who are you?")
settles "40 40"

try "a worker, mistyped" 1 "there is no worker \"exprt-1\"; did you mean expert-1?" -- control assign exprt-1 1:1
try "a process that is no worker" 1 'there is no worker "router-0"' -- control assign router-0 1:1
try "words that are no experts" 2 '"1-5" is not LAYERS:EXPERTS, such as 2:9 or 1-5:0-7' -- control assign expert-0 1-5
try "a range turned round" 2 "is not LAYERS:EXPERTS" -- control assign expert-0 1:7-3
try "a comma with nothing behind it" 2 "is not LAYERS:EXPERTS" -- control assign expert-0 1:3,
try "a number that is too large" 2 "is not LAYERS:EXPERTS" -- control assign expert-0 1:4294967297
try "a layer that is not there" 2 "there is no layer 77; the model has layers 0 to 5" -- control assign expert-0 77:1
try "an expert that is not there" 2 "there is no expert 16 in layer 1; it has experts 0 to 15" -- control assign expert-0 1:8-16
try "a layer without experts" 2 "layers 0 to 0 are dense" -- control assign expert-0 0:1
settles "40 40"

try "assign" 0 "expert-0: holds expert 8 of layer 1" "expert-0: holds expert 9 of layer 2" -- control assign expert-0 1-2:8-9
settles "44 40"
try "the same once more" 0 "expert-0: holds expert 8 of layer 1" -- control assign expert-0 1:8
settles "44 40"
json "unassign, as JSON" 0 '[(r["process"], r["done"]) for r in j] == [("expert-1", True)] * 4 and j[0]["what"] == "lets go of expert 8 of layer 1"' \
  -- control unassign expert-1 1:8-9,2:8-9 -o json
settles "44 36"
for _ in $(seq 1200); do [ "$(metric router witan_router_experts_missing)" = 0 ] && break; sleep 0.1; done
[ "$(metric router witan_router_experts_missing)" = 0 ]; result $? "no expert is missing"
[ "$("$w" chat --temperature 0 --state "$state" "Who are you?")" = "$answer" ]; result $? "the answer is the same" "$answer"
try "what a worker refuses comes in its words" 1 "is the last that expert-1 holds; stop the worker instead" -- control unassign expert-1 1-5:0-15

try "push" 0 'there is no key "some-id"' "router-0: its gateways are told" "router-1: its gateways are told" -- control push --policy-version 7 --key-revoked some-id
for _ in $(seq 1200); do [ "$(metric gateway witan_gateway_policy_version)" = 7 ] && [ "$(metric gateway witan_gateway_key_pushes_total)" = 2 ] && break; sleep 0.1; done
[ "$(metric gateway witan_gateway_policy_version)" = 7 ]; result $? "the gateway has heard of the policy"
[ "$(metric gateway witan_gateway_key_pushes_total)" = 2 ]; result $? "and of the key, from both routers"
try "an older one is passed over" 0 -- control push --policy-version 3
[ "$(metric gateway witan_gateway_policy_version)" = 7 ]; result $? "and changes nothing"
chmod 644 "$state/keys/control-0.key"
try "a key that others may read" 1 "control-0.key can be read by others" -- control push --policy-version 8
"$w" down --state "$state" >/dev/null
try "a cluster that is stopped" 1 "is stopped" "witan up starts it again" -- control assign expert-0 1:1

state threads
"$w" up --inproc --detach --state "$state" --http 127.0.0.1:0 >/dev/null 2>"$tmp/up.err"; result $? "(a cluster of one process)" "$(cat "$tmp/up.err")"
try "which nobody else can reach" 1 "is one process (--inproc)" "witan key revoke" -- control push --policy-version 3
done_testing
