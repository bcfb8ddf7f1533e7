#!/bin/sh
# floors.sh [ROOT] - holds every #include of lib, services, plugins and tools against floors.txt.
# A test (*_test.c) may include any folder of lib and the headers of any library.
table=$(dirname "$(readlink -f "$0")")/floors.txt
cd "${1:-$(dirname "$0")/..}" || exit 2
grep -rnE --include='*.[ch]' '^ *# *include' lib services plugins tools | awk -v table="$table" '
function wrong(why) { print file ":" part[2] ": " what " " why; n++ }
BEGIN { while ((getline < table) > 0)
                if ($2 ~ /^[0-9]/) {
                        floor[$1] = $2; only[$1] = $3; split($1, p, "/"); of[p[2]] = $1 }
                else if ($1 !~ /^#/) owner[$1] = $2 }
{ split($0, part, ":"); file = part[1]; split(file, p, "/"); from = p[1] "/" p[2]
  test = file ~ /_test\.c$/; match($0, /["<][^">]*[">]/)
  what = substr($0, RSTART, RLENGTH); name = substr(what, 2, RLENGTH - 2); split(name, p, "/")
  to = name ~ /\// && name !~ /^witan\// && what !~ /^<net\// ? of[p[1]] : ""
  list = only[from]; sub(/=/, ",", list) }
!(from in floor)  { wrong("stands in a folder that floors.txt does not know"); next }
name ~ /\.\./     { wrong("leaves its folder"); next }
(p[1] in owner) && !index("," owner[p[1]] ",", "," from ",") && !test { wrong("belongs to " owner[p[1]] " alone"); next }
to == "" || to == from { next }
test              { if (to !~ /^lib/) wrong("is no part of lib"); next }
list != ""        { if (!index(list ",", "," p[1] ",")) wrong("is not for this plugin"); next }
floor[to] >= floor[from] { wrong("is on floor " floor[to] ", this file on " floor[from]) }
END { print n + 0 " wrong"; exit n > 0 }'
