#!/usr/bin/env bash
# config_test.sh - law 7 from outside: one row per setting, its value, where it comes from, what is wrong.
. "$(dirname "$0")/lib.sh"
rows=$(grep -c '^S(' lib/base/settings.def)

json "show lists every row" 0 "len(j) == $rows" -- "$w" config show -o json
json "all are defaults" 0 'all(s["origin"] == "default" for s in j)' -- "$w" config show -o json
printf '# ours\nkv_bytes: 1G\nchunk: 64\n' >"$tmp/a.yaml"
json "the file counts before the default" 0 'j[0]["value"] == 1 << 30 and j[0]["text"] == "1G" and j[0]["where"].endswith("a.yaml line 2")' \
  -- "$w" config show kv_bytes -o json --config "$tmp/a.yaml"
json "the environment before the file" 0 'j[0]["value"] == 2 << 20 and j[0]["origin"] == "environment"' \
  -- env WITAN_KV_BYTES=2M "$w" config show kv_bytes -o json --config "$tmp/a.yaml"
json "the flag before the environment" 0 'j[0]["value"] == 3 << 20 and j[0]["where"] == "flag --kv-bytes"' \
  -- env WITAN_KV_BYTES=2M "$w" config show kv_bytes --kv-bytes 3M -o json --config "$tmp/a.yaml"
json "the environment names the file" 0 'j[0]["value"] == 64' -- env WITAN_CONFIG="$tmp/a.yaml" "$w" config show chunk -o json
try "--origin as a table" 0 "kv_bytes" "a.yaml line 2" "default" -- "$w" config show --origin --config "$tmp/a.yaml"
try "show of what is no setting" 2 "did you mean kv_bytes?" -- "$w" config show kv_byte

for name in kv_bytes kv-bytes WITAN_KV_BYTES; do
  try "explain $name" 0 "keys and values" "256M" "65536 to 1099511627776 bytes" "--kv-bytes BYTES" "WITAN_KV_BYTES" "router witan" \
    -- "$w" config explain $name
done
json "explain as JSON" 0 'j["type"] == "bytes" and j["min"] == 65536 and j["roles"] == ["router", "witan"] and j["flag"] == "--kv-bytes"' \
  -- "$w" config explain kv_bytes -o json
try "explain of a slip" 2 "did you mean http?" -- "$w" config explain htpp
try "explain of nothing like it" 2 "witan config show lists them" -- "$w" config explain frobnicate
try "explain of nothing" 2 "takes the name of a setting" -- "$w" config explain
names=$("$w" config show | cut -d' ' -f1)
for s in $names; do "$w" config explain "$s" -o json; done >"$tmp/rows"
json "every row can be explained, as JSON" 0 "len(j) == $rows and all(r['help'] and r['flag'] and r['environment'] for r in j)" \
  -- python3 -c 'import json, sys; print(json.dumps([json.loads(l) for l in open(sys.argv[1])]))' "$tmp/rows"

try "check of a good file" 0 "fine" -- "$w" config check "$tmp/a.yaml"
json "as JSON" 0 'j["ok"] and j["problems"] == []' -- "$w" config check "$tmp/a.yaml" -o json
printf 'kv_byts: 1G\nchunk: 0\nlog_level: loud\nnonsense\n' >"$tmp/b.yaml"
try "check says all that is wrong" 1 "line 1: unknown setting 'kv_byts'; did you mean kv_bytes?" "chunk: 0" "line 2" \
  "line 4: 'name: value' was expected" "3 problems" -- "$w" config check "$tmp/b.yaml"
json "as JSON" 1 'not j["ok"] and len(j["problems"]) == 3' -- "$w" config check "$tmp/b.yaml" -o json
json "of the file that --config names, too" 1 'len(j["problems"]) == 3' -- "$w" config check --config "$tmp/b.yaml" -o json
json "and of the one in the environment" 1 'len(j["problems"]) == 3' -- env WITAN_CONFIG="$tmp/b.yaml" "$w" config check -o json
printf 'log_level: inof\nreplicas: 5\nhttp: here\n' >"$tmp/c.yaml"
try "check of settings against each other" 1 "did you mean info?" "raise experts or lower replicas" "write HOST:PORT" -- "$w" config check "$tmp/c.yaml"
try "check of the environment" 1 "WITAN_EXPERT" "did you mean WITAN_EXPERTS?" "chunk: 'x'" -- env WITAN_EXPERT=3 WITAN_CHUNK=x "$w" config check
try "check of a flag" 1 "experts: 999" -- "$w" config check --experts 999
try "check of a file that is not there" 1 "none.yaml" "No such file" "name a file that can be read" -- "$w" config check "$tmp/none.yaml"
printf 'frobnicate: 1\nexperts: 0\nchunk: many\nkv_bytes: lots\ndrain: soon\ndetach: maybe\n experts: 2\n' >"$tmp/d.yaml"
try "check says where, what, and what to write instead" 1 "d.yaml line 1: unknown setting 'frobnicate'; witan config show lists them" \
  "experts: 0 (file $tmp/d.yaml line 2) is not between 1 and 256 processes; choose one in between" \
  "chunk: 'many' (file $tmp/d.yaml line 3) is not a whole number such as 128" "d.yaml line 4) is not a number of bytes such as 4096, 64K" \
  "d.yaml line 5) is not a time such as 250ms" "d.yaml line 6) is not true or false; write one of them" \
  "d.yaml line 7: a line must not be indented; settings do not nest" "7 problems" -- "$w" config check "$tmp/d.yaml"
try "a broken file ends other verbs with usage" 2 "did you mean kv_bytes?" -- "$w" ps --config "$tmp/b.yaml"
try "the subcommand, mistyped" 2 'did you mean "witan config check"?' -- "$w" config chek
try "--origin elsewhere" 2 "is for config show" -- "$w" config check --origin

# -- plugins
mkdir -m 700 "$tmp/plugins"; echo text >"$tmp/plugins/text.so"; mkdir "$tmp/plugins/folder.so"
try "plugin check of a file that is no library" 1 "cannot load $tmp/plugins/text.so: " "cc -shared -fPIC" -- "$w" plugin check "$tmp/plugins/text.so"
[ "$(grep -o "text.so" <<<"$out" | wc -l)" = 1 ]
result $? "it names the file once" "$out"
try "plugin check of a folder" 1 "cannot load $tmp/plugins/folder.so: " -- "$w" plugin check "$tmp/plugins/folder.so"
try "plugin check of nothing" 1 "none.so: No such file" "name a .so that is there" -- "$w" plugin check "$tmp/plugins/none.so"
try "plugin check where everybody writes" 1 "everybody can write into /tmp" "folder that only you can write" -- "$w" plugin check /tmp/.
done_testing
