#!/bin/sh
# verb_test.sh BUILD - witan bench as a stranger runs it: a small model is made and measured, over
# the bus too; JSON and the trace are JSON; mistakes are answered in words. No time is looked at.
set -eu
bin=$1/bin/witan
dir=$(mktemp -d /tmp/witan-bench-XXXXXX)
trap 'rm -rf "$dir"' EXIT
fail() { echo "not ok: $1"; exit 1; }
says() { grep -q -- "$2" "$dir/err" || { cat "$dir/err"; fail "$1: not said: $2"; }; }

"$bin" bench make-model "$dir/m" --routing zipf:0.8 --seed 7 --shape \
"hidden=128,layers=3,experts=8,picks=2,expert_hidden=64,dense_hidden=256,latent=32,nope=16,rope=8,\
v=16,heads=4,vocab=600,context=1024" 2>"$dir/err" || { cat "$dir/err"; fail "make-model"; }
"$bin" bench offline --model "$dir/m" --state "$dir/s" --rounds 1 -o json --out "$dir/out" \
        --profile "$dir/trace.json" >"$dir/one.json" 2>"$dir/err" ||
        { cat "$dir/err"; fail "offline"; }
says "totals of the profile" "expert_ffn"
cmp "$dir/one.json" "$dir/out/offline.json" || fail "the file is not what was printed"
"$bin" bench offline --model "$dir/m" --state "$dir/s" --rounds 1 --only phases >"$dir/table" \
        2>"$dir/err" || { cat "$dir/err"; fail "the table"; }
grep -q "^prefill of 512  all " "$dir/table" || fail "no row for the prefill in all"

python3 - "$dir/one.json" "$dir/trace.json" <<'PY' || fail "JSON"
import json, sys
d, t = (json.load(open(f)) for f in sys.argv[1:])
assert d["model"]["experts"] == 8 and d["rounds"] == 1 and d["profiled"] is True
assert {p["phase"] for p in d["phases"]} == {"trunk", "routed experts", "head", "all"}
for p in d["phases"]:
    assert p["ms"] > 0 and p["roofline_ms"] > 0
assert len(d["ways"]) == 9 and all(w["us_a_token"] > 0 for w in d["ways"])
assert d["machine"]["cpu"] and d["limits"]["fma_g_s"] > 0
spans = [e for e in t["traceEvents"] if e["ph"] == "X"]
kinds = {(e["cat"], e["name"]) for e in spans}
for want in (("stage", "attend"), ("stage", "expert_ffn"), ("kernel", "linear"),
             ("kernel", "score")):
    assert want in kinds, want
assert t["otherData"]["dropped_spans"] == 0
PY

not() {
        rc=0
        "$bin" bench "$@" >/dev/null 2>"$dir/err" || rc=$?
        test $rc -eq 2 || fail "bench $*: exit code $rc instead of 2"
}
not
says "no word" "make-model"
not offlien
says "a slip" "offline"
not make-model "$dir/x" --shape widht=3
says "a key" "hidden"
not make-model "$dir/x" --routing zipf:9
says "an exponent" "zipf:S"
not online --clients 1,zero --state "$dir/s"
says "a number" "--clients"
"$bin" bench make-model "$dir/m" 2>"$dir/err" && fail "made twice"
says "a folder that is there" "is there already"
"$bin" bench online --state "$dir/s" 2>"$dir/err" && fail "online without a cluster"
says "no cluster" "witan up"
echo ok
