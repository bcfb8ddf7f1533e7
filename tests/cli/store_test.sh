#!/usr/bin/env bash
# store_test.sh - witan store info|backup|restore on SQLite, and on PostgreSQL where it is installed.
. "$(dirname "$0")/lib.sh"

s=$tmp/s
mkdir "$s"
try "an empty store" 0 "SQLite" "migrations: none yet" -- "$w" store info --state "$s"
try "a key goes into it" 0 -- "$w" key create --name anna --state "$s"
id=$("$w" key list -o json --state "$s" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
try "info shows tables and migrations" 0 "identity_keys" "ROWS" -- "$w" store info --state "$s"
json "info as JSON" 0 'j["schemas"]["identity"] >= 1 and [t["rows"] for t in j["tables"] if t["name"] == "identity_keys"] == [1]' \
  -- "$w" store info -o json --state "$s"
json "a backup" 0 'j["rows"] >= 2 and j["from"].startswith("SQLite")' -- "$w" store backup "$tmp/copy" -o json --state "$s"
[ "$(stat -c %a "$tmp/copy" "$tmp/copy/manifest.json" | sort -u | tr '\n' ' ')" = "600 700 " ]
result $? "a backup is its owner's alone" "$(stat -c '%a %n' "$tmp/copy"/*)"
try "not over another" 1 "not empty" -- "$w" store backup "$tmp/copy" --state "$s"
try "not over what is there" 1 "holds tables already" -- "$w" store restore "$tmp/copy" --state "$s"
try "a folder is wanted" 2 "takes one folder" -- "$w" store backup --state "$s"
try "no such backup" 1 "manifest.json" -- "$w" store restore "$tmp/nothing" --state "$tmp/t"
try "a restore" 0 "restored from" -- "$w" store restore "$tmp/copy" --state "$tmp/t"
try "the key is back" 0 "$id" -- "$w" key list --state "$tmp/t"
try "another kind of store" 1 "no plugin opens" -- "$w" store info --store mysql://x/y --state "$s"

coproc pg { exec "$build/tests/postgres_run" one two 2>"$tmp/pg.err"; }
read -r url <&"${pg[0]}" || url=skipped
[ -e "$build/plugins/store_postgresql.so" ] || url=skipped
case $url in
  skipped*) echo "# no PostgreSQL, or built without libpq: SQLite alone" ;;
  *)
    try "the same backup into PostgreSQL" 0 "restored from" -- "$w" store restore "$tmp/copy" --store "$url" --state "$tmp/u"
    try "the key is there as well" 0 "$id" -- "$w" key list --store "$url" --state "$tmp/u"
    try "info of PostgreSQL" 0 "PostgreSQL" "identity_keys" -- "$w" store info --store "$url" --state "$tmp/u"
    try "and back" 0 "copied to" "PostgreSQL" -- "$w" store backup "$tmp/copy2" --store "$url" --state "$tmp/u"
    try "into SQLite" 0 -- "$w" store restore "$tmp/copy2" --state "$tmp/v"
    try "the key came all the way" 0 "$id" -- "$w" key list --state "$tmp/v"
    try "a password in a URL" 1 "holds a password" -- "$w" store info --store "${url/witan@/witan:secret@}" --state "$s"
    case $out in *secret*) result 1 "the password is not said" "$out" ;; *) result 0 "the password is not said" ;; esac
    so=$build/plugins/store_postgresql.so
    read -r empty <&"${pg[0]}"
    try "a store is checked on a database" 2 "name it: --url postgresql:" -- "$w" plugin check "$so"
    try "the plugin conforms" 0 "ok   a unique key is refused as such" "postgresql 1.0: conforms" \
      -- "$w" plugin check "$so" --url "$empty" --quick
    ;;
esac
exec {pg[1]}>&- 2>/dev/null
wait
done_testing
