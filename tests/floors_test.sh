#!/bin/sh
# floors_test.sh - floors.sh lets a small tree pass, and finds each of seven trespasses planted in it.
root=$(mktemp -d) && trap 'rm -rf "$root"' EXIT || exit 2
plant() { mkdir -p "$root/$(dirname "$1")" && printf '#include %s\n' "$2" >> "$root/$1"; }
plant lib/base/a.c       '"base/err.h"'
plant lib/base/if.c      '<net/if.h>'
plant lib/model/a.c      '"math/kernels.h"'
plant lib/bus/a.c        '<zmq.h>'
plant lib/wire/a_test.c  '"bus/bus.h"'
plant services/router/a.c '"model/shape.h"'
plant plugins/place/a.c  '<witan/plugin.h>'
plant plugins/sample/a.c '"base/rng.h"'
plant tools/witan/a.c    '"router/router.h"'
sh "$(dirname "$0")/floors.sh" "$root" || exit 1
plant lib/base/b.c       '"wire/wire.h"'
plant lib/bus/b.c        '"math/kernels.h"'
plant lib/net/b.c        '<zmq.h>'
plant lib/store/b.c      '<openssl/evp.h>'
plant services/router/b.c '"expert/expert.h"'
plant services/router/c.c '"../expert/expert.h"'
plant plugins/examples/b.c '"base/rng.h"'
got=$(sh "$(dirname "$0")/floors.sh" "$root") && exit 1
echo "$got"
test "$(echo "$got" | tail -n 1)" = "7 wrong"
