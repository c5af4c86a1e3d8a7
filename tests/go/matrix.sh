#!/usr/bin/env bash
# matrix.sh DRIVER MAPSCOPE [ROW...]   run a driver on tests/go, built by every Go mapscope knows, in every way it may be built,
#                                     or as the rows say: VERSION[:VARIANT...], as on_go.sh takes them
#
# Only with GOMAP_TEST_LONG=1: it takes half an hour, the first time an hour. What a commit is tested with stands in
# tests/tool/meson.build. TAP.
# shellcheck source-path=SCRIPTDIR source=../../script/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../script/common.sh"

[ $# -ge 2 ] || die "usage: matrix.sh DRIVER MAPSCOPE [ROW...]"
if [ "${GOMAP_TEST_LONG:-0}" != 1 ]; then
    printf '1..0 # SKIP GOMAP_TEST_LONG is not 1\n'
    exit 0
fi

versions=(go1.18.10 go1.19.13 go1.20.14 go1.21.13 go1.22.12 go1.23.12 go1.24.13 go1.25.9 go1.26.8 go1.27.3)
rows=()
for version in "${versions[@]}"; do
    rows+=("$version" "$version:bare" "$version:pie:stripped" "$version:cgo" "$version:race")
done
for version in go1.24.13 go1.25.9; do
    rows+=("$version:noswissmap" "$version:noswissmap:bare")
done
rows+=(go1.25.9:dwarf4 go1.27.3:dwarf4 go1.27.3:plain go1.27.3:cgo:pie:stripped)
[ $# = 2 ] || rows=("${@:3}")

printf '1..%d\n' "${#rows[@]}"
number=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for row in "${rows[@]}"; do
    number=$((number + 1))
    if ! bash "$root/tests/go/on_go.sh" "$row" "$1" "$2" >"$log" 2>&1; then
        failed=$((failed + 1))
        printf 'not ok %d - %s\n' "$number" "$row"
        sed 's/^/# /' "$log"
    elif why=$(grep -m 1 '^1\.\.0 # SKIP' "$log"); then
        printf 'ok %d - %s %s\n' "$number" "$row" "${why#1..0 }"
    else
        printf 'ok %d - %s\n' "$number" "$row"
    fi
done
[ "$failed" = 0 ]
