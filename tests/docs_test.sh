#!/bin/sh
# docs_test.sh [ROOT] - every setting of settings.def, every metric of a service and every id of a log line stands in
# docs/operator.md, and no id stands there that nothing logs.
cd "${1:-$(dirname "$0")/..}" || exit 2
page=docs/operator.md
settings=$(sed -n 's/^S(\([a-z_0-9]*\),.*/\1/p' lib/base/settings.def)
metrics=$(find services lib tools -name '*.c' ! -name '*_test.c' -exec grep -hoE \
          '"witan_(gateway|router|expert|audit|rpc|witness)_[a-z0-9_]*[a-z0-9]"' {} + | tr -d '"' | sort -u)
workers=$(sed -n 's/^ *ROW("\([a-z_0-9]*\)",.*/witan_expert_\1/p' services/expert/metrics.c)
# Ids are the only literals of this form; wt_log is also called through functions that are given one.
ids=$(find services lib tools plugins -name '*.c' ! -name '*_test.c' -exec grep -hoE '"[A-Z][A-Z0-9]+(-[A-Z0-9]+)+"' {} + |
      tr -d '"' | grep -v '^UTF-8$' | sort -u)
loose=$(find services lib tools plugins -name '*.c' ! -name '*_test.c' -exec grep -nE \
        'wt_log(_err)?\([^,"]*, *"' {} + | grep -vE '"[A-Z][A-Z0-9]+(-[A-Z0-9]+)+"')
[ -z "$loose" ] || { echo "an id of a log line is written as SERVICE-EVENT: $loose"; exit 1; }
[ -n "$workers" ] || { echo "no ROW(\"...\") in services/expert/metrics.c"; exit 1; }
n=0 wrong=0
look() { # WORD [PATTERN]: how it may be written
  n=$((n + 1))
  grep -qE -- "$2" "$page" || { echo "$1 is not in $page"; wrong=$((wrong + 1)); }
}
for s in $settings; do look "setting $s" "(\`|--)($s|$(echo "$s" | tr _ -))([^a-z0-9_-]|\$)"; done
for m in $metrics $workers; do look "metric $m" "(^|[^a-z0-9_])$m([^a-z0-9_]|\$)"; done
for i in $ids; do look "log id $i" "^\| [^|]*\`$i\`"; done
for i in $(sed -n 's/^| \(`[A-Z][A-Z0-9]*-[^|]*\) |.*/\1/p' "$page" | tr -cd 'A-Z0-9`\n-' | tr '`' '\n' | grep -E '^[A-Z0-9]+-'); do
  n=$((n + 1))
  printf '%s\n' $ids | grep -qx -- "$i" || { echo "$page has the log id $i, which nothing logs"; wrong=$((wrong + 1)); }
done
[ "$n" -ge 250 ] || { echo "only $n names were found; are the files where they were?"; exit 1; }
echo "$n names, $wrong missing"
[ "$wrong" = 0 ]
