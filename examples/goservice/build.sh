#!/bin/sh
# build.sh FOLDER - builds goservice and goload into FOLDER by the go command as installed, without any network.
# Another version of Go: GOTOOLCHAIN=go1.N.M
folder=$(mkdir -p "$1" && cd "$1" && pwd) && cd "$(dirname "$0")" || exit 1
[ -n "${HOME:-}${GOCACHE:-}" ] || export GOCACHE="$folder/cache"
GOTOOLCHAIN=${GOTOOLCHAIN:-local} GOFLAGS=-buildvcs=false exec go build -o "$folder/" ./...
