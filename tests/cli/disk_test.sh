#!/usr/bin/env bash
# disk_test.sh - a full disk: what is said, what is lost (nothing), what is left half done (nothing). The disks are
# small ones in memory, which only root can mount.
. "$(dirname "$0")/lib.sh"
mounted=()
disk() { mkdir -p "$1"; mount -t tmpfs -o "size=$2,mode=700" tmpfs "$1" 2>"$tmp/mount" && mounted+=("$1"); }
away() { finish_clusters; local m; for m in ${mounted[@]+"${mounted[@]}"}; do umount "$m" 2>/dev/null; done; rm -rf "$tmp"; }
finish_clusters() { local s; for s in ${clusters[@]+"${clusters[@]}"}; do "$w" down --state "$s" >/dev/null 2>&1; done; }
trap away EXIT
if ! disk "$tmp/small" 8m; then
  echo "1..0 # skipped: this test mounts small disks, which needs root: $(cat "$tmp/mount")"
  exit 0
fi
fill() { dd if=/dev/zero of="$1/fill" bs=64k 2>/dev/null; dd if=/dev/zero of="$1/rest" bs=512 2>/dev/null; }
make_room() { rm -f "$1/fill" "$1/rest"; }

# -- before anything is started
state small
try "a disk that the packs do not fit on" 1 "the disk of the state folder $state has" "are wanted: 19.1 MiB for packs" \
  "--state DIR" -- "$w" up --detach --state "$state" --http 127.0.0.1:0
[ -z "$(find "$state" -name '*.pack*' -o -name 'witan.*' -o -name '*.key' -o -name '*.log')" ]
result $? "nothing was made" "$(find "$state")"
try "the doctor sees it" 1 "fail  disk" "name a folder on another disk" -- "$w" doctor --state "$state" --http 127.0.0.1:0
fill "$tmp/small"
try "no room for a folder" 1 "disk is full" "the disk of $state/new has 0 B free" "--state DIR" -- "$w" key create --state "$state/new"

# -- while packs are made
disk "$tmp/house" 48m
state house
disk "$state/packs" 4m
try "the disk is full while packs are made" 1 "cannot write the pack $state/packs/" "bytes of it are missing" "free space there" \
  -- "$w" up --detach --state "$state" --http 127.0.0.1:0
[ -z "$(find "$state/packs" -name '*.tmp.*')" ]
result $? "no half pack is left" "$(ls "$state/packs")"
try "nothing runs" 1 "is stopped" -- "$w" chat --state "$state" hello
umount "$state/packs"

# -- while it serves
up; result $? "(with room, it starts)" "$(cat "$tmp/up.err")"
before=$("$w" key list --state "$state" -o json)
fill "$tmp/house"
try "key create on a full disk" 1 "disk is full" "the disk of $state has 0 B free" "--state DIR" -- "$w" key create --name late --state "$state"
[ "$("$w" key list --state "$state" -o json)" = "$before" ]
result $? "no key was made"
try "a question on a full disk is refused, for its record could not be kept" 1 "try again later" -- "$w" chat --state "$state" hello
try "and refused at once from then on" 1 "No space left on device" -- "$w" chat --state "$state" hello
make_room "$tmp/house"
for _ in $(seq 1200); do "$w" chat --state "$state" --temperature 0 hello >/dev/null 2>&1 </dev/null && break; sleep 0.1; done
try "with room it answers again" 0 -- "$w" chat --state "$state" --temperature 0 hello
try "and makes keys" 0 "wt-" -- "$w" key create --name late --state "$state"
for _ in $(seq 1200); do "$w" audit verify --state "$state" >/dev/null 2>&1 && break; sleep 0.1; done
try "the audit log is whole" 0 "rows are what was logged" -- "$w" audit verify --state "$state"
fill "$tmp/house"
try "it stops on a full disk" 0 -- "$w" down --state "$state"
try "and does not start on it" 1 "the disk of the state folder $state has" "0 B for packs" -- "$w" up --detach --state "$state" --http 127.0.0.1:0
make_room "$tmp/house"
up; result $? "with room it starts, and finds its keys" "$(cat "$tmp/up.err")"
json "all of them" 0 'len(j) == 2 and {k["name"] for k in j} == {"admin", "late"}' -- "$w" key list --state "$state" -o json
done_testing
