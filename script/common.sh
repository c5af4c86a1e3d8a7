# shellcheck shell=bash
# Shared by the scripts beside it; sourced, never run. Gives the tree's root, names of build folders,
# and the ways all scripts speak: a heading, a note, an error that ends the script.
#
# GOMAP_BUILD_ROOT=DIR puts all build folders below DIR instead of the tree (read-only checkouts, two
# builds at once).

set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
build_root=${GOMAP_BUILD_ROOT:-$root}

# build_dir PRESET: the folder a preset is built in
build_dir() {
    case $1 in
    release) printf '%s/build\n' "$build_root" ;;
    *) printf '%s/build-%s\n' "$build_root" "$1" ;;
    esac
}

heading() { printf '\n== %s\n' "$*"; }
note() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 1
}

# usage FILE: prints the comment block at the top of a script as its help
usage() { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$1"; }

have() { command -v "$1" >/dev/null 2>&1; }
