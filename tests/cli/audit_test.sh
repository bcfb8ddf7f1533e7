#!/usr/bin/env bash
# audit_test.sh - a cluster with its witness: rows, readings, an export that is verified elsewhere, a row that is changed,
# a database that is put back, a witness that loses its memory.
. "$(dirname "$0")/lib.sh"

state a
up --experts 1
result $? "up --detach" "$(cat "$tmp/up.err")"
url=$(field "$state/witan.json" 'j["http"]')
key=$(field "$state/witan.json" 'j["admin_key"]')
# ask KEY PATH [CURL...]: status into $code, body into $out
ask() {
  local k=$1 path=$2
  shift 2
  code=$(curl -s -o "$tmp/body" -w '%{http_code}' -H "Authorization: Bearer $k" "$@" "$url$path")
  out=$(cat "$tmp/body")
}
chat='{"model": "tiny", "max_tokens": 3, "messages": [{"role": "user", "content": "Who are you?"}]}'
ids=()
for _ in 1 2 3; do
  ids+=("$(curl -sD - -o /dev/null -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$chat" \
    "$url/v1/chat/completions" | tr -d '\r' | awk 'tolower($1) == "x-request-id:" { print $2 }')")
done
# settled: all rows so far are in the store and cosigned.
settled() {
  for _ in $(seq 1200); do
    "$w" audit verify -o json --state "$state" 2>/dev/null | grep -q "\"rows\":$1,.*\"unwitnessed\":0" && return 0
    sleep 0.1
  done
  return 1
}
settled 6; result $? "six events are in the log, and cosigned" "$("$w" audit verify --state "$state" 2>&1)"
try "verify says so" 0 "6 rows are what was logged" "cosigned 6" -- "$w" audit verify --state "$state"

json "one row by its id" 0 'len(j["data"]) == 1 and j["data"][0]["outcome"] == "ok" and j["data"][0]["status"] == 200 and
  j["data"][0]["completion_tokens"] == 3 and len(j["data"][0]["revision"]) == 64 and not j["has_more"]' \
  -- "$w" audit query --request "${ids[1]}" -o json --state "$state"
try "a table" 0 "TENANT" "${ids[0]}" "${ids[2]}" "ok" -- "$w" audit query --state "$state"
COLUMNS=80 "$w" audit query --state "$state" | awk 'length > 80 { exit 1 }'; result $? "within 80 columns"
try "CSV" 0 "request_id,time,tenant" "${ids[0]}" -- "$w" audit query --csv --model tiny --state "$state"
try "nothing" 0 "no row matches" -- "$w" audit query --model other --state "$state"
try "a time that is none" 2 "--since" "2026-11-25" -- "$w" audit query --since tomorrow --state "$state"
try "a number without a unit" 2 "write 24h or 24d" -- "$w" audit query --since 24 --state "$state"
try "since after until" 2 "since is after until" -- "$w" audit query --since 1h --until 2h --state "$state"
try "yesterday and today" 0 -- "$w" audit query --since yesterday --until today --state "$state"
rev=$("$w" audit query --request "${ids[1]}" --state "$state" | awk 'NR == 2 { print $7 }')
json "a revision as the table shows it" 0 'len(j["data"]) >= 3 and all(r["revision"].startswith("'"$rev"'") for r in j["data"])' \
  -- "$w" audit query --revision "$rev" -o json --state "$state"
try "another revision" 0 "no row matches" -- "$w" audit query --revision "00000000${rev:0:1}" --state "$state"
try "seven digits" 2 "first 8 or more" -- "$w" audit query --revision "${rev:0:7}" --state "$state"
json "a page, and the next" 0 'j["has_more"] and len(j["data"]) == 1' -- "$w" audit query --limit 1 -o json --state "$state"
after=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.read())["after"])' <<<"$out")
json "the next" 0 "j['data'][0]['request_id'] == '${ids[1]}'" -- "$w" audit query --limit 1 --after "$after" -o json --state "$state"

# What stands in witan.json, and in a file that is there already.
try "a model that is not served is noted" 0 'serves tiny, and no model "tinny"; is that what you mean?' -- "$w" key create \
  --models tiny,tinny --name noted --state "$state"
