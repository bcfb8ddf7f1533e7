#!/usr/bin/env bash
# doctor_test.sh - what is wrong is found, said, and has something to do about it; what is well is said, too.
. "$(dirname "$0")/lib.sh"
s=$tmp/state
doctor() { "$w" doctor --state "$s" --http 127.0.0.1:0 "$@"; }

json "a fresh machine" 0 'j["ok"] and {f["look"] for f in j["findings"]} == {"processor", "cores", "clock", "files", "libraries",
  "programs", "settings", "model", "memory", "state", "disk", "ports", "cluster"}' -- doctor -o json
json "each finding has its words; what is not well, what to do" 0 'all(f["words"] and (f["level"] == "ok") == (f["todo"] is None)
  for f in j["findings"])' -- doctor -o json
try "libraries with their versions" 0 "libzmq 4." "with CURVE" "SQLite 3." "PCRE2 10." "protobuf: none" -- doctor
[ ! -e "$s" ]
result $? "it makes nothing"
try "no colours where there is no terminal" 0 "well" -- doctor
case $out in *$'\033'*) result 1 "no escape sequences" ;; *) result 0 "no escape sequences" ;; esac

try "a model that is not there" 1 "fail  model" "there is no model folder" "--model DIR" -- doctor --model "$tmp/none"
mkdir "$tmp/m" && cp models/tiny/config.json "$tmp/m"
try "a model without weights" 1 "has a config.json and no weights" "fetch its safetensors" -- doctor --model "$tmp/m"
cp models/tiny/model.safetensors "$tmp/m"
try "a model without a tokenizer" 1 "tokenizer.json" -- doctor --model "$tmp/m"
try "KV memory that is not there" 1 "fail  memory" "lower --kv-bytes" -- doctor --kv-bytes 1T
try "settings against each other" 1 "fail  settings" "raise experts or lower replicas" -- doctor --replicas 9
try "a variable that is a slip" 0 "warn  settings" "did you mean WITAN_EXPERTS?" -- env WITAN_EXPERT=2 "$w" doctor --state "$s" --http 127.0.0.1:0
try "more threads than cores" 0 "warn  cores" "leave --threads out" -- doctor --threads 1000

python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); time.sleep(900)' >"$tmp/port" </dev/null &
holder=$!
for _ in $(seq 1200); do [ -s "$tmp/port" ] && break; sleep 0.1; done
port=$(cat "$tmp/port")
try "a port that somebody holds" 1 "fail  ports" "127.0.0.1:$port is in use by process $holder (python3" "stop it, or pass --http" \
  -- "$w" doctor --state "$s" --http "127.0.0.1:$port"
try "a bus that somebody holds" 1 "bus: 127.0.0.1:$port is in use" "name another endpoint" -- doctor --bus "tcp://127.0.0.1:$port"
kill $holder
try "a host that is not this one" 1 "fail  ports" -- "$w" doctor --state "$s" --http 192.0.2.1:80

mkdir -m 755 "$s"
try "a state folder that others may enter" 0 "warn  state" "chmod 700" -- doctor
chmod 700 "$s"
mkdir -m 700 "$s/keys"
(umask 022; echo x >"$s/keys/expert-0.key"; echo '{}' >"$s/witan.json")
try "secrets that others may read" 1 "fail  keys" "expert-0.key can be read by others" "witan.json can be read by others" "chmod 600" -- doctor

# -- what it says to do is pasted into a shell, and then it is well
todo() { python3 -c 'import json, sys
print(next(f["todo"] for f in json.load(sys.stdin)["findings"] if f["look"] == "keys" and f["level"] != "ok"))'; }
paste() { # NAME WORD...: a finding with these words, whose line is run
  local name=$1; shift
  try "$name" 1 "fail  keys" "$@" -- "${as[@]}" "$w" doctor --state "$s" --http 127.0.0.1:0
  "${as[@]}" "$w" doctor --state "$s" --http 127.0.0.1:0 -o json | todo >"$tmp/line"
  "${as[@]}" bash -e "$tmp/line" >"$tmp/pasted" 2>&1
  result $? "   its line can be pasted: $(cat "$tmp/line")" "$(cat "$tmp/pasted")"
}
as=(env)
keys() { # a stopped cluster of one worker, with keys that are well
  rm -rf "$s"; mkdir -m 700 "$s" "$s/keys"
  k=$(printf '%040d' 0)
  (umask 077; printf 'public %s\nsecret %s\n' "$k" "$k" | tee "$s/keys/router.key" >"$s/keys/expert-0.key"
   echo "public $k" >"$s/keys/router.pub"
   echo '{"supervisor": 0, "processes": [{"role": "router", "name": "router-0"}, {"role": "expert", "name": "expert-0"}]}' >"$s/witan.json")
}
well() { json "   and the keys are well" "$1" 'any(f["look"] == "keys" and f["level"] == "ok" for f in j["findings"])' \
         -- "${as[@]}" "$w" doctor --state "$s" --http 127.0.0.1:0 -o json; }
keys; well 1                                     # (1: there is no key of the API in this witan.json)
chmod 644 "$s/keys/expert-0.key"
paste "a key that others may read" "expert-0.key can be read by others (mode 644)" "chmod 600 '$s/keys/expert-0.key'"
well 1
echo garbage >"$s/keys/expert-0.key"
paste "a key file that is none" 'has no line "public KEY"' "rm '$s/keys/expert-0.key'" "witan up makes a new one"
try "   the next word is witan up" 1 "there is no key file" "witan up makes it" -- doctor
keys; rm -r "$s/keys"; echo >"$s/keys"
paste "a key folder that is a file" "keys is no folder" "mv '$s/keys'"
if [ "$(id -u)" = 0 ] && chmod 711 "$tmp" && setpriv --reuid 65534 --clear-groups test -x "$w" 2>/dev/null; then
  as=(setpriv --reuid 65534 --clear-groups)
  keys; chown -R 65534 "$s"; well 1
  chmod 000 "$s/keys/expert-0.key"
  paste "a key that its owner may not read" "expert-0.key cannot be read: Permission denied" "chmod 600 '$s/keys/expert-0.key'"
  well 1
  chmod 000 "$s/keys"
  paste "a key folder that its owner may not enter" "keys cannot be used: Permission denied" "chmod 700 '$s/keys'"
  well 1
  chown 0 "$s/keys/expert-0.key"
  try "a key of another user" 1 "belongs to user root" "sudo chown nobody '$s/keys/expert-0.key'" \
    -- "${as[@]}" "$w" doctor --state "$s" --http 127.0.0.1:0
else
  echo "# skipped: keys that may not be read, which root can make and nobody else"
fi
rm -r "$s"; echo >"$s"
try "a state folder that is a file" 1 "is no folder" -- doctor
rm "$s"
try "a state folder that cannot be made" 1 "cannot be written" "--state DIR" -- "$w" doctor --state /dev/null/witan --http 127.0.0.1:0
if [ "$(id -u)" = 0 ]; then
  mkdir -m 700 "$s" && chown 65534 "$s"
  try "a state folder of another user" 1 "belongs to user" "run as that user" -- doctor
fi
done_testing
