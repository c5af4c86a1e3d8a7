#!/bin/sh
# check-pkgindex.sh PKGINDEX - feeds pkgindex a small index and compares its answers.
# Newest version wins, translations join by checksum, lists survive `drop`, bad input is an error.
set -u
pkgindex=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
fails=0

cat >"$dir/list_Packages" <<'INDEX'
Package: alpha
Version: 1.0-1
Provides: old-name
Depends: gone
Description: Alpha the old editor

Package: alpha
Version: 1.0-10
Provides: editor, vi-like (= 2)
Pre-Depends: dpkg (>= 1.15)
Depends: libc6 (>= 2.36), tool | other-tool,
 wrapped (<< 3)
Tag: role::program, use::editing
Description: Alpha, a Small editor
Description-md5: 0123

Package: beta
Version: 2:0.1~rc1
Provides: editor
Description: beta editor
 Long text of beta, which names the word Zebra
 twice: zebra.

Package: beta
Version: 2:0.1~beta9
Description: an older beta
INDEX
cat >"$dir/en_Translation-en" <<'INDEX'
Package: alpha
Description-md5: 0123
Description-en: Alpha, a Small editor
 Its long text has the word Quagga.

Package: beta
Description-md5: none
Description-en: beta editor
 never used: wrongsum
INDEX

"$pkgindex" "$dir/list_Packages" "$dir/en_Translation-en" >"$dir/out" 2>"$dir/err" <<'ASK'
get alpha
get beta
get gamma
provides editor
provides old-name
depends alpha
depends beta
words editor
words zebra beta
words QUAGGA
words wrongsum
words a
get

nonsense
drop
words editor
quit
get alpha
ASK
code=$?
cat >"$dir/want" <<'WANT'
ready: 2 packages from 4 stanzas in 2 files
alpha 1.0-10: Alpha, a Small editor
beta 2:0.1~rc1: beta editor
error: no package 'gamma'
editor is provided by 2 packages: alpha beta
error: nothing provides 'old-name'
alpha depends on 4: dpkg (>= 1.15), libc6 (>= 2.36), tool | other-tool, wrapped (<< 3)
beta depends on 0:
2 packages
  alpha                        Alpha, a Small editor
  beta                         beta editor
1 packages
  beta                         beta editor
1 packages
  alpha                        Alpha, a Small editor
0 packages: no description has the word 'wrongsum'
error: words of at least 2 letters, please
error: get needs NAME
error: no command 'nonsense'; try help
1 packages
  alpha                        Alpha, a Small editor
WANT
grep -v '^dropped' "$dir/out" | grep . >"$dir/got"
[ "$(grep -c '^$' "$dir/out")" = 17 ] || { echo "not every answer ends with an empty line"; fails=1; }
diff "$dir/want" "$dir/got" || fails=1
[ "$code" = 0 ] || { echo "exit code $code"; fails=1; }
grep -q '^dropped [1-9][0-9]* of [1-9][0-9]* postings' "$dir/out" || { echo "drop said nothing"; fails=1; }
cat "$dir/err"

# expect CODE TEXT FILE: what a broken file is answered with
expect() {
    "$pkgindex" "$3" </dev/null >"$dir/out" 2>"$dir/err"
    code=$?
    if [ "$code" != "$1" ] || ! grep -qF -- "$2" "$dir/err"; then
        echo "on $3: exit code $code, wanted $1 and '$2', got:"
        cat "$dir/err"
        fails=1
    fi
}
printf 'Package: x\nno field\n' >"$dir/broken"
printf 'Package: x\000y\n' >"$dir/nul"
printf 'no archive' >"$dir/junk.lz4"
expect 1 'broken: line 2: neither a field nor a continuation' "$dir/broken"
expect 1 'nul: line 1: a NUL byte' "$dir/nul"
expect 1 'decompression failed' "$dir/junk.lz4"
expect 1 'missing: No such file or directory' "$dir/missing"
expect 2 'usage:' --nonsense
exit $fails
