#!/usr/bin/env python3
"""report.py RAW RESULTS PRESET - medians of the rounds in RAW: tables to standard output, JSON to RESULTS."""
import json
import platform
import statistics
import subprocess
import sys

OPERATIONS = [
    ("insert", "insert"), ("insert_reserved", "insert reserved"), ("hit", "hit"),
    ("dependent_hit", "dependent hit"), ("miss", "miss"), ("erase", "erase all"),
    ("churn", "churn (pair)"), ("iterate", "iterate"), ("rss_per_entry", "RSS bytes/entry"),
]


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine(preset):
    return {"processor": processor(), "system": platform.platform(), "compiler": first_line(["c++", "--version"]),
            "flags": "-O3 -march=native" if preset.endswith("native") else "-O3"}


def summary(rows):
    """{size: {operation: {engine: {median, min, max}}}}, engines in the order they ran."""
    cells = {}
    for row in rows:
        for operation, _ in OPERATIONS:
            by_engine = cells.setdefault(row["size"], {}).setdefault(operation, {})
            by_engine.setdefault(row["engine"], []).append(row[operation])
    return {size: {operation: {engine: {"median": statistics.median(v), "min": min(v), "max": max(v)}
                               for engine, v in by_engine.items()}
                   for operation, by_engine in operations.items()}
            for size, operations in cells.items()}


def number(x):
    return "%.1f" % x if x < 100 else "%.0f" % x


def table(size, operations, rounds):
    engines = list(operations["hit"])
    print("\n%s entries, ns per operation: median of %d rounds (least to most)" % (format(size, ","), rounds))
    print("%-16s" % "" + "".join("%20s" % e for e in engines))
    for key, label in OPERATIONS:
        cells = operations[key]
        text = ["%s (%s-%s)" % tuple(number(cells[e][k]) for k in ("median", "min", "max")) for e in engines]
        print("%-16s" % label + "".join("%20s" % t for t in text))


def main():
    raw, results, preset = sys.argv[1:4]
    with open(raw, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rounds = len(rows) // len({(row["engine"], row["size"]) for row in rows})
    about = machine(preset)
    print("%(processor)s; %(compiler)s; %(flags)s" % about)
    sums = summary(rows)
    for size, operations in sums.items():
        table(size, operations, rounds)
    with open(results, "w", encoding="utf-8") as out:
        json.dump({"schema": "gomap-bench/1", "machine": about, "rounds": rounds, "unit": "ns",
                   "sizes": sums}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
