"""by_type.py FILE [ROWS]: what `mapscope list -o json` found, summed by type, as a table of Markdown: the types whose maps
take most bytes, each with the holder of its largest map."""

import json
import sys

UNITS = ["B", "KiB", "MiB", "GiB"]


def size(n):
    unit = 0
    while n >= 1024 and unit < 3:
        n, unit = n / 1024, unit + 1
    return ("%.1f %s" if unit else "%d %s") % (n, UNITS[unit])


def text(words):
    return "`" + words.replace("|", "\\|") + "`"


def shorter(path, most=88):
    return path if len(path) <= most else "…" + path[-most:]


def one_of(name, most=2):
    """Of a type that could only be guessed, the first guesses."""
    guesses = name.split(" | ")
    more = "" if len(guesses) <= most else " | …"
    return " | ".join(guesses[:most]) + more


with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
rows = int(sys.argv[2]) if len(sys.argv) > 2 else 8
total = document["totals"]
print(
    "%s, RSS %s: %d maps, %d entries, %s, waste %s, rebuild gain %s\n"
    % (
        document["target"]["runtime"],
        size(document["target"]["rss_bytes"]),
        total["maps"],
        total["entries"],
        size(total["bytes"]),
        size(total["waste_bytes"]),
        size(total["rebuild_gain_bytes"]),
    )
)
kinds = {}
for found in document["maps"]:  # by bytes, the largest first
    row = kinds.setdefault(found["type"] or "?", [0, 0, 0, 0, 0, 0, found["holders"]])
    for i, name in enumerate([None, "entries", "slots", "bytes", "waste_bytes", "rebuild_gain_bytes"]):
        row[i] += 1 if name is None else found[name] or 0
print("| maps | type | entries | of slots | bytes | waste | rebuild gain | held by, the largest |")
print("|--:|---|--:|--:|--:|--:|--:|---|")
for name, row in sorted(kinds.items(), key=lambda kind: -kind[1][3])[:rows]:
    print(
        "| %d | %s | %d | %d | %s | %s | %s | %s |"
        % (row[0], text(one_of(name)), *row[1:3], *map(size, row[3:6]), text(shorter((row[6] or ["?"])[0])))
    )
