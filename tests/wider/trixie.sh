#!/usr/bin/env bash
# trixie.sh BUILD: Debian 13 in a chroot under BUILD: its own packages, a copy of these sources,
# and there scripts/test gcc unit. Says "skipped" without mmdebstrap or network. Takes several
# hundred megabytes. WITAN_MIRROR names another mirror than the one that this machine installs
# from.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,5p' "$0" | cut -c3-; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
cd "$root"
say() { printf '%s\n' "$*"; }
skip() { say "skipped: $*"; exit 0; }

command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
mirror=${WITAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  grep -E '/debian/?$' | head -1)}
[ -n "$mirror" ] || skip "no Debian mirror is configured here; name one with WITAN_MIRROR"
curl -fsIL --max-time 20 "${mirror%/}/dists/trixie/InRelease" >/dev/null 2>&1 ||
  skip "no trixie at ${mirror%/} (network?)"

packages=$(. scripts/setup.sh >/dev/null; printf '%s' "$build_packages $test_packages")
work=$(mktemp -d "$build/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
tests/sources.sh >"$work/sources.tar"
cat >"$work/inside" <<'END'
#!/bin/sh
cd /witan && . /etc/os-release && echo "$PRETTY_NAME, $(gcc --version | head -1)" &&
  export HOME=/root LC_ALL=C.UTF-8 && scripts/test gcc unit
echo $? >/witan.rc
END
# Hooks run with /proc, /sys and /dev mounted; a failing test must not look like a failing chroot.
mmdebstrap --quiet --variant=minbase --format=null --include="${packages// /,},ca-certificates" \
  --customize-hook='mkdir "$1/witan"' \
  --customize-hook="tar-in '$work/sources.tar' /witan" \
  --customize-hook="copy-in '$work/inside' /" \
  --customize-hook='chroot "$1" sh /inside' \
  --customize-hook="copy-out /witan.rc '$work'" \
  trixie - "$mirror" >"$work/log" 2>&1 ||
  { tail -60 "$work/log"; say "the chroot could not be made"; exit 1; }
rc=$(cat "$work/witan.rc")
if [ "$rc" -eq 0 ]; then tail -8 "$work/log"; else tail -100 "$work/log"; fi
[ "$rc" -eq 0 ]
