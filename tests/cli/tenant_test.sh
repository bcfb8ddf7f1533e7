#!/usr/bin/env bash
# tenant_test.sh - witan tenant, team, key, quota, price and usage on the store itself, on SQLite and, where it is
# installed, on PostgreSQL. What a cluster makes of them is tested in tests/cluster/admin_test.py.
. "$(dirname "$0")/lib.sh"

# books STORE NAME: all of it on one store.
books() {
  local at=(--state "$tmp/$2" --store "$1") id
  try "$2: a tenant" 0 "tenant research is made" -- "$w" tenant create research --name "R and D" --tokens-per-day 2000000 \
    --concurrency 16 "${at[@]}"
  try "$2: not twice" 1 "exists already" -- "$w" tenant create research "${at[@]}"
  try "$2: a team" 0 "is made" -- "$w" team create research night --cost-per-month 50.5 "${at[@]}"
  try "$2: of no tenant" 1 'no tenant "nobody"' -- "$w" team create nobody night "${at[@]}"
  json "$2: a key with all there is" 0 'j["team"] == "night" and j["sources"] == ["10.0.0.0/8", "::1"] and
    j["models"] == ["tiny"] and j["limits"] == {"requests_per_minute": 60, "cost_per_day": 2.5} and
    j["expires_at"] > j["created_at"]' \
    -- "$w" key create --tenant research --team night --name anna --sources 10.0.0.0/8,::1 --models tiny --days 2 \
    --requests-per-minute 60 --cost-per-day 2.50 -o json "${at[@]}"
  id=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["id"])' "$out")
  try "$2: a key of no team" 1 'no team "day" of tenant research' -- "$w" key create --tenant research --team day "${at[@]}"
  try "$2: a team, mistyped" 1 'no team "nihgt"' "did you mean night?" -- "$w" key create --tenant research --team nihgt "${at[@]}"
  try "$2: a tenant, mistyped" 1 'no tenant "reserch"; did you mean research?' -- "$w" key create --tenant reserch "${at[@]}"
  try "$2: a team's limit, mistyped" 1 'no team "nihgt"' "did you mean night?" -- "$w" team limit research nihgt --concurrency 1 "${at[@]}"
  try "$2: a price for nobody" 1 'no tenant "reserch"; did you mean research?' -- "$w" price set tiny --prompt 1 --completion 2 \
    --tenant reserch "${at[@]}"
  try "$2: a key that is none" 1 'no key "nope"; witan key list shows the ids' -- "$w" key revoke nope "${at[@]}"
  try "$2: a key by its name" 1 "no key \"anna\"; did you mean $id?" -- "$w" key revoke anna "${at[@]}"
  try "$2: a source that is none" 1 "no address" -- "$w" key create --tenant research --sources here "${at[@]}"
  json "$2: quota shows each limit" 0 '{(q["scope"].split(":")[0], q["limit"], q["most"], q["left"]) for q in j} == {
    ("tenant", "tokens_per_day", 2000000, 2000000), ("tenant", "concurrency", 16, 16), ("team", "cost_per_month", 50.5, 50.5),
    ("key", "requests_per_minute", 60, 60), ("key", "cost_per_day", 2.5, 2.5)}' -- "$w" quota show -o json "${at[@]}"
  try "$2: a limit is changed, another taken off" 0 "tokens_per_day" -- "$w" quota set tenant:research --tokens-per-day 5 \
    --concurrency none "${at[@]}"
  json "$2: and no other" 0 '[(q["limit"], q["most"]) for q in j] == [("tokens_per_day", 5)]' \
    -- "$w" quota show tenant:research -o json "${at[@]}"
  try "$2: of a team" 0 "is changed" -- "$w" team limit research night --requests-per-minute 7 "${at[@]}"
  try "$2: of a key" 0 "requests_per_minute" -- "$w" quota set "key:$id" --requests-per-minute 8 "${at[@]}"
  try "$2: of nobody" 1 'no tenant "nobody"' -- "$w" quota set tenant:nobody --concurrency 1 "${at[@]}"
  try "$2: quota of nobody" 1 'no key "x"' -- "$w" quota show key:x "${at[@]}"
  case $out in *SCOPE*) result 1 "$2: and no empty table" "$out" ;; *) result 0 "$2: and no empty table" ;; esac
  json "$2: teams" 0 'j[0]["limits"] == {"cost_per_month": 50.5, "requests_per_minute": 7}' -- "$w" team list -o json "${at[@]}"
  try "$2: weight" 0 "is changed" -- "$w" tenant limit research --weight 4 "${at[@]}"
  try "$2: disabled" 0 "refused" -- "$w" tenant disable research "${at[@]}"
  json "$2: it says so" 0 '[(t["weight"], t["disabled_at"] is None, t["name"], t["limits"]) for t in j] ==
    [(4, False, "R and D", {"tokens_per_day": 5})]' -- "$w" tenant list -o json "${at[@]}"
  try "$2: a limit leaves it disabled" 0 -- "$w" tenant limit research --concurrency 3 "${at[@]}"
  try "$2: the table" 0 "disabled" "concurrency 3, tokens_per_day 5" -- "$w" tenant list "${at[@]}"
  json "$2: enabled" 0 'j["disabled_at"] is None' -- "$w" tenant enable research -o json "${at[@]}"
  try "$2: no tenant to disable" 1 "witan tenant list" -- "$w" tenant disable nobody "${at[@]}"
  try "$2: a price" 0 "is set" -- "$w" price set tiny --prompt 0.25 --completion 1.5 "${at[@]}"
  try "$2: a tenant's" 0 "for tenant research" -- "$w" price set tiny --prompt 1 --completion 2 --tenant research "${at[@]}"
  try "$2: the same anew" 0 -- "$w" price set tiny --prompt 1 --completion 3 --tenant research "${at[@]}"
  json "$2: prices" 0 '{(p["tenant"], p["prompt"], p["completion"]) for p in j} == {(None, 0.25, 1.5), ("research", 1, 3)}' \
    -- "$w" price list -o json "${at[@]}"
  try "$2: a price goes" 0 "for tenant research any more" -- "$w" price remove tiny --tenant research "${at[@]}"
  try "$2: once" 1 "no such price; witan price list" -- "$w" price remove tiny --tenant research "${at[@]}"
  json "$2: that of all stays" 0 '[p["tenant"] for p in j] == [None]' -- "$w" price list -o json "${at[@]}"
  try "$2: and back" 0 -- "$w" price set tiny --prompt 1 --completion 3 --tenant research "${at[@]}"
  json "$2: no usage yet" 0 'j == []' -- "$w" usage --by key --since 7d -o json "${at[@]}"
  try "$2: usage as CSV" 0 "tenant,key,name,requests" -- "$w" usage --by key --csv "${at[@]}"
  json "$2: a page of prices" 0 'len(j["data"]) == 1 and j["has_more"] is True and j["after"] == "tiny/"' \
    -- "$w" price list --limit 1 -o json "${at[@]}"
  json "$2: the next one" 0 '[p["tenant"] for p in j["data"]] == ["research"] and j["has_more"] is False' \
    -- "$w" price list --limit 1 --after tiny/ -o json "${at[@]}"
  try "$2: a page as a table says how to go on" 0 "--after" -- "$w" price list --limit 1 "${at[@]}"
  try "$2: a limit that is none" 2 "--limit" -- "$w" key list --limit 0 "${at[@]}"
  try "$2: pages are of lists" 2 "for list" -- "$w" tenant limit research --concurrency 3 --limit 2 "${at[@]}"
  json "$2: a page of keys" 0 'len(j["data"]) == 1' -- "$w" key list --limit 5 -o json "${at[@]}"
  json "$2: of teams" 0 'len(j["data"]) == 1' -- "$w" team list --limit 5 -o json "${at[@]}"
  json "$2: of tenants" 0 'len(j["data"]) == 1' -- "$w" tenant list --limit 5 -o json "${at[@]}"
  try "$2: revoked" 0 "is revoked" -- "$w" key revoke "$id" "${at[@]}"
  json "$2: no limits are left of it" 0 'not [q for q in j if q["scope"].startswith("key:")]' -- "$w" quota show -o json "${at[@]}"
  json "$2: each change has its row, and nothing else" 0 '[r["action"] for r in j["data"] if r["action"] != "audit.query"] ==
    ["admin.tenant.create", "admin.team.create", "admin.key.create", "admin.quota.set", "admin.quota.set", "admin.quota.set",
     "admin.tenant.update", "admin.tenant.update", "admin.tenant.update", "admin.tenant.update", "admin.price.set",
     "admin.price.set", "admin.price.set", "admin.price.remove", "admin.price.set", "admin.key.revoke"] and {r["kind"] for r in j["data"]} == {"admin"}' \
    -- "$w" audit query -o json "${at[@]}"
  case $out in *"key=$id"*) result 0 "$2: which key it was" ;; *) result 1 "$2: which key it was" "$out" ;; esac
}

