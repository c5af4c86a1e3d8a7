#!/usr/bin/env bash
# on_go.sh VERSION[:VARIANT...] DRIVER MAPSCOPE [BUILD-OPTION...]   run a driver on tests/go, built by that version of Go
#
# VERSION   go1.N.M, or local: the go command as installed. Needs the go command, which fetches other toolchains from the
#           module proxy if they are not there; Debian's package of the same go1.N will do.
# VARIANT   stripped     by strip; the driver gets the program as it was before too, as "twin"
#           bare         linked without symbols and debug information (-s -w)
#           pie race     build modes
#           cgo          with C in it, linked by the C compiler
#           plain        debug information not compressed;  dwarf4: of version 4
#           noswissmap   1.24 and 1.25 with classic maps
#
# The driver is told by GOMAP_TEST_GO which Go the built program says it is from, by GOMAP_TEST_STRIPPED that it has no
# debug information. GOMAP_TEST_PACKAGE: another program below tests/go; GOMAP_TEST_MORE: one more argument for the driver.
# Exit code: the driver's; 0 and a plan of no tests: there is no such Go.
# shellcheck source-path=SCRIPTDIR source=../../script/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../script/common.sh"

[ $# -ge 3 ] || die "usage: on_go.sh VERSION[:VARIANT...] DRIVER MAPSCOPE [BUILD-OPTION...]"
IFS=: read -r version variants <<<"$1"
driver=$2 tool=$3
shift 3
options=("$@") link=() strip=no
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# A checksum database out of reach must not matter: the toolchain states its version, and that is checked.
export GOTOOLCHAIN=$version GOFLAGS=-buildvcs=false
[ -n "${HOME:-}" ] || export GOCACHE=$scratch/cache # Go's own library is built once per user, not once per run

skip() {
    printf '1..0 # SKIP %s\n' "$1"
    exit 0
}

for variant in ${variants//:/ }; do
    case $variant in
    stripped) strip=yes ;;
    bare) link+=(-s -w) ;;
    pie) options+=(-buildmode=pie) ;;
    race) options+=(-race) && export CGO_ENABLED=1 ;;
    cgo) options+=(-tags=withcgo) && link+=(-linkmode=external) && export CGO_ENABLED=1 ;;
    plain) link+=(-compressdwarf=false) ;;
    dwarf4) export GOEXPERIMENT=nodwarf5 ;;
    noswissmap) export GOEXPERIMENT=noswissmap ;;
    *) die "no variant '$variant'" ;;
    esac
done

# The go command whose version is the one asked for.
is_asked() { [ "$version" = local ] || [[ " $1 " == *" $version "* ]]; }
minor() { sed -E 's/.*go(1\.[0-9]+).*/\1/' <<<"$1"; }
debian=/usr/lib/go-$(minor "$version")/bin/go
go=go
found=$({ timeout 100 go version || GONOSUMDB='*' GOFLAGS=-insecure timeout 100 go version; } 2>&1) || true
if ! is_asked "$found" && [ -x "$debian" ]; then
    go=$debian found=$("$debian" version)
fi
if ! is_asked "$found" && [ "$(minor "$found")" != "$(minor "$version")" ]; then
    have "$go" || skip "the go command is not installed"
    skip "the toolchain $version cannot be had: $(tail -n 1 <<<"$found")"
fi

# Which Go it was the program itself says.
package=${GOMAP_TEST_PACKAGE:-.}
program=$scratch/holders
[ "$package" = . ] || program=$scratch/$(basename "$package")
(cd "$root/tests/go" && timeout 350 "$go" build "${options[@]}" -ldflags="${link[*]}" -o "$program" "$package") ||
    die "tests/go does not build by $found ($variants)"
GOMAP_TEST_GO=$("$go" version "$program")
export GOMAP_TEST_GO=${GOMAP_TEST_GO#*: }
[[ "$GOMAP_TEST_GO" == "go$(minor "$found")"* ]] || die "built by $found, but says it is from $GOMAP_TEST_GO"
targets=("$program")
if [ "$strip" = yes ]; then
    cp "$program" "$scratch/twin"
    strip "$program"
    targets+=("$scratch/twin")
fi
if [ "$strip" = yes ] || [[ " ${link[*]} " == *" -w "* ]]; then export GOMAP_TEST_STRIPPED=1; fi
"$driver" "$tool" "${targets[@]}" ${GOMAP_TEST_MORE:+"$GOMAP_TEST_MORE"}
