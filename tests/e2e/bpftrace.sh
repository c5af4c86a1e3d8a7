#!/usr/bin/env bash
# bpftrace.sh TARGET_EVENTS SCRIPTS - the bpftrace scripts of examples/ are ones, and one of them sees what the program counts.
#
# Exit code 77: no bpftrace, or no right to set probes.
set -u
target=$1 scripts=$2
dir=$(mktemp -d) || exit 1
tracer=
cleanup() {
    [ -n "$tracer" ] && kill -KILL "$tracer" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
die() {
    echo "FAILED: $*"
    exit 1
}
skip() {
    echo "SKIP: $*"
    exit 77
}

command -v bpftrace >/dev/null || skip "bpftrace is not installed"
[ "$(id -u)" = 0 ] || skip "bpftrace is for root"

bpftrace -d "$scripts/gomap-growers.bt" "$target" >"$dir/dry" 2>&1 || skip "bpftrace cannot work here: $(tail -n 1 "$dir/dry")"
for script in "$scripts"/go-growth-*.bt; do # of a Go program nothing is needed to parse them but its name
    bpftrace -d "$script" /bin/true >"$dir/dry" 2>&1
    grep -qE 'syntax error|unexpected|Unknown (function|identifier)' "$dir/dry" && die "$script: $(grep -E 'error|Unknown' "$dir/dry")"
done

coproc program { exec "$target"; }
read -r word <&"${program[0]}"
[ "$word" = ready ] || die "the target said '$word'"
ask() {
    echo "$1" >&"${program[1]}"
    read -r answer <&"${program[0]}" || die "the target ended after '$1'"
}
seen() { grep -cE " $1 " "$dir/out"; }

bpftrace -B line "$scripts/gomap-events.bt" "$target" >"$dir/out" 2>"$dir/err" &
tracer=$!
shrinks=0
for ((i = 0; i < 200 && shrinks == 0; i++)); do # until it is there, which it does not say
    ask brief
    ask "grow 3000"
    ask shrink
    sleep 0.1
    kill -0 "$tracer" 2>/dev/null || skip "bpftrace ended: $(head -n 1 "$dir/err")"
    shrinks=$(seen shrink)
done
[ "$shrinks" -gt 0 ] || die "nothing was seen in $i rounds"
sleep 0.5 # for lines that are on their way
before=$(seen shrink) counted=$answer
ask "grow 200000"
ask shrink
counted=$((answer - counted))
for ((i = 0; i < 100 && $(seen shrink) < before + counted; i++)); do sleep 0.1; done
kill -INT "$tracer"
wait "$tracer"
tracer=
echo "# the map shrank $counted times, the script saw $(($(seen shrink) - before))"
if [ "$counted" = 0 ] || [ $(($(seen shrink) - before)) != "$counted" ]; then die "these are not as many"; fi
grep -q '^@returned_bytes: [1-9]' "$dir/out" || die "no bytes were returned"
[ "$(seen grow)" -gt 5 ] || die "too few growths"
