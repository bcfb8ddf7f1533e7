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
mkdir "$tmp/empty"
try "nor in an empty folder" 1 "no backup in $tmp/empty" "witan store backup" -- "$w" store restore "$tmp/empty" --state "$tmp/t"
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
    try "no such user" 1 "createuser" -- "$w" store info --store "${url/witan@/nobody@}" --state "$s"
    try "no such database" 1 "createdb" -- "$w" store info --store "${url/\/one/\/nothing}" --state "$s"
    # What a server refuses, each in its own words: a user with a password.
    psql=$(compgen -G '/usr/lib/postgresql/*/bin/psql' | sort -V | tail -1)
    hba=$("${psql:-psql}" "$url" -Atc 'SHOW hba_file')
    { echo 'host all anna 127.0.0.1/32 scram-sha-256'; cat "$hba"; } >"$tmp/hba" && cat "$tmp/hba" >"$hba"
    "${psql:-psql}" "$url" -qc "CREATE ROLE anna LOGIN PASSWORD 'right'" -c 'SELECT pg_reload_conf()' >"$tmp/psql" 2>&1
    anna=${url/witan@/anna@}
    info() { "$w" store info --store "$anna?passfile=$tmp/pass" --state "$s"; }
    # a server reads its files anew in its own time
    for _ in $(seq 1200); do "$w" store info --store "$anna" --state "$s" >"$tmp/info" 2>&1 || break; sleep 0.1; done
    try "no password" 1 "?passfile=FILE in the URL" "HOST:PORT:DATABASE:USER:PASSWORD" -- "$w" store info --store "$anna" --state "$s"
    try "no passfile" 1 "the passfile $tmp/pass cannot be read" -- info
    echo "*:*:*:other:right" >"$tmp/pass"
    try "a passfile that others read" 1 "may be read by others" "chmod 600" -- info
    chmod 600 "$tmp/pass"
    try "a passfile without its line" 1 "no line of the passfile" -- info
    echo "*:*:*:anna:wrong" >"$tmp/pass"
    try "a wrong password" 1 "the password of the passfile is not this user's" -- info
    echo "*:*:*:anna:right" >"$tmp/pass"
    try "a user without rights" 1 "user anna lacks the right" "witan_writer" "witan_reader" -- "$w" key list \
      --store "$anna?passfile=$tmp/pass" --state "$s"
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
