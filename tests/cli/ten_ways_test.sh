#!/usr/bin/env bash
# ten_ways_test.sh - a stranger mistypes, forgets or breaks something in ten different ways (and some more), and is
# told each time what to do. Each way: the command, its exit code, words that must be said.
. "$(dirname "$0")/lib.sh"

# -- mistyped
try "1 a verb" 2 'did you mean "witan doctor"?' "witan --help lists the verbs" -- "$w" docter
try "2 a flag" 2 "did you mean --experts?" "witan up --help" -- "$w" up --expert 3
try "3 a value" 2 "experts: 'three'" "is not a whole number" "usage: witan up" -- "$w" up --experts three
printf 'expert: 3\n' >"$tmp/witan.yaml"
try "4 a line of the config file" 2 "line 1: unknown setting 'expert'" "did you mean experts?" -- "$w" up --config "$tmp/witan.yaml"

# -- forgotten
try "5 to start a cluster" 1 "no cluster has been started" "witan up starts one" "--state DIR names another" -- "$w" ps --state "$tmp/none"
try "6 where the model is" 1 "there is no model folder" "--model DIR names one" -- "$w" up --detach --state "$tmp/a" --http 127.0.0.1:0 --model "$tmp/modle"
mkdir "$tmp/notes" && echo hello >"$tmp/notes/README"
try "   a folder that is no model" 1 "config.json" "as Hugging Face ships it" "witan models inspect" \
  -- "$w" up --detach --state "$tmp/a" --http 127.0.0.1:0 --model "$tmp/notes"

# -- broken
cp -r models/tiny "$tmp/cut" && truncate -s 9000000 "$tmp/cut/model.safetensors"
try "7 a download that was cut off" 1 "model.safetensors" "witan models inspect" -- "$w" up --detach --state "$tmp/a" --http 127.0.0.1:0 --model "$tmp/cut"
try "   the doctor sees it" 1 "fail  model" "fetch the folder again" -- "$w" doctor --state "$tmp/a" --http 127.0.0.1:0 --model "$tmp/cut"

state whole
up; result $? "(a cluster for what follows)" "$(cat "$tmp/up.err")"
port=$(field "$state/witan.json" 'j["http"].rsplit(":", 1)[1]')
try "8 a port that is taken" 1 "127.0.0.1:$port is in use by process" "(witan-gateway)" "stop it, or --http 127.0.0.1:0 takes any free port" \
  -- "$w" up --detach --state "$tmp/b" --http "127.0.0.1:$port"
try "   the same state folder twice" 1 "a cluster already runs" "witan ps shows it" "witan down stops it" -- "$w" up --detach --state "$state" --http 127.0.0.1:0

id=$("$w" key list --state "$state" -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["id"])')
"$w" key revoke "$id" --state "$state" >/dev/null
# A gateway hears of it within a moment.
for _ in $(seq 1200); do "$w" chat --state "$state" hello >/dev/null 2>&1 </dev/null || break; sleep 0.1; done
try "9 the key, by revoking it" 1 "it was revoked, or has expired" "witan up makes a new one" -- "$w" chat --state "$state" hello
try "   the doctor sees it" 1 "fail  API key" "witan up makes a new one" -- "$w" doctor --state "$state"

rm "$state/keys/expert-1.key"
try "10 a key file, by removing it" 1 "fail  keys" "expert-1.key" "witan up makes it" -- "$w" doctor --state "$state"
"$w" down --state "$state" >/dev/null
chmod 644 "$state/keys/expert-0.key"
try "11 a key file, by letting others read it" 1 "expert-0.key can be read by others" "chmod 600" -- "$w" up --detach --state "$state" --http 127.0.0.1:0
chmod 600 "$state/keys/expert-0.key"

try "12 chat with a cluster that is stopped" 1 "is stopped" "witan up starts it again" -- "$w" chat --state "$state" hello
echo 'not json' >"$state/witan.json"
try "13 witan.json, by editing it" 1 "witan.json" "witan up writes it anew" -- "$w" ps --state "$state"
up; result $? "(and so it does, with a new key)" "$(cat "$tmp/up.err")"
try "(which opens the door)" 0 -- "$w" chat --state "$state" --temperature 0 hello
"$w" down --state "$state" >/dev/null

if [ "$(id -u)" = 0 ]; then
  mkdir "$tmp/theirs" && chown 65534 "$tmp/theirs"
  try "14 the state folder of another user" 1 "belongs to another user" "--state DIR" -- "$w" up --detach --state "$tmp/theirs" --http 127.0.0.1:0
else
  mkdir -m 500 "$tmp/ours"
  try "14 a state folder that may not be written" 1 "cannot be written" "--state DIR" -- "$w" up --detach --state "$tmp/ours" --http 127.0.0.1:0
fi
try "   a state folder that cannot be made" 1 "state folder" "--state DIR" -- "$w" up --detach --state /dev/null/witan --http 127.0.0.1:0
printf 'this is no database, and long enough to be looked at as one; this is no database, and long enough' >"$state/witan.db"
try "15 the database, by writing over it" 1 "witan.db" ";" -- "$w" up --detach --state "$state" --http 127.0.0.1:0
try "16 a processor that is not here" 1 "this build has no GPU plugin" "--gpu none" -- "$w" up --gpu 2 --state "$tmp/a"
try "17 a store that is not here" 1 "mysql" "write sqlite" "postgresql://" -- "$w" up --store mysql://db/witan --state "$tmp/a"
try "18 too many words" 2 '"tiny" is one word too many' "usage: witan up" -- "$w" up tiny
try "19 what the model cannot hold" 1 "kv_bytes" -- "$w" up --detach --kv-bytes 64K --state "$tmp/c" --http 127.0.0.1:0
done_testing
