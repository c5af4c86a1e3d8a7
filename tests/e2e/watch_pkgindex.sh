#!/bin/sh
# watch_pkgindex.sh MAPSCOPE PKGINDEX - the main job: maps of a live program with real data, seen from outside.
#
# Starts pkgindex on an index of 20000 packages made here, compares what mapscope shows with what the program says of
# itself, drops 99 % of the largest map and compares again.  Prints each step; the first that fails ends it.
set -u
mapscope=$1 pkgindex=$2
dir=$(mktemp -d) || exit 1
pid=
cleanup() {
    [ -n "$pid" ] && kill "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
die() {
    echo "FAILED: $*"
    exit 1
}

# look NAME WORDS...: runs mapscope on the program and keeps what it says as $dir/NAME
look() {
    name=$1
    shift
    "$mapscope" "$@" >"$dir/$name" 2>"$dir/err" </dev/null || die "mapscope $* ended with $?: $(cat "$dir/err")"
    [ -s "$dir/err" ] && die "mapscope $* complained: $(cat "$dir/err")"
    return 0
}

# field FILE NAME: the first number called NAME in a JSON document
field() { sed -n "s/.*\"$2\":\([0-9][0-9]*\).*/\1/p" "$dir/$1" | head -n 1; }

# ask COMMAND: sends it and reads the answer, which ends with an empty line, into $dir/answer
ask() {
    echo "$1" >&3
    : >"$dir/answer"
    while IFS= read -r line <&4; do
        [ -z "$line" ] && return
        printf '%s\n' "$line" >>"$dir/answer"
    done
    die "pkgindex ended after '$1'"
}

awk 'BEGIN {
    for (i = 0; i < 20000; i++) {
        printf "Package: pkg%d\nVersion: 1.%d\nProvides: virtual%d\nDepends: pkg%d, pkg%d (>= 1)\n", i, i % 7, i % 500,
            (i * 7) % 20000, (i * 13 + 5) % 20000
        printf "Description: word%d word%d tool number%d\n\n", i % 1000, (i * 31) % 3000, i
    }
}' >"$dir/list_Packages" || die "awk"

mkfifo "$dir/in" "$dir/out" || die "mkfifo"
"$pkgindex" "$dir/list_Packages" <"$dir/in" >"$dir/out" 2>"$dir/pkgindex.err" &
pid=$!
exec 3>"$dir/in" 4<"$dir/out"
while IFS= read -r line <&4; do
    case $line in ready*) break ;; esac
done
ask stat

look list.json list "$pid" -o json
[ "$(field list.json maps)" = 5 ] || die "five maps wanted: $(cat "$dir/list.json")"
# every map by name, with the entries the program itself counts
sed -n 's/^\([a-z_-]*\)  *\([0-9][0-9]*\) .*/\1 \2/p' "$dir/answer" >"$dir/own"
[ "$(grep -c . "$dir/own")" -ge 5 ] || die "the program's own list is not understood: $(cat "$dir/answer")"
shown=0
while read -r name entries; do
    grep -q "\"name\":\"$name\"" "$dir/list.json" || continue
    seen=$(sed -n "s/.*\"name\":\"$name\".*\"entries\":\([0-9]*\),\"slots\".*/\1/p" "$dir/list.json")
    [ "$seen" = "$entries" ] || die "$name: the program counts $entries, mapscope $seen"
    shown=$((shown + 1))
done <"$dir/own"
[ "$shown" = 5 ] || die "$shown of the program's five maps are shown by name"
echo "list: five maps, entries equal"

look show.txt show "$pid" postings
grep -q 'allocated bytes exactly' "$dir/show.txt" || die "the parts do not sum: $(cat "$dir/show.txt")"
look heat.txt heat "$pid" postings --svg "$dir/heat.svg" --png "$dir/heat.png"
grep -q '</svg>' "$dir/heat.svg" || die "no whole SVG"
[ "$(head -c 4 "$dir/heat.png" | tail -c 3)" = PNG ] || die "no PNG"
look page.txt show "$pid" postings --html "$dir/page.html"
grep -q '</html>' "$dir/page.html" || die "no whole HTML"
"$mapscope" ls >"$dir/ls.txt" 2>"$dir/err" || [ $? = 4 ] || die "mapscope ls: $(cat "$dir/err")" # others are not ours
grep -q "^ *$pid " "$dir/ls.txt" || die "ls does not show $pid"
look before.json show "$pid" postings -o json
echo "show, heat, ls: as they should be"

ask drop
look after.json show "$pid" postings -o json
bytes=$(field before.json bytes) less=$(field after.json bytes)
entries=$(field before.json entries) fewer=$(field after.json entries)
[ "$fewer" -le $((entries / 50)) ] || die "dropping: $entries entries, then $fewer"
[ "$less" -le $((bytes / 10)) ] || die "dropping: $bytes bytes of the map, then $less"
echo "drop: $entries -> $fewer entries, $bytes -> $less bytes"

ask 'get pkg7'
grep -q pkg7 "$dir/answer" || die "the program does not answer any more: $(cat "$dir/answer")"
echo quit >&3
wait "$pid" || die "the program ended with $?: $(cat "$dir/pkgindex.err")"
pid=
"$mapscope" list "$$" >/dev/null 2>"$dir/err"
[ $? = 2 ] || die "a shell has no maps: $(cat "$dir/err")"
echo "the program ended well"
