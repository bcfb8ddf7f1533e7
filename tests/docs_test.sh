#!/bin/sh
# docs_test.sh [ROOT] - every setting of settings.def and every metric of a service stands in docs/operator.md.
cd "${1:-$(dirname "$0")/..}" || exit 2
page=docs/operator.md
settings=$(sed -n 's/^S(\([a-z_0-9]*\),.*/\1/p' lib/base/settings.def)
metrics=$(find services lib tools -name '*.c' ! -name '*_test.c' -exec grep -hoE \
          '"witan_(gateway|router|expert|audit|rpc|witness)_[a-z0-9_]*[a-z0-9]"' {} + | tr -d '"' | sort -u)
workers=$(sed -n 's/^ *ROW("\([a-z_0-9]*\)",.*/witan_expert_\1/p' services/expert/metrics.c)
[ -n "$workers" ] || { echo "no ROW(\"...\") in services/expert/metrics.c"; exit 1; }
n=0 wrong=0
look() { # WORD [PATTERN]: how it may be written
  n=$((n + 1))
  grep -qE -- "$2" "$page" || { echo "$1 is not in $page"; wrong=$((wrong + 1)); }
}
for s in $settings; do look "setting $s" "(\`|--)($s|$(echo "$s" | tr _ -))([^a-z0-9_-]|\$)"; done
for m in $metrics $workers; do look "metric $m" "(^|[^a-z0-9_])$m([^a-z0-9_]|\$)"; done
[ "$n" -ge 100 ] || { echo "only $n names were found; are the files where they were?"; exit 1; }
echo "$n names, $wrong missing"
[ "$wrong" = 0 ]
