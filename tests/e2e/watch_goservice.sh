#!/usr/bin/env bash
# watch_goservice.sh MAPSCOPE BUILD.SH - the main job in Go: which map of a live service is it, who holds it, what would
# come back.
#
# Builds examples/goservice, checks its answers, gives it a busy hour, and compares what mapscope says with what the
# service and the Go runtime say of themselves, before and after the map is rebuilt; then the same for the service
# without its map problems. Prints each step; the first that fails ends it.
# GOTOOLCHAIN=go1.N.M: another version of Go. Exit code 77: there is no go command.
set -u
mapscope=$1 build=$2
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

command -v go >/dev/null || { echo "SKIP: the go command is not installed" && exit 77; }
"$build" "$dir" || die "goservice does not build"

start() {
    : >"$dir/said" # here, or what the last one said may be read before the shell empties the file for this one
    "$dir/goservice" "$@" >"$dir/said" 2>&1 &
    pid=$!
    for _ in {1..300}; do
        grep -qs '^listening on ' "$dir/said" && break
        sleep 0.1
    done
    address=$(sed -n 's/^listening on //p' "$dir/said")
    [ -n "$address" ] || die "goservice does not listen: $(cat "$dir/said")"
}

# ask CODE METHOD PATH: one request, its answer in $answer
ask() {
    local conn
    exec {conn}<>"/dev/tcp/${address%:*}/${address##*:}" || die "goservice does not listen any more"
    printf '%s %s HTTP/1.0\r\n\r\n' "$2" "$3" >&"$conn"
    answer=$(cat <&"$conn")
    exec {conn}<&-
    [[ $answer == "HTTP/1."?" $1 "* ]] || die "$2 $3: $1 wanted, not $answer"
    answer=${answer##*$'\n'}
}

# list: all maps as JSON, a line each
list() {
    "$mapscope" list "$pid" -o json >"$dir/list.json" 2>"$dir/err" </dev/null || die "list ended with $?: $(cat "$dir/err")"
}

# figure NAME HOLDER: a number of the one map held so; empty: there is none
figure() {
    sed -n "/\"holders\":\[\"$2/s/.*\"$1\":\([0-9][0-9]*\).*/\1/p" "$dir/list.json"
}

hour() { "$dir/goload" -logins 20000 -stay 1000 "$address" >"$dir/load" 2>&1 || die "$(cat "$dir/load")"; }

# maps_of TYPE: how many
maps_of() { grep -c "\"type\":\"$1\"" "$dir/list.json"; }

sessions='main\.site\.sessions\.byToken"' visitors='main\.site\.visitors\.' leak='goroutine [0-9]* main\.(\*service)\.countUsers'

for fixed in '' -fixed; do
    start $fixed
    visitor=00112233445566778899aabbccddeeff
    ask 200 POST "/login?user=ann&visitor=$visitor"
    token=$answer
    ask 200 GET "/session/$token"
    [[ $answer == 'ann since '*', in en' ]] || die "who is ann? $answer"
    ask 200 GET '/report?within=1m'
    [ "$answer" = '1 users, 1 visitors' ] || die "the report of one: $answer"
    ask 400 POST '/login?user='
    ask 400 POST '/login?user=bob&visitor=0011'
    ask 400 GET '/report?within=soon'
    ask 404 GET /session/nobody
    ask 405 GET /login
    ask 405 GET /rebuild
    ask 405 PUT "/session/$token"
    ask 200 DELETE "/session/$token"
    ask 404 DELETE "/session/$token"
    kill "$pid"
    wait "$pid" 2>/dev/null
done
echo "the service answers as it should, with and without -fixed"

start
hour
ask 200 GET /memory
before=$answer
list
[ "$(figure entries "$sessions")" = 1000 ] || die "1000 sessions stayed; mapscope: $(figure entries "$sessions")"
[ "$(figure entries "$visitors")" = 20000 ] || die "20000 visitors; mapscope: $(figure entries "$visitors")"
[ "$(maps_of main.attrMap)" = 1000 ] || die "attributes of 1000 sessions; mapscope: $(maps_of main.attrMap)"
left=$(figure entries "$leak")
[ "${left:-0}" -ge 1000 ] || die "the map of the goroutine nobody waits for is not found"
head=$(grep -m 1 '"holders"' "$dir/list.json")
[[ $head == *'"main.site.sessions.byToken"'* ]] || die "the largest map is not that of the sessions: $head"
echo "found: 1000 of $(figure slots "$sessions") session slots used, 1000 maps of attributes, a leak of $left entries"

gain=$(figure rebuild_gain_bytes "$sessions")
ask 200 POST /rebuild
ask 200 GET /memory
back=$((before - answer))
# Besides the map, a few buffers of connections come and go.
off=$((back > gain ? back - gain : gain - back))
[ "$off" -le $((gain / 100 + 65536)) ] || die "a rebuild was to free $gain bytes, and freed $back"
echo "a rebuild was to free $gain bytes, and freed $back"
list
[ "$(figure rebuild_gain_bytes "$sessions")" -le $((gain / 50)) ] || die "rebuilt, and still to gain: $(figure rebuild_gain_bytes "$sessions")"
large=$(figure bytes "$visitors")
kill "$pid"

start -fixed
hour
list
[ "$(figure entries "$sessions")" = 1000 ] || die "fixed: 1000 sessions stayed; mapscope: $(figure entries "$sessions")"
[ "$(figure rebuild_gain_bytes "$sessions")" -lt $((gain / 5)) ] || die "fixed: the sessions still keep $(figure rebuild_gain_bytes "$sessions") bytes"
[ "$(figure bytes "$visitors")" -lt "$large" ] || die "fixed: the visitors take $(figure bytes "$visitors") bytes, before $large"
[ "$(maps_of main.attrMap)" = 0 ] || die "fixed: $(maps_of main.attrMap) maps of attributes"
[ -z "$(figure entries "$leak")" ] || die "fixed: a goroutine still keeps its map"
echo "fixed: none of it is left"
