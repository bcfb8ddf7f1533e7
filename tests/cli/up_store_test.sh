#!/usr/bin/env bash
# up_store_test.sh - a cluster on PostgreSQL: it answers, its audit rows arrive, and a backup of it that is
# restored into SQLite still verifies.
. "$(dirname "$0")/lib.sh"

coproc pg { exec "$build/tests/postgres_run" one 2>"$tmp/pg.err"; }
read -r url <&"${pg[0]}" || url=skipped
case $url in
  skipped*) echo "1..0 # skipped: PostgreSQL is not installed"; exit 0 ;;
esac
[ -e "$build/plugins/store_postgresql.so" ] || { echo "1..0 # skipped: built without libpq"; exit 0; }

# cosigned: waits until the witness has seen a log that holds rows.
cosigned() {
  for _ in $(seq 1200); do
    "$w" audit verify --state "$state" >"$tmp/verify" 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# rows N: waits until the audit log holds N requests at least.
rows() {
  for _ in $(seq 1200); do
    "$w" audit query --state "$state" -o json >"$tmp/rows" 2>&1 &&
      [ "$(grep -o '"request_id"' "$tmp/rows" | wc -l)" -ge "$1" ] && return 0
    sleep 0.1
  done
  return 1
}

state one
up --store "$url" --experts 1
result $? "a cluster starts on PostgreSQL" "$(cat "$tmp/up.err")"
http=$(field "$state/witan.json" 'j["http"]')
key=$(field "$state/witan.json" 'j["admin_key"]')
for i in 1 2 3; do
  code=$(curl -s -o "$tmp/answer" -w '%{http_code}' "$http/v1/completions" -H "Authorization: Bearer $key" \
    -H 'Content-Type: application/json' -d '{"model": "tiny", "prompt": "Once", "max_tokens": 4}')
  [ "$code" = 200 ]; result $? "request $i is answered" "$code $(cat "$tmp/answer")"
done
rows 3; result $? "their audit rows are in PostgreSQL" "$(cat "$tmp/rows")"
[ ! -e "$state/witan.db" ]; result $? "no SQLite beside it"
cosigned; result $? "the witness cosigns" "$(cat "$tmp/verify")"
try "the log verifies" 0 "are what was logged" -- "$w" audit verify --state "$state"
try "a backup while it runs" 0 "copied to" -- "$w" store backup "$tmp/copy" --state "$state"
mkdir "$tmp/two"
cp -r "$state/keys" "$state/witness" "$tmp/two/"
try "restored into SQLite" 0 "restored from" -- "$w" store restore "$tmp/copy" --state "$tmp/two"
try "the restored log verifies" 0 "are what was logged" -- "$w" audit verify --state "$tmp/two"

# The store is named once: the other verbs, and the next start, have it from the state folder.
json "where the store's name is from" 0 'j[0]["value"] == "'"$url"'" and j[0]["origin"] == "state" and "witan.json" in j[0]["where"]' \
  -- "$w" config show store -o json --state "$state"
try "and as a table" 0 "state $state/witan.json" -- "$w" config show --origin store --state "$state"
try "a key goes into it" 0 -- "$w" key create --name anna --state "$state"
try "and stands in the list" 0 anna -- "$w" key list --state "$state"
try "tenants" 0 default -- "$w" tenant list --state "$state"
try "usage" 0 -- "$w" usage --state "$state"
try "info" 0 PostgreSQL -- "$w" store info --state "$state"
try "the doctor finds the key in it" 0 "the key in witan.json is valid" PostgreSQL -- "$w" doctor --state "$state"
try "a variable goes before the record" 1 "has its keys in" "names another store" -- env WITAN_STORE=sqlite "$w" doctor --state "$state"
[ ! -e "$state/witan.db" ]; result $? "and still no SQLite beside it"
try "it stops" 0 -- "$w" down --state "$state"
up --experts 1
result $? "it starts again without --store" "$(cat "$tmp/up.err")"
grep -q "going on with the store of this state folder: postgresql:" "$tmp/up.err"
result $? "and says which store" "$(cat "$tmp/up.err")"
[ "$(field "$state/witan.json" 'j["admin_key"]')" = "$key" ]; result $? "with the same key"
[ ! -e "$state/witan.db" ]; result $? "no SQLite after the second start"
try "it stops again" 0 -- "$w" down --state "$state"
try "another store is refused, with the reason and the way" 1 "spool's rows go there; flag --store names another store" \
  "--store-change" -- "$w" up --detach --http 127.0.0.1:0 --store sqlite --experts 1 --state "$state"
[ ! -e "$state/witan.db" ]; result $? "and nothing is made"
cp "$state/witan.json" "$tmp/witan.json"
echo >"$state/witan.json"
try "where the record is damaged, the store must be named" 1 "which store this cluster has is not known" "--store names it" \
  -- "$w" up --detach --http 127.0.0.1:0 --experts 1 --state "$state"
cp "$tmp/witan.json" "$state/witan.json"
try "the log still verifies" 0 "are what was logged" -- "$w" audit verify --state "$state"
try "the store is moved" 0 "copied to" -- "$w" store backup "$tmp/copy3" --state "$state"
try "to SQLite" 0 "restored from" -- "$w" store restore "$tmp/copy3" --store sqlite --state "$state"
up --store sqlite --store-change --experts 1
result $? "and the cluster with it" "$(cat "$tmp/up.err")"
try "the key came along" 0 anna -- "$w" key list --state "$state"
try "and is in SQLite" 0 SQLite -- "$w" store info --state "$state"
try "it stops at last" 0 -- "$w" down --state "$state"
exec {pg[1]}>&- 2>/dev/null
wait
done_testing
