#!/usr/bin/env bash
# run.sh etcd | nats | prometheus
#
# A Go server nobody wrote for mapscope, under load: what its maps hold and waste, and who holds them. Builds that server
# into build-real/ from the Go module proxy, with default options (prometheus: unpacks Debian's package there), loads it on
# loopback, and prints after each step of the load what `mapscope list` found, summed by type. docs/real-programs.md has
# what came out, and what `mapscope doctor` says. The reports in full stay in build-real/NAME-STEP.json and .doctor.
# Takes a few minutes.
# shellcheck source-path=SCRIPTDIR source=../../script/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../script/common.sh"

here=$root/bench/real
work=$build_root/build-real
name=${1:-}
case $name in
etcd) package=go.etcd.io/etcd/server/v3@v3.5.21 toolchain=go1.23.12 ;;
nats) package=github.com/nats-io/nats-server/v2@v2.15.2 toolchain=go1.27.3 ;;
prometheus) package='' toolchain=local ;;
-h | --help) usage "$0" && exit 0 ;;
*) die "which program? (see --help)" ;;
esac
"$root/script/build" release scope/mapscope </dev/null
mapscope=$(build_dir release)/scope/mapscope
mkdir -p "$work/$name"
cd "$work/$name"

# ---- the program, and its load ----

export GOTOOLCHAIN=$toolchain GOFLAGS='-mod=mod -buildvcs=false'
if [ ! -x server ] && [ -n "$package" ]; then
    have go || die "needs the go command"
    note "building $package with $toolchain"
    [ -e go.mod ] || go mod init "example.org/$name" 2>/dev/null
    go get "$package" 2>get.log || die "cannot be had: $package (log: $work/$name/get.log)"
    go build -p 1 -o server "${package%@*}"
elif [ ! -x server ]; then
    note "unpacking Debian's package $name"
    apt-get download -q "$name" >get.log 2>&1 || die "cannot be had: Debian's package $name (log: $work/$name/get.log)"
    dpkg-deb -x "$name"_*.deb unpacked
    ln -s "unpacked/usr/bin/$name" server
fi
if [ "$name" = etcd ]; then
    cp "$here/etcd_load.go" .
    go build -p 1 -o load etcd_load.go
fi

pids=() server=
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM

# serve OPTIONS...: the program, from here on process $server
serve() {
    ./server "$@" >server.log 2>&1 &
    server=$!
    pids+=("$server")
    sleep 5
    kill -0 "$server" 2>/dev/null || die "$name ended: $(tail -n 3 server.log)"
}

# load COMMAND...: starts the load, and waits for the line that tells of its first step
load() {
    coproc LOAD { exec "$@" 2>&1; }
    to=${LOAD[1]} from=${LOAD[0]}
    pids+=("$LOAD_PID")
    said
}
said() {
    local line
    IFS= read -r -t 300 -u "$from" line || die "the load ended, or said nothing for 300 s"
    note "load: $line"
}
# step: lets the load go on to its next step
step() {
    echo >&"$to"
    said
}

# look STEP: what mapscope finds now. That figures of single maps are not certain (4) does not end the run.
look() {
    local code=0 file=$work/$name-$1.json
    sleep 3
    "$mapscope" list "$server" -o json </dev/null >"$file" 2>"$file.log" || code=$?
    [ "$code" = 0 ] || [ "$code" = 4 ] || die "mapscope: $(cat "$file.log")"
    heading "$name, $1"
    python3 "$here/by_type.py" "$file"
    note ''
    "$mapscope" doctor "$server" --resident </dev/null 2>>"$file.log" | tee "$work/$name-$1.doctor" || true # 1: findings
}

case $name in
etcd)
    rm -rf data
    serve --data-dir data --unsafe-no-fsync --log-level error --listen-client-urls http://127.0.0.1:23790 \
        --advertise-client-urls http://127.0.0.1:23790 --listen-peer-urls http://127.0.0.1:23800 \
        --initial-advertise-peer-urls http://127.0.0.1:23800 --initial-cluster default=http://127.0.0.1:23800
    load ./load 127.0.0.1:23790 20000 500
    look peak
    step
    look after
    ;;
nats)
    serve -a 127.0.0.1 -p 24222
    load python3 "$here/nats_load.py" 24222 300 200 4
    look peak
    step
    look unsubscribed
    step
    look left
    ;;
prometheus)
    rm -rf data
    cat >config.yml <<'END'
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs: [{job_name: web, static_configs: [{targets: ['127.0.0.1:24301']}]}]
END
    load python3 "$here/prometheus_load.py" 24301 1000 5
    serve --config.file=config.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:24302 \
        --storage.tsdb.min-block-duration=1m --log.level=error
    sleep 120
    look peak
    step
    sleep 240
    look after
    ;;
esac
