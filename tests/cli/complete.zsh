# complete.zsh DIR - types each line of standard input ("typed|...") into an interactive zsh, presses Tab, and
# prints "typed|what stands there then". DIR/_witan: the completions.
zmodload zsh/zpty zsh/datetime
dir=$1
rm -f $dir/buffer
zpty shell "TERM=dumb zsh -f -i"
zpty -w shell "PS1= PROMPT= RPROMPT=; unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste
fpath=($dir \$fpath); autoload -Uz compinit && compinit -u -d $dir/zcompdump; source $dir/_witan
put() { print -r -- \$BUFFER >>$dir/buffer; BUFFER= }; zle -N put; bindkey '^X' put; bindkey '^I' complete-word
print ready >>$dir/buffer"

lines() { wc -l <$dir/buffer 2>/dev/null || print 0 }
await() { # COUNT: until the shell has written so many lines, at most 20 s
  local end=$((EPOCHREALTIME + 20)) chunk
  while (($(lines) < $1 && EPOCHREALTIME < end)); do zpty -rt shell chunk || sleep 0.02; done
}
await 1
n=1
while IFS='|' read -r typed want; do
  zpty -w -n shell "$typed"$'\t\x18'
  await $((++n))
  print -r -- "$typed|$(sed -n ${n}p $dir/buffer)"
done
zpty -d shell
