#!/usr/bin/env bash
# man_test.sh - a page for each verb, without a warning of man or groff, and nothing left out.
. "$(dirname "$0")/lib.sh"
verbs=$("$w" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
try "all pages are written" 0 -- "$w" man --dir "$tmp/man"
for v in $verbs; do
  page=$tmp/man/man1/witan-$v.1
  [ -s "$page" ]; result $? "there is a page of $v"
  "$w" man "$v" | cmp -s - "$page"; result $? "witan man $v is that page"
  grep -qF "$("$w" "$v" --help | tail -1 | sed 's/^ *//; s/-/\\-/g')" "$page"; result $? "with the example of its help"
done
for page in "$tmp"/man/man*/*; do
  name=$(basename "$page")
  if command -v groff >/dev/null; then
    warnings=$(groff -ww -man -Tutf8 "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ]; result $? "groff reads $name without a warning" "$warnings"
  fi
  if command -v man >/dev/null; then
    warnings=$(man --warnings -l "$page" 2>&1 >"$tmp/page")
    [ -z "$warnings" ] && [ -s "$tmp/page" ]; result $? "man shows $name without a warning" "$warnings"
  fi
done
if command -v man >/dev/null; then
  MANWIDTH=200 man -M "$tmp/man" witan-settings | col -b >"$tmp/settings"
  missing=""
  for s in $("$w" config show | cut -d' ' -f1); do grep -qF -- "--${s//_/-}" "$tmp/settings" || missing="$missing $s"; done
  [ -z "$missing" ]; result $? "every setting is on its page" "$missing"
fi
grep -qF 'NO_COLOR' <("$w" man); result $? "witan man alone is the page of witan"
try "a page that does not exist" 2 "did you mean doctor?" -- "$w" man doktor
try "a folder that cannot be written" 1 "--dir names another folder" -- "$w" man --dir /dev/null/x
done_testing
