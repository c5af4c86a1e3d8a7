#!/usr/bin/env bash
# oracle.sh TEST_ORACLE      run new sequences on real Go, and hold the classic map against them
# oracle.sh --update         write oracle.txt anew
#
# Needs the go command, which fetches the Go 1.23 toolchain from the module proxy if it is not there. First the
# kept file must be what Go says today; then sequences of another seed are replayed (GOMAP_TEST_SEED=N: that one;
# GOMAP_TEST_LONG=1: a new one, ten times as many).
# Exit code: 0 all equal, 1 not, 77 there is no Go 1.23.
# shellcheck source-path=SCRIPTDIR source=../../script/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../script/common.sh"

here=$root/tests/model
version=go1.23.12
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# A checksum database out of reach must not matter: the toolchain states its version, and that is checked.
export GOTOOLCHAIN=$version GOFLAGS=-buildvcs=false

skip() {
    printf 'SKIP: %s\n' "$1"
    exit 77
}

have go || skip "the go command is not installed"
found=$(timeout 100 go version 2>&1) || found=$(GONOSUMDB='*' GOFLAGS=-insecure timeout 100 go version 2>&1) ||
    skip "the toolchain $version cannot be had: $(tail -n 1 <<<"$found")"
[[ $found == *" $version "* ]] || skip "asked for $version, got: $found"
(cd "$here/oracle" && GOCACHE=$scratch/cache timeout 250 go build -ldflags=-checklinkname=0 -o "$scratch/oracle" .) ||
    die "oracle.go does not build"

if [ "${1:-}" = --update ]; then
    "$scratch/oracle" >"$scratch/new"
    mv "$scratch/new" "$here/oracle.txt"
    note "wrote $here/oracle.txt"
    exit
fi

[ $# -eq 1 ] || die "which test_oracle? (see --help at the top of this file)"
"$scratch/oracle" >"$scratch/kept"
cmp "$scratch/kept" "$here/oracle.txt" || die "oracle.txt is not what $version says: see oracle.sh --update"
seed=${GOMAP_TEST_SEED:-${GOMAP_TEST_LONG:+$RANDOM$RANDOM}} # long runs explore
seed=${seed:-1}
count=100
[ "${GOMAP_TEST_LONG:-0}" = 0 ] || count=1000
note "seed $seed"
"$scratch/oracle" -seed "$seed" -n "$count" >"$scratch/fresh"
"$1" "$scratch/fresh"
