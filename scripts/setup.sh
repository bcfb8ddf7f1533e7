# setup.sh - sourced by up and test: installs the Debian packages that are missing, and only those.
# Nothing happens, in well under a second, when all are there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

build_packages="gcc libc6-dev cmake ninja-build pkg-config libzmq3-dev libsqlite3-dev libpq-dev libpcre2-dev libutf8proc-dev libssl-dev"
test_packages="clang openssl libcmocka-dev libprotobuf-c-dev protobuf-c-compiler libjansson-dev curl python3 python3-venv zsh fish man-db groff-base postgresql"

say() { printf '%s\n' "$*" >&2; }

# need PACKAGE...: installs what dpkg does not know as installed.
need() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local line="apt-get install -y --no-install-recommends ${missing[*]}" sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      sudo="sudo"
    else
      say "These packages are missing and this user may not install them. Run this line, then try again:"
      say "  sudo $line"
      exit 1
    fi
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local log; log=$(mktemp)
  if ! { $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
         $sudo env DEBIAN_FRONTEND=noninteractive $line -qq; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    say "The packages could not be installed (see above). Run this line by hand, then try again:"
    say "  $line"
    exit 1
  fi
  rm -f "$log"
}

# configure PRESET DIR [CMAKE FLAGS...]: only when something may have changed.
configure() {
  local preset=$1 dir=$2; shift 2
  cmake --preset "$preset" -B "$dir" "$@" >"$dir.configure.log" 2>&1 || {
    cat "$dir.configure.log" >&2
    say "cmake could not configure $dir (see above)"
    return 1
  }
  rm -f "$dir.configure.log"
}

# build DIR [TARGET...]: ninja shows its progress on a terminal, and only failures elsewhere.
build() {
  local dir=$1; shift
  if [ -t 2 ]; then
    NINJA_STATUS="[%f of %t, %es] " ninja -C "$dir" "$@" >&2
  else
    ninja -C "$dir" "$@" >"$dir/build.log" 2>&1 || { tail -60 "$dir/build.log" >&2; say "$dir did not build"; return 1; }
  fi
}
