#!/bin/sh
# pprof.sh PROFILED - go tool pprof reads the profiles that the library writes: top, tags, sample types, differences.
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
command -v go >/dev/null || { echo "SKIP: the go command is not installed" && exit 77; }
die() {
    echo "FAILED: $*"
    exit 1
}

GOMAP_CONF=profile_bytes:1 "$1" "$dir/before.pb.gz" "$dir/after.pb.gz" >"$dir/bytes" || die "the program failed"
read -r sessions cache <"$dir/bytes"

# pprof WORDS...: its output; -unit=B, so that sums can be compared
pprof() { GOTOOLCHAIN=local go tool pprof -symbolize=none -unit=B -nodefraction=0 "$@" 2>"$dir/err" || die "pprof $*: $(cat "$dir/err")"; }
# has TEXT PATTERN
has() { echo "$1" | grep -Eq "$2" || die "no '$2' in: $1"; }

top=$(pprof -top -cum "$dir/before.pb.gz")
has "$top" "^Type: inuse_space"
has "$top" "Showing nodes accounting for $((sessions + cache))B, 100% of $((sessions + cache))B total"
has "$top" "[0-9]+B +[0-9.]+% +open_sessions" # its growths; the header was taken by make()
has "$top" "[0-9]+B +[0-9.]+% +fill_cache"
echo "$top" | grep -q 'gomap__' && die "the library's own functions are shown: $top"

tags=$(pprof -tags "$dir/before.pb.gz")
has "$tags" "${sessions}B .*: sessions"
has "$tags" "u64->u64"
has "$(pprof -top -tagroot=map "$dir/before.pb.gz")" "${cache}B"
has "$(pprof -top -tagfocus=tenant=blue -cum "$dir/before.pb.gz")" "open_sessions"
for type in alloc_objects alloc_space inuse_objects inuse_space map_entries map_waste map_resident map_lazyfree; do
    has "$(pprof -top -sample_index=$type "$dir/before.pb.gz")" "^Type: $type"
done
has "$(pprof -top -cum -sample_index=map_entries "$dir/before.pb.gz")" "open_sessions"
has "$(pprof -top -cum -diff_base="$dir/before.pb.gz" "$dir/after.pb.gz")" "accounting for -${sessions}B"
has "$(pprof -raw "$dir/before.pb.gz")" "^PeriodType: space bytes"
has "$(pprof -traces "$dir/before.pb.gz")" "map: *sessions"
echo "pprof sees $sessions bytes of sessions, $cache of the cache, by stack, map and label"
