#!/usr/bin/env bash
# words_test.sh - what every verb has: help with an example, exit codes, words for what is mistyped.
. "$(dirname "$0")/lib.sh"

try "no verb" 2 "usage: witan VERB" -- "$w"
try "help" 0 "up " "doctor " "Exit codes" -- "$w" --help
try "help as a verb" 0 "usage: witan VERB" -- "$w" help
try "the version" 0 "witan 0." -- "$w" --version
try "a flag before the verb" 2 "write witan VERB --state" "lists the verbs" -- "$w" --state x ps
try "help for what is no verb" 2 'did you mean "witan up"?' -- "$w" help uup

verbs=$("$w" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ "$(wc -w <<<"$verbs")" -ge 12 ]
result $? "there are twelve verbs at least" "$verbs"
for v in $verbs; do
  try "$v --help" 0 "usage: witan $v" "example" "exit codes: 0 done, 1 refused or failed, 2 usage" -- "$w" "$v" --help
  same=$out
  try "$v -h is the same" 0 "$same" -- "$w" "$v" -h
  try "help $v is the same" 0 "$same" -- "$w" help "$v"
  grep -qE "\`(witan )?$v[ \`]" README.md
  result $? "README.md names $v" "its table of verbs does not"
  try "$v: an unknown flag" 2 "there is no flag --frobnicate" "usage: witan $v" "witan $v --help" -- "$w" "$v" --frobnicate
  try "$v: an unknown letter" 2 "there is no flag -Z" -- "$w" "$v" -Z
done
for pair in doctr:doctor pss:ps mdoels:models chatt:chat confg:config dwon:down log:logs complet:completion; do
  try "witan ${pair%:*}" 2 "did you mean \"witan ${pair#*:}\"?" -- "$w" "${pair%:*}"
done
for pair in start:up stop:down status:ps version:--version serve:up; do
  try "what others call it: ${pair%:*}" 2 "did you mean \"witan ${pair#*:}\"?" -- "$w" "${pair%:*}"
done
try "nothing like a verb" 2 'there is no verb "frobnicate"' "witan --help lists the verbs" -- "$w" frobnicate

try "a flag of a setting, mistyped" 2 "did you mean --experts?" -- "$w" up --exprts 3
try "a flag of the verb, mistyped" 2 "did you mean --follow?" -- "$w" logs --folow
try "a flag that another verb has" 2 "belongs to witan up" -- "$w" ps --experts 3
try "a setting that only a service has" 2 "is a setting of a service" "witan config explain shard" -- "$w" up --shard '*'
try "a flag without its value" 2 "--level needs a value: error|warn" -- "$w" logs --level
try "a setting without its value" 2 "needs a value" -- "$w" up --http
try "a value for a switch" 2 "--follow takes no value" -- "$w" logs --follow=yes
try "a word that is none of a list" 2 "takes user, operator, auditor or admin" "did you mean admin?" -- "$w" key create --role admn
try "-o with another word" 2 "-o takes json or table" 'did you mean json?' -- "$w" ps -o jsn
try "-o without a word" 2 "-o needs a value" -- "$w" ps -o
try "-o where nothing is printed" 2 "prints no table" -- "$w" down -o json
try "a number out of bounds" 2 "not between 1 and 256" -- "$w" up --experts 999
try "not a number" 2 "is not a whole number" -- "$w" up --experts many
try "a time that is none" 2 "is not a time such as 250ms" -- "$w" up --drain soon
try "bytes that are none" 2 "not a number of bytes such as" -- "$w" up --kv-bytes lots
try "an address that is none" 2 "write HOST:PORT" -- "$w" up --http here
try "an endpoint that is none" 2 "tcp://HOST:PORT" -- "$w" up --bus 127.0.0.1:1
try "a level that is none" 2 "did you mean notice?" -- "$w" up --log-level notce
try "a policy that is none" 2 "did you mean encrypted?" -- "$w" up --audit-text enc
try "more holders than workers" 2 "raise experts or lower replicas" -- "$w" up --experts 2 --replicas 3
try "one word too many" 2 '"now" is one word too many' -- "$w" up now
try "a dash in a word, behind --" 1 "no cluster has been started" -- "$w" chat --state "$tmp/none" -- -5 degrees
try "no subcommand" 2 "say create, list or revoke" -- "$w" key
try "a subcommand, mistyped" 2 'did you mean "witan key revoke"?' -- "$w" key revok
try "no id to revoke" 2 "witan key list shows them" -- "$w" key revoke
for v in "key list" "key revoke nobody"; do
  try "$v where no cluster has been" 1 "no cluster has been started" "witan up starts one" -- "$w" $v --state "$tmp/keys"
  [ ! -e "$tmp/keys" ]; result $? "it makes no folder"
