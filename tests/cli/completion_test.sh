#!/usr/bin/env bash
# completion_test.sh - in each shell that is here: the completions load, and complete. One table for all.
. "$(dirname "$0")/lib.sh"
mkdir "$tmp/bin" "$tmp/folder" && touch "$tmp/file.yaml"
ln -s "$w" "$tmp/bin/witan"
PATH=$tmp/bin:$PATH

# what is typed | the only way that it can go on
cat >"$tmp/table" <<'T'
witan doct|doctor
witan help conf|config
witan logs --fol|--follow
witan logs --level wa|warn
witan up --repl|--replicas
witan up --log-level deb|debug
witan ps --sta|--state
witan ps -o ta|table
witan key cre|create
witan key create --role aud|auditor
witan config expl|explain
witan config explain kv_b|kv_bytes
witan models insp|inspect
witan completion fi|fish
witan man doct|doctor
witan logs gate|gateway
T

if command -v bash >/dev/null; then
  "$w" completion bash >"$tmp/w.bash"
  bash -n "$tmp/w.bash"; result $? "bash reads it"
  bash -c '. "$1"; complete -p witan' - "$tmp/w.bash" >/dev/null 2>&1; result $? "bash has taken it"
  # As readline calls it: words and the one at the cursor.
  bash_complete() {
    bash -c '. "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _witan; echo "${COMPREPLY[@]}"' - "$tmp/w.bash" "$@"
  }
  while IFS='|' read -r typed want; do
    got=$(bash_complete $typed)
    [ "$got" = "$want" ]; result $? "bash: $typed" "$got"
  done <"$tmp/table"
  got=$(bash_complete witan logs --level = wa)
  [ "$got" = warn ]; result $? "bash: a value behind =" "$got"
  got=$(cd "$tmp" && bash_complete witan up --model fo)
  [ "$got" = folder ]; result $? "bash: folders" "$got"
  got=$(cd "$tmp" && bash_complete witan config check fi)
  [ "$got" = file.yaml ]; result $? "bash: files" "$got"
  got=$(bash_complete witan "" | tr ' ' '\n' | grep -c .)
  [ "$got" -ge 13 ]; result $? "bash: all verbs" "$got"
  got=$(bash_complete witan frobnicate --x)
  [ "$got" = "" ]; result $? "bash: nothing for what is no verb" "$got"
fi

if command -v zsh >/dev/null && zsh -fc 'zmodload zsh/zpty && zpty t true' 2>/dev/null; then
  "$w" completion zsh >"$tmp/_witan"
  zsh -n "$tmp/_witan"; result $? "zsh reads it"
  zsh -f tests/cli/complete.zsh "$tmp" <"$tmp/table" >"$tmp/zsh.out" 2>&1
  while IFS='|' read -r typed want; do
    grep -qxF "$typed|${typed% *} $want" <(sed 's/ *$//' "$tmp/zsh.out"); result $? "zsh: $typed" "$(grep -F "$typed|" "$tmp/zsh.out")"
  done <"$tmp/table"
else
  echo "# skipped: there is no zsh, or there are no pseudo-terminals here"
fi

if command -v fish >/dev/null; then
  "$w" completion fish >"$tmp/w.fish"
  fish --no-execute "$tmp/w.fish"; result $? "fish reads it"
  while IFS='|' read -r typed want; do
    got=$(fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$tmp/w.fish" "$typed" | cut -f1 | sort -u)
    [ "$got" = "$want" ]; result $? "fish: $typed" "$got"
  done <"$tmp/table"
  got=$(cd "$tmp" && fish --no-config -c 'source $argv[1]; complete -C "witan up --model fo"' "$tmp/w.fish" | cut -f1)
  [ "$got" = folder/ ]; result $? "fish: folders" "$got"
else
  echo "# skipped: there is no fish"
fi
try "no shell" 2 "say bash, zsh or fish" -- "$w" completion
try "another shell" 2 "say bash, zsh or fish" -- "$w" completion tcsh
done_testing