try "a price of it, too" 0 'no model "tinny"' -- "$w" price set tinny --prompt 1 --completion 2 --state "$state"
echo mine >"$tmp/mine"
try "a client file writes over no other" 1 "$tmp/mine exists" "remove it" -- "$w" key create --rpc "$tmp/mine" --state "$state"
[ "$(cat "$tmp/mine")" = mine ]; result $? "which is as it was"
try "it says where it wrote" 0 "wrote $tmp/client" "secret (0600)" -- "$w" key create --rpc "$tmp/client" --state "$state"

auditor=$("$w" key create --role auditor --name eve --state "$state" 2>/dev/null)
user=$("$w" key create --state "$state" 2>/dev/null)
for _ in $(seq 1200); do ask "$auditor" "/v1/admin/audit?limit=2"; [ "$code" = 200 ] && break; sleep 0.1; done
python3 -c 'import json, sys
j = json.loads(sys.argv[1])
sys.exit(not (len(j["data"]) == 2 and j["has_more"] and j["after"]))' "$out"; result $? "an auditor asks over HTTP" "$code $out"
ask "$user" /v1/admin/audit; [ "$code" = 403 ] && grep -q role_not_allowed <<<"$out"; result $? "a user may not" "$code $out"
ask "$auditor" "/v1/admin/audit?colour=red"; [ "$code" = 400 ] && grep -q "there is no filter" <<<"$out"; result $? "a filter that is none" "$code $out"
ask "$auditor" "/v1/admin/audit?format=csv"; [ "$code" = 200 ] && grep -q "^request_id,time" <<<"$out"; result $? "CSV over HTTP" "$code"
ask "$auditor" "/v1/admin/audit/export"; [ "$code" = 200 ]; result $? "an export over HTTP" "$code"
cp "$tmp/body" "$tmp/http.ndjson"
for _ in $(seq 1200); do "$w" audit query --actor eve -o json --state "$state" | grep -q admin/audit/export && break; sleep 0.1; done
json "each reading is a row" 0 '{"/v1/admin/audit", "/v1/admin/audit/export"} <= {r["door"] for r in j["data"]} and
  {r["outcome"] for r in j["data"]} >= {"ok", "refused"}' -- "$w" audit query --actor eve -o json --state "$state"

# On another machine: the export and the public key, and nothing else.
mkdir "$tmp/elsewhere"
cp "$state/witness/key.pub" "$tmp/elsewhere/key.pub"
try "an export" 0 "events" -- "$w" audit export --out "$tmp/elsewhere/log.ndjson" --state "$state"
try "is not written over" 1 "log.ndjson exists" "does not exist" -- "$w" audit export --out "$tmp/elsewhere/log.ndjson" --state "$state"
for f in "$tmp/elsewhere/log.ndjson" "$tmp/http.ndjson"; do
  try "verified elsewhere" 0 "what was logged" -- "$w" audit verify --file "$f" --witness "$tmp/elsewhere/key.pub" --state "$tmp/none"
  json "by the second verifier" 0 'j["good"]' -- python3 tests/audit/verify.py "$tmp/elsewhere/key.pub" "$f"
done
cp "$state/keys/audit-log.pub" "$tmp/elsewhere/log.pub"
try "the log's own key is no witness's" 1 "public key of a log" "witness's key.pub" -- "$w" audit verify \
  --file "$tmp/elsewhere/log.ndjson" --witness "$tmp/elsewhere/log.pub" --state "$tmp/none"
try "nor for the second verifier" 1 "no public key of a witness" -- python3 tests/audit/verify.py "$tmp/elsewhere/log.pub" \
  "$tmp/elsewhere/log.ndjson"
try "nor on the database" 1 "public key of a log" -- "$w" audit verify --witness "$tmp/elsewhere/log.pub" --state "$state"
try "and the witness's no log's" 1 "public key of a witness" -- "$w" audit verify --log "$tmp/elsewhere/key.pub" --state "$state"
try "an export for a key" 1 "begins as an export" "wants the public key of the witness" -- "$w" audit verify \
  --witness "$tmp/elsewhere/log.ndjson" --state "$state"
try "a key for an export" 1 "holds a public key" "--file wants an export" -- "$w" audit verify --file "$tmp/elsewhere/key.pub" \
  --state "$state"
