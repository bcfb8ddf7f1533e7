#!/usr/bin/env bash
# plugin_test.sh - the commands of docs/plugins.md, pasted one after the other into a tree that was built.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir "$tmp/tree" && cd "$tmp/tree" && umask 022
ln -s "$root/include" "$root/plugins" "$root/models" .
ln -s "$build" build
command -v cc >/dev/null || { mkdir "$tmp/cc" && ln -s "$(command -v gcc || command -v clang)" "$tmp/cc/cc" && PATH=$tmp/cc:$PATH; }
# Lines of the fenced blocks that are commands.
awk '/^```/ { in_block = !in_block; next } in_block' "$root/docs/plugins.md" | grep -E '^(mkdir|cc|cmake|build/bin/witan) ' >"$tmp/lines"
[ "$(wc -l <"$tmp/lines")" -ge 10 ]; result $? "the page has commands" "$(cat "$tmp/lines")"
state pasted
while IFS= read -r line; do
  case $line in
    *postgresql://*) continue ;;         # it wants a server: store_test.sh has one
    *"witan up"*) line="$line --detach --state $state --http 127.0.0.1:0" ;;
  esac
  try "$line" 0 -- bash -c "$line"
  case $line in
    *"witan up"*)
      try "   it answers" 0 "tiny model" -- "$w" chat --temperature 0 --state "$state" "Who are you?"
      "$w" down --state "$state" >/dev/null ;;
    *"plugin check"*) case $out in *conforms*) result 0 "   it conforms" ;; *) result 1 "   it conforms" "$out" ;; esac ;;
  esac
done <"$tmp/lines"
for so in my-plugins/first-holder.so build/plugins/first-holder.so build/plugins/sample.so; do
  [ -s "$so" ]; result $? "$so was built"
done
done_testing
