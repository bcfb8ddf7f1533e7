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
    "$w" audit verify --store "$url" --state "$state" >"$tmp/verify" 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# rows N: waits until the audit log holds N requests at least.
rows() {
  for _ in $(seq 1200); do
    "$w" audit query --store "$url" --state "$state" -o json >"$tmp/rows" 2>&1 &&
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
try "the log verifies" 0 "are what was logged" -- "$w" audit verify --store "$url" --state "$state"
try "a backup while it runs" 0 "copied to" -- "$w" store backup "$tmp/copy" --store "$url" --state "$state"
mkdir "$tmp/two"
cp -r "$state/keys" "$state/witness" "$tmp/two/"
try "restored into SQLite" 0 "restored from" -- "$w" store restore "$tmp/copy" --state "$tmp/two"
try "the restored log verifies" 0 "are what was logged" -- "$w" audit verify --state "$tmp/two"
try "it stops" 0 -- "$w" down --state "$state"
exec {pg[1]}>&- 2>/dev/null
wait
done_testing
