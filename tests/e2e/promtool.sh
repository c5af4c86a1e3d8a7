# What mapscope writes for Prometheus, read by Prometheus' own tool: promtool.sh MAPSCOPE TARGET EXAMPLES
# Exit code 77: there is no promtool (package prometheus; script/bootstrap).
set -eu
mapscope=$1 program=$2 examples=$3
command -v promtool >/dev/null || { echo "SKIP: no promtool (package prometheus)"; exit 77; }
dir=$(mktemp -d)
mkfifo "$dir/in" "$dir/out"
"$program" known <"$dir/in" >"$dir/out" 2>&1 &
target=$!
trap 'kill $target 2>/dev/null || true; rm -rf "$dir"' EXIT
exec 3>"$dir/in" 4<"$dir/out"
read -r ready <&4
[ "$ready" = ready ]

"$mapscope" metrics $target -o prometheus >"$dir/text"
grep -q '^gomap_entries{map=' "$dir/text"
promtool check metrics <"$dir/text"

promtool check rules "$examples/rules.yml"
promtool check config "$examples/prometheus.yml"
promtool test rules "$examples/rules_test.yml"
# The tool that judges can say no.
sed 's/> 64 \* 1024/> 640 * 1024/' "$examples/rules.yml" >"$dir/rules.yml"
cp "$examples/rules_test.yml" "$dir"
if promtool test rules "$dir/rules_test.yml" >"$dir/broken" 2>&1; then
    echo "a rule was changed, and its test passes"
    exit 1
fi

# Every metric that alerts and dashboard ask for is one that mapscope has.
sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$dir/text" | sort -u >"$dir/has"
# (of no sample here: no limit, nothing resident asked for)
printf '%s\n' mapscope_memory_limit_bytes mapscope_memory_room_bytes gomap_resident_bytes >>"$dir/has"
cat "$examples/rules.yml" "$examples/dashboard.json" | grep -oE '\b(gomap|mapscope)_[a-z_]+' | sort -u >"$dir/asked"
unknown=$(grep -vxF -f "$dir/has" "$dir/asked" || true)
[ -z "$unknown" ] || { echo "no such metrics: $unknown"; exit 1; }
python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["panels"] and d["templating"]' "$examples/dashboard.json"
echo "$(grep -c . "$dir/asked") metrics asked for, all there"