done
try "a flag by another name" 2 "did you mean --http?" -- "$w" up --port 9000
try "a name as a word" 2 "--name anna" -- "$w" key create anna --state "$tmp/keys"
try "a client of a cluster that was never started" 1 "start the cluster" -- "$w" key create --rpc "$tmp/client" --state "$tmp/rpc"
json "and no key is left" 0 'j == []' -- "$w" key list -o json --state "$tmp/rpc"
try "a page that does not exist" 2 "say witan, settings, up" -- "$w" man nothing
try "a flag for another subcommand" 2 "is for key create" -- "$w" key list --name x
try "days that are none" 2 'takes a number from' -- "$w" key create --days never

try "a date that is none" 2 "no date; write 2099-01-31" -- "$w" key create --expires never --state "$tmp/keys"
try "a date that is over" 2 "is over" -- "$w" key create --expires 2020-01-31 --state "$tmp/keys"
try "days and a date" 2 "leave one out" -- "$w" key create --expires 2099-01-31 --days 3 --state "$tmp/keys"
json "a date" 0 'j["expires_at"] == 4073630400' -- "$w" key create --expires 2099-02-01T12:00:00Z --models tiny -o json \
  --state "$tmp/dates"
try "the table of keys says what they are held to" 0 "LIMITS" "models tiny" -- "$w" key list --state "$tmp/dates"

state=$tmp/keys
json "key create" 0 'j["key"].startswith("wt-") and j["name"] == "anna"' -- "$w" key create --name anna -o json --state "$state"
id=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["id"])' "$out")
json "key list" 0 'len(j) == 1 and j[0]["revoked_at"] is None and "key" not in j[0]' -- "$w" key list -o json --state "$state"
json "key revoke" 0 'j["revoked"]' -- "$w" key revoke "$id" -o json --state "$state"
json "a revoked key says so" 0 'j[0]["revoked_at"] > 0' -- "$w" key list -o json --state "$state"
try "an id that does not exist" 1 'no key "nobody"' "witan key list shows the ids" -- "$w" key revoke nobody --state "$tmp/keys"
try "the table of keys" 0 ID TENANT anna -- "$w" key list -o table --state "$state"
for v in ps models chat; do
  try "$v without a cluster" 1 "no cluster has been started" "witan up starts one" "--state DIR" -- "$w" $v --state "$tmp/none"
done

# -- scripts/up answers what it is asked wrongly before it installs, configures or builds anything
mkdir "$tmp/fake"
for p in apt-get dpkg-query cmake ninja; do printf '#!/bin/sh\necho %s >>"%s"\nexit 1\n' $p "$tmp/touched" >"$tmp/fake/$p"; done
chmod +x "$tmp/fake"/*
scripts_up() { PATH=$tmp/fake:$PATH scripts/up "$@"; }
try "scripts/up --help" 0 "usage: " "--experts" "--replicas" -- scripts_up --help
try "scripts/up -h" 0 "usage: " -- scripts_up -h
try "scripts/up, a flag mistyped" 2 "there is no flag --exprts; did you mean --experts" "scripts/up --help" -- scripts_up --exprts 3
try "scripts/up, a flag like no other" 2 "there is no flag --frobnicate" -- scripts_up --frobnicate=1
try "scripts/up, no value" 2 "--experts needs a value" -- scripts_up --experts --detach
try "scripts/up, no number" 2 '--experts takes a whole number from 1 to 256, not "three"' -- scripts_up --experts three
try "scripts/up, too many" 2 'from 1 to 256, not "999"' -- scripts_up --experts=999
try "scripts/up, a word" 2 '"tiny" is one word too many' -- scripts_up tiny
[ ! -e "$tmp/touched" ]; result $? "and nothing was installed or built" "$(cat "$tmp/touched" 2>/dev/null)"
try "scripts/up with flags that are well goes on" 1 -- scripts_up --experts 3 --replicas=2 --detach --http 127.0.0.1:0 -o json
grep -q dpkg-query "$tmp/touched"; result $? "to the packages" "$out"
done_testing