sed -i '3s/"tenant":"default"/"tenant":"defaulT"/' "$tmp/elsewhere/log.ndjson"
try "a changed line is named" 1 "line 3" "row 1" "readable form" -- "$w" audit verify --file "$tmp/elsewhere/log.ndjson" \
  --witness "$tmp/elsewhere/key.pub" --state "$tmp/none"

# Somebody with the file.
"$w" down --state "$state" >/dev/null
result $? "down"
rows=$("$w" audit verify -o json --state "$state" | python3 -c 'import json, sys; j = json.load(sys.stdin); print(j["rows"], j["unwitnessed"])')
[ "${rows#* }" = 0 ]; result $? "at the end all rows are cosigned" "$rows"
cp "$state/witan.db" "$tmp/whole.db"
python3 - "$state/witan.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("DROP TRIGGER witan_seal_update_audit_events")
db.execute("UPDATE audit_events SET tenant = 'other' WHERE leaf = 3")
db.commit()
PY
try "a changed column" 1 "row 3" "${ids[1]}" "tenant" -- "$w" audit verify --state "$state"
cp "$tmp/whole.db" "$state/witan.db"
python3 - "$state/witan.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("DROP TRIGGER witan_seal_delete_audit_events")
db.execute("DELETE FROM audit_events WHERE leaf = 4")
db.commit()
PY
try "a deleted row" 1 "row 4" "deleted" -- "$w" audit verify --state "$state"
cp "$tmp/whole.db" "$state/witan.db"

# The whole database as it was: consistent in itself, but the witness has seen more.
up --experts 1
url=$(field "$state/witan.json" 'j["http"]')
ask "$key" /v1/models
for _ in $(seq 1200); do grep -q "^$((${rows% *} + 1))$" <(sed -n 2p "$state/witness/checkpoint") && break; sleep 0.1; done
"$w" down --state "$state" >/dev/null
cp "$tmp/whole.db" "$state/witan.db"
rm -f "$state"/witan.db-*
try "a database that was put back" 1 "rolled back" -- "$w" audit verify --state "$state"
rm -rf "$state/spool"                            # it still had the row, and would have put it back
up --experts 1
for _ in $(seq 1200); do grep -q AUDIT-ROLLBACK "$state/logs/gateway-0.log" && break; sleep 0.1; done
grep -q AUDIT-ROLLBACK "$state/logs/gateway-0.log"; result $? "the gateway says so in its log" "$(tail -3 "$state/logs/gateway-0.log")"
"$w" down --state "$state" >/dev/null

rm "$state/witness/checkpoint"
try "a witness without its memory" 2 "no memory" -- "$w" audit witness --state "$state/witness" --log "$state/keys/audit-log.pub"
try "a witness needs a log" 2 "--log" -- "$w" audit witness --state "$state/witness"

try "nothing is held" 0 "KIND" -- "$w" audit hold --state "$state"
try "a hold on nobody" 1 'no tenant "defualt"; did you mean default?' "--force" -- "$w" audit hold defualt add --state "$state"
try "nor on a subject that is none" 1 "no data subject 00112233445566778899aabbccddeeff" -- "$w" audit hold \
  00112233445566778899aabbccddeeff add --state "$state"
try "unless it is meant" 0 "is held" -- "$w" audit hold to-come add --force --state "$state"
try "which ends as any" 0 "no more" -- "$w" audit hold to-come remove --state "$state"
try "a hold" 0 "is held" -- "$w" audit hold default add --state "$state"
json "is listed" 0 'j[0]["kind"] == "tenant" and j[0]["name"] == "default"' -- "$w" audit hold -o json --state "$state"
try "and ended" 0 "no more" -- "$w" audit hold default remove --state "$state"
try "erase wants a subject" 2 "32 hex digits" -- "$w" audit erase anna --state "$state"
try "one that there is" 1 "has a key" -- "$w" audit erase 00112233445566778899aabbccddeeff --state "$state"
try "retain wants days" 2 "--days" -- "$w" audit retain --state "$state"
json "nothing is so old" 0 'j["dropped_rows"] == 0' -- "$w" audit retain --days 2 -o json --state "$state"
done_testing
