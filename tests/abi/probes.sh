#!/bin/sh
# probes.sh LIBRARY HEADER - the library has the probes that the header promises, each with three arguments, each a nop.
set -u
command -v readelf >/dev/null && command -v objdump >/dev/null || { echo "1..0 # SKIP readelf or objdump is not installed" && exit 0; }
notes=$(readelf -n "$1" 2>/dev/null | grep -A 3 'Provider: gomap')
[ -n "$notes" ] || { echo "1..0 # SKIP built without <sys/sdt.h>" && exit 0; }
echo 1..3
have=$(echo "$notes" | sed -n 's/^ *Name: //p' | sort -u)
want=$(sed -n 's/^ \*     \([a-z_]*\)  .*/\1/p' "$2" | sort -u)
if [ "$have" = "$want" ]; then echo "ok 1 - names"; else echo "not ok 1 - names: there are" $have ", promised are" $want; fi
bad=$(echo "$notes" | sed -n 's/^ *Arguments: //p' | awk 'NF != 3' | head -n 1)
if [ -z "$bad" ]; then echo "ok 2 - three arguments each"; else echo "not ok 2 - arguments: $bad"; fi
set -- "$1" $(echo "$notes" | sed -n 's/^ *Location: \(0x[0-9a-f]*\),.*/\1/p' | head -n 3)
file=$1 failed=0
shift
for at in "$@"; do
    objdump -d --start-address="$at" --stop-address=$((at + 1)) "$file" | grep -qw nop || failed=1
done
if [ $failed = 0 ] && [ $# -gt 0 ]; then echo "ok 3 - a nop each"; else echo "not ok 3 - a probe is no nop"; fi