books sqlite sqlite

at=(--state "$tmp/sqlite")
for v in "tenant list" "team list" "quota show" "price list" "usage" "audit query" "tenant limit x --concurrency 1"; do
  try "$v where no cluster has been" 1 "no cluster has been started" -- "$w" $v --state "$tmp/typo"
  [ ! -e "$tmp/typo" ]; result $? "it makes no folder"
done
try "a weight that is none" 2 "1" -- "$w" tenant create x --weight 0 "${at[@]}"
try "a limit that is none" 2 "whole number" "none takes the limit off" -- "$w" tenant create x --concurrency many "${at[@]}"
try "a cost that is none" 2 "no amount" -- "$w" key create --cost-per-day 1e3 "${at[@]}"
try "a name with blanks" 1 "letters, digits" -- "$w" tenant create "a b" "${at[@]}"
try "limit without a limit" 2 "name a limit" -- "$w" tenant limit research "${at[@]}"
try "list with a limit" 2 "for create and limit" -- "$w" tenant list --concurrency 1 "${at[@]}"
try "a team needs two names" 2 "a tenant and of a team" -- "$w" team create research "${at[@]}"
try "quota set without a limit" 2 "name a limit" -- "$w" quota set tenant:research "${at[@]}"
try "quota show with one" 2 "for quota set" -- "$w" quota show --concurrency 1 "${at[@]}"
try "a scope that is none" 1 "no scope" -- "$w" quota set research --concurrency 1 "${at[@]}"
try "half a price" 2 "needs both" -- "$w" price set tiny --prompt 1 "${at[@]}"
try "a price too fine" 2 "three digits" -- "$w" price set tiny --prompt 0.0001 --completion 1 "${at[@]}"
try "usage by colour" 2 "takes day, tenant, team, key or model" -- "$w" usage --by colour "${at[@]}"
try "usage since when" 2 "--since" "2026-11-25" -- "$w" usage --since tomorrow "${at[@]}"
try "flags of key create" 2 "is for key create" -- "$w" key list --team x "${at[@]}"

coproc pg { exec "$build/tests/postgres_run" one 2>"$tmp/pg.err"; }
read -r url <&"${pg[0]}" || url=skipped
case $url in
  skipped*) echo "# PostgreSQL is not installed: SQLite alone" ;;
  *) books "$url" postgres ;;
esac
exec {pg[1]}>&- 2>/dev/null
wait
done_testing
