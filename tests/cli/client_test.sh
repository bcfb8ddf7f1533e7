#!/usr/bin/env bash
# client_test.sh - what README.md shows for C: libwitan-client is installed under any prefix, its pkg-config file is right
# there and where the folder is moved to, and the example builds against it alone.
. "$(dirname "$0")/lib.sh"

for need in pkg-config cc; do
  command -v $need >/dev/null || { echo "1..0 # skipped: no $need"; exit 0; }
done
[ -e "$build/lib/libwitan-client.a" ] || { echo "1..0 # skipped: built without libzmq"; exit 0; }
try "it installs under a prefix" 0 -- cmake --install "$build" --component client --prefix "$tmp/one"
pc=$(cd "$tmp/one" && find . -name witan-client.pc)
asks() { PKG_CONFIG_PATH=$(dirname "$1/$pc") pkg-config "${@:2}" witan-client; }
# right FOLDER: what pkg-config says lies in it, and is there
right() {
  local include lib
  include=$(realpath "$(asks "$1" --variable=includedir)") && lib=$(realpath "$(asks "$1" --variable=libdir)") || return 1
  case $include:$lib in "$(realpath "$1")"/*:"$(realpath "$1")"/*) ;; *) echo "$include $lib"; return 1 ;; esac
  ls "$include/witan/client.h" "$lib/libwitan-client.so" "$lib/libwitan-client.a" >/dev/null
}
why=$(right "$tmp/one" 2>&1); result $? "pkg-config finds it there" "$why"
mv "$tmp/one" "$tmp/two"
why=$(right "$tmp/two" 2>&1); result $? "and where it was moved to" "$why"
# A library that was built with a sanitizer wants programs that are, too.
case $(nm -D "$tmp/two/${pc%/pkgconfig/*}/libwitan-client.so") in
  *__asan_init*) with=-fsanitize=address,undefined ;;
  *__tsan_init*) with=-fsanitize=thread ;;
  *) with= ;;
esac
try "the example builds against it" 0 -- cc $with -o "$tmp/chat" clients/c/example_chat.c $(asks "$tmp/two" --cflags --libs)
echo "name: value" >"$tmp/none"
try "and runs" 2 "no client file" -- env LD_LIBRARY_PATH="$(asks "$tmp/two" --variable=libdir)" "$tmp/chat" "$tmp/none" hello
done_testing
