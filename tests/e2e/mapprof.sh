#!/bin/sh
# mapprof.sh MAPSCOPE TARGET - go tool pprof reads what mapscope prof writes of a process: types, maps, stacks with lines, tags; so
# does protoc, where it is.
set -u
dir=$(mktemp -d) || exit 1
command -v go >/dev/null || { echo "SKIP: the go command is not installed" && exit 77; }
target=
trap '[ -z "$target" ] || kill "$target"; rm -rf "$dir"' EXIT
die() {
    echo "FAILED: $*"
    exit 1
}

mkfifo "$dir/in"
GOMAP_CONF=profile_bytes:1 "$2" <"$dir/in" >"$dir/out" &
target=$!
exec 3>"$dir/in"
echo "fill 50000" >&3
while ! grep -q ok "$dir/out"; do kill -0 "$target" || die "the target ended"; done

"$1" prof "$target" -o pprof --file "$dir/heap.pb.gz" || die "mapscope prof"
list=$("$1" list "$target" -o json)
bytes=$(echo "$list" | tr -d ' \n' | sed 's/.*"totals":{[^}]*"bytes":\([0-9]*\).*/\1/')
waste=$(echo "$list" | tr -d ' \n' | sed 's/.*"totals":{[^}]*"waste_bytes":\([0-9]*\).*/\1/')

# pprof WORDS...: its output; -unit=B, so that sums can be compared
pprof() { GOTOOLCHAIN=local go tool pprof -symbolize=none -unit=B -nodefraction=0 "$@" "$dir/heap.pb.gz" 2>"$dir/err" || die "pprof $*: $(cat "$dir/err")"; }
# has TEXT PATTERN
has() { echo "$1" | grep -Eq "$2" || die "no '$2' in: $1"; }

top=$(pprof -top -cum)
has "$top" "^Type: inuse_space"
has "$top" "Showing nodes accounting for ${bytes}B, 100% of ${bytes}B total"
has "$top" "[0-9]+B +[0-9.]+% +open_sessions"
has "$top" "[0-9]+B +[0-9.]+% +fill_cache"
has "$(pprof -lines -top -cum)" "open_sessions .*target_profiled.c:[0-9]+"
has "$(pprof -top -sample_index=map_waste)" "of ${waste}B total"
has "$(pprof -top -cum -tagroot=map)" "[0-9]+B +[0-9.]+% +sessions$"
has "$(pprof -top -tagfocus=tenant=blue -cum)" "open_sessions"
has "$(pprof -tags)" "sessions"
raw=$(pprof -raw)
has "$raw" "^alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes\[dflt\] map_entries/count map_waste/bytes map_resident/bytes map_lazyfree/bytes"
has "$raw" "target_profiled [0-9a-f]{40} \[FN\]\[FL\]\[LN\]\[IN\]"
if command -v protoc >/dev/null; then
    gzip -dc "$dir/heap.pb.gz" | protoc --decode_raw >"$dir/decoded" || die "protoc"
    grep -q 'open_sessions' "$dir/decoded" || die "protoc sees no function"
fi
echo "pprof sees $bytes bytes in use and $waste wasted, by stack, line, map and label"
