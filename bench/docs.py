#!/usr/bin/env python3
"""docs.py BUILD_DIR [--quick] [--from FILE...] [--to FOLDER] - docs/performance.md and its pictures.

Runs the benches (or takes files that `script/bench VERB --json FILE` or an earlier run left), keeps all
results in FOLDER/performance/results.json, draws the pictures beside it (plots.py) and fills in performance.md.in.  Every figure on the page comes from the
results; the words around them are in the template, which names what it wants as {{function argument ...}}: see
FUNCTIONS below.  What a run did not measure appears as "not measured".
"""
import argparse
import json
import os
import re
import subprocess
import tempfile

import plots
import runner

HERE = os.path.dirname(os.path.abspath(__file__))
VERBS = ["map", "sweep", "latency", "memory", "scope", "goscope"]
ABSENT = "not measured"
SCHEMA = "gomap-bench/2"


# Measuring

def run_all(build, quick):
    """All verbs, one after the other; a document each."""
    have_go = os.access(os.path.join(build, "bench", "bench_gotarget"), os.X_OK)
    for verb in VERBS if have_go else VERBS[:-1]:
        print("== bench %s" % verb, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            command = [os.path.join(HERE, "run_%s.py" % verb), build, "--json", path] + ["--quick"] * quick
            if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
                raise runner.Failed("bench %s failed" % verb)
            yield read(path)


def read(path):
    try:
        with open(path, encoding="utf-8") as source:
            part = json.load(source)
        if part["schema"] == SCHEMA and part["cells"] is not None and part["machine"] is not None:
            return part
    except OSError as error:
        raise runner.Failed("%s: %s" % (path, error.strerror)) from error
    except (ValueError, KeyError, TypeError):
        pass
    raise runner.Failed("%s: these are no results of script/bench" % path)


def identity(thing, names):
    return tuple(thing.get(name) for name in names)


def merged(old, new, *names):
    """Lists of dictionaries as one; of those alike in these names the newer stands, with the results of both."""
    found = {}
    for x in old + new:
        had = found.get(identity(x, names), {})
        found[identity(x, names)] = dict(x, results={**had.get("results", {}), **x["results"]}) if "results" in x else x
    return list(found.values())


def join(parts):
    """One document of several: of single verbs, of one verb at several sizes, or joined before.  The later counts."""
    whole = {"schema": SCHEMA, "machine": {}, "benches": {}, "cells": []}
    for part in parts:
        whole["cells"] = merged(whole["cells"], part["cells"], "bench", "key", "value", "n", "op", "unit")
        whole["machine"] = part["machine"]
        benches = part["benches"] if "benches" in part else {
            part["bench"]: {k: v for k, v in part.items() if k not in ("schema", "bench", "machine", "cells")}}
        for verb, about in benches.items():
            had = whole["benches"].get(verb, {})
            before = had.get("ratios", [])
            whole["benches"][verb] = dict(about)
            counts = [int(n) for r in (had.get("rounds"), about.get("rounds")) if r for n in re.findall(r"\d+", str(r))]
            if counts and min(counts) < max(counts):
                whole["benches"][verb]["rounds"] = "%d to %d" % (min(counts), max(counts))
            if "ratios" in about:
                whole["benches"][verb]["ratios"] = merged(before, about["ratios"], "key", "value", "n", "op", "to")
    return whole


def save(document, path):
    """One cell a line, so that two runs can be compared by diff."""
    def rounded(value):
        if isinstance(value, dict):
            return {k: rounded(v) for k, v in value.items()}
        return float("%.5g" % value) if isinstance(value, float) else value

    cells = ",\n".join(json.dumps(rounded(cell)) for cell in document["cells"])
    rest = json.dumps(rounded({k: v for k, v in document.items() if k != "cells"}), indent=1)
    with open(path, "w", encoding="utf-8") as out:
        out.write('%s,\n "cells": [\n%s\n]}\n' % (rest.rstrip()[:-1].rstrip(), cells))


# From results to text

class Results:
    def __init__(self, document):
        self.document = document

    def cells(self, bench, **wanted):
        return plots.cells_of(self.document, bench, **wanted)

    def one(self, bench, op, impl, key=None, n=None, of="median"):
        """A single figure; with several sizes that of the largest.  None: not measured."""
        found = [c for c in self.cells(bench, op=op) if impl in c["results"]
                 and (key is None or c["key"] == key) and (n is None or c["n"] == n)]
        return max(found, key=lambda c: c["n"])["results"][impl][of] if found else None

    def worst(self, bench, op):
        """The largest figure of any implementation (scenario) and size."""
        return max((r["max"] for c in self.cells(bench, op=op) for r in c["results"].values()), default=None)

    def mean(self, bench, op):
        values = [r["median"] for c in self.cells(bench, op=op) for r in c["results"].values()]
        return sum(values) / len(values) if values else None

    def ratios(self, key, to, value=None):
        """gomap's times over another's, all operations and sizes of a type of map."""
        return [r["ratio"] for r in self.document["benches"].get("map", {}).get("ratios", [])
                if r["key"] == key and r["value"] == (value or r["value"]) and r["to"] == to and r["n"] and r["ratio"]
                and runner.unit(r["op"]) == "ns"]

    def ratio(self, key, to, value=None):
        """Their geometric mean."""
        return runner.geomean(self.ratios(key, to, value))

    def op_ratio(self, op, least, most, key="u64"):
        """The same for one operation of maps from integers to integers: geometric mean of the sizes in between."""
        found = [r["ratio"] for r in self.document["benches"].get("map", {}).get("ratios", [])
                 if r["key"] == r["value"] == key and r["to"] == "boost+aes" and r["op"] == op
                 and r["n"] and least <= r["n"] <= most and r["ratio"]]
        return runner.geomean(found)

    def sweep_ratio(self, op):
        """Mean of one operation's ratios over a sweep."""
        found = [c["results"]["gomap"]["median"] / c["results"]["boost+aes"]["median"]
                 for c in self.cells("sweep", op=op) if {"gomap", "boost+aes"} <= set(c["results"])]
        return sum(found) / len(found) if found else None

    def growing(self):
        """What a hit costs in a map that is growing, to one at rest: the worst size."""
        both = [(g["results"]["gomap"]["median"], h["results"]["gomap"]["median"])
                for g in self.cells("map", op="hit_growing", key="u64", value="u64", unit="ns")
                for h in self.cells("map", op="hit", key="u64", value="u64", unit="ns") if g["n"] == h["n"]]
        return max((g / h for g, h in both), default=None)

    def churned(self):
        """What a miss costs after ten turnovers, to a fresh map: the worst size."""
        def by_size(op):
            return {c["n"]: c["results"]["gomap"]["median"] for c in self.cells("map", op=op, key="u64", value="u64",
                                                                                unit="ns") if "gomap" in c["results"]}
        old, new = by_size("miss_churned"), by_size("miss")
        return max((old[n] / new[n] for n in old if new.get(n)), default=None)


def figure(value):
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e15:
        return format(int(value), ",")
    return "%.2f" % value if abs(value) < 9.995 else "%.1f" % value if abs(value) < 99.95 else format(round(value), ",")


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def implementations(cells):
    return list(dict.fromkeys(name for cell in cells for name in cell["results"]))


def map_table(results, kind, n):
    """All operations of one type of map at one size, a line per implementation; the least of a column in bold."""
    key, value = runner.TYPES[kind]
    cells = [c for c in results.cells("map", key=key, value=value, n=int(n)) if c["unit"] != "instructions"]
    cells = [c for op in runner.OPS for c in cells if c["op"] == op]
    if not cells:
        return ABSENT
    best = {c["op"]: min(r["median"] for r in c["results"].values()) for c in cells}
    rows = []
    for name in implementations(cells):
        row = []
        for cell in cells:
            got = cell["results"].get(name, {}).get("median")
            text = "-" if got is None else runner.number(got)
            row.append("**%s**" % text if got == best[cell["op"]] else text)
        rows.append([name] + row)
    return table([""] + [" ".join(runner.OPS[c["op"]]).strip() for c in cells], rows)


def op_table(results, bench, *ops):
    """A line per operation, a column per implementation: medians."""
    cells = [c for op in ops for c in results.cells(bench, op=op)]
    names = implementations(cells)
    if not names:
        return ABSENT
    several = {op for op in ops if sum(c["op"] == op for c in cells) > 1}
    return table([""] + names, [
        ["%s, %s" % (LABELS.get(c["op"], c["op"]), format(c["n"], ",")) if c["op"] in several
         else LABELS.get(c["op"], c["op"])]
        + [figure(c["results"][name]["median"]) if name in c["results"] else "-" for name in names] for c in cells])


def spread_table(results, bench):
    """A line per measured thing with median, least and most."""
    rows = [[LABELS.get(c["op"], c["op"]), format(c["n"], ","), name, c["unit"]]
            + [figure(r[k]) for k in ("median", "min", "max")]
            for c in results.cells(bench) for name, r in c["results"].items()]
    return table(["", "n", "", "unit", "median", "least", "most"], rows) if rows else ABSENT


def counter_table(results):
    ops = ["moved_max", "memory_calls_max", "resident_max", "heap_max", "range_changes", "range_calls_max",
           "range_resident_max", "chained_max"]
    cells = {(name, c["op"]): (c["n"], r["median"]) for c in results.cells("counters")
             for name, r in c["results"].items()}
    names = list(dict.fromkeys(name for name, op in cells if op in ops))
    if not names:
        return ABSENT
    return table(["", "entries"] + [LABELS[op] for op in ops], [
        [name.replace("_", " "), format(cells[name, ops[0]][0], ",")]
        + ["%.2f %%" % (100 * cells[name, op][1]) if op == "chained_max" else figure(cells[name, op][1]) for op in ops]
        for name in names])


LABELS = {
    "above_1us": "longer than 1 \u00b5s", "above_10us": "longer than 10 \u00b5s",
    "above_100us": "longer than 100 \u00b5s", "above_1ms": "longer than 1 ms",
    "slow_preempted": "wall time over 100 \u00b5s: no processor", "slow_faulted": "wall time over 100 \u00b5s: page fault",
    "slow_unexplained": "wall time over 100 \u00b5s: unexplained",
    "slow_repeated": "unexplained, and at the same insert in several rounds",
    "rss_worst": "bytes/entry, worst size from 200,000 on", "rss_peak": "bytes/entry, peak while filling",
    "rss_erased": "% of the peak, 99 % erased", "rss_tidied": "% of the peak, then asked",
    "rss_per_map": "bytes/map, entries", "list": "list, maps", "show": "show, entries", "heat": "heat, entries",
    "loss": "target loses to list, maps", "loss_heat": "target loses to heat, entries",
    "peak": "memory of list, maps", "missed": "missed by list, maps",
    "trades": "trades meanwhile, maps", "list_heap": "list, MiB of heap", "peak_heap": "memory of list, MiB of heap",
    "top_heap": "top, MiB of heap", "loss_heap": "target loses to list, MiB of heap",
    "snapshot": "--snapshot, MiB of heap", "snapshot_huge": "the same in huge pages", "stop": "--stop, threads",
    "moved_max": "entries moved", "memory_calls_max": "memory calls", "resident_max": "bytes in core in them",
    "heap_max": "bytes of malloc", "range_changes": "range changes", "range_calls_max": "calls of one",
    "range_resident_max": "bytes in core in them", "chained_max": "chained",
}

# What is aimed at: words, the most it may be (None: no goal), the figure
# Of maps of at least 10^4 entries, and of 10^3; time of gomap to that of boost::unordered_flat_map with the same hash.
LARGE = {"insert": 0.9, "insert_reserved": 0.9, "hit": 1.03, "miss": 1.03, "erase": 1.15, "churn": 0.85, "iterate": 0.8}
SMALL = {"hit": 1.05, "miss": 1.15, "erase": 1.3, "churn": 1.3}


def op_goals():
    for op, bound in LARGE.items():
        yield ("time of gomap / boost+aes, u64 to u64, 10^4 to 10^7: " + op, bound,
               lambda r, op=op: r.op_ratio(op, 10**4, 10**7))
    for op, bound in SMALL.items():
        yield "the same at 10^3: " + op, bound, lambda r, op=op: r.op_ratio(op, 10**3, 10**3)
    for op, bound in LARGE.items():
        yield "mean over the sweep: " + op, bound, lambda r, op=op: r.sweep_ratio(op)


GOALS = [
    *op_goals(),
    ("batched hits / boost's loop at 10^7", 0.5, lambda r: r.op_ratio("hit_batched", 10**7, 10**7)),
    ("all operations and sizes, u64 to u64, geometric mean", 0.9, lambda r: r.ratio("u64", "boost+aes", "u64")),
    ("the same, strings to u64", 0.9, lambda r: r.ratio("string of 16-32 bytes", "boost+aes")),
    ("the same, u32 to u32", 0.9, lambda r: r.ratio("u32", "boost+aes")),
    ("the same, u64 to a struct of 64 bytes", 0.9, lambda r: r.ratio("u64", "boost+aes", "64-byte struct")),
    ("a hit while the map grows / at rest, worst size", 1.2, lambda r: r.growing()),
    ("miss after ten turnovers / fresh, worst size", 1.3, lambda r: r.churned()),
    ("groups and nodes a miss looks at after ten turnovers / fresh, mean of three loads", 1.3,
     lambda r: r.mean("counters", "miss_looks_ratio")),
    ("inserts longer than 100 \u00b5s, unexplained, to 10^7 entries", 0,
     lambda r: r.one("latency", "slow_unexplained", "gomap")),
    ("those of them at the same insert in several rounds", 0, lambda r: r.one("latency", "slow_repeated", "gomap")),
    ("for comparison: such gaps in a loop that only reads the clock, in the same time", None,
     lambda r: r.one("latency", "slow_unexplained", "clock")),
    ("entries moved by one operation", 128, lambda r: r.worst("counters", "moved_max")),
    ("memory calls in one operation", 1, lambda r: r.worst("counters", "memory_calls_max")),
    ("the same, where a table gets or changes its address range", 1, lambda r: r.worst("counters", "range_calls_max")),
    ("share of chained entries at any moment, %", 1,
     lambda r: None if r.worst("counters", "chained_max") is None else 100 * r.worst("counters", "chained_max")),
    ("bytes per entry of 16, worst size from 2*10^5 to 10^7", 32, lambda r: r.one("memory", "rss_worst", "gomap")),
    ("the same in memory mode", 26, lambda r: r.one("memory", "rss_worst", "gomap-memory")),
    ("resident after erasing 99 %, % of the peak", 5, lambda r: r.one("memory", "rss_erased", "gomap")),
    ("`mapscope list` of 10^5 maps, ms", 250, lambda r: r.one("scope", "list", "mapscope")),
    ("processor time the target loses to it, looks back to back, %", 1,
     lambda r: r.one("scope", "loss", "looks back to back")),
    ("`mapscope list` of 10^6 maps of a Go program, ms", 3000, lambda r: r.one("goscope", "list", "wall")),
    ("the same of a heap of 2 GiB, ms", 3000, lambda r: r.one("goscope", "list_heap", "wall")),
    ("memory mapscope takes for the first of these, MiB", 1024, lambda r: r.one("goscope", "peak", "live")),
    ("first screen of `mapscope top` of a heap of 2 GiB, ms", 1000, lambda r: r.one("goscope", "top_heap", "first screen")),
    ("a Go program of 100 threads is stopped by `--stop`, ms", 10, lambda r: r.one("goscope", "stop", "pause as printed")),
    ("one of 2 GiB by `--snapshot`, ms", 50, lambda r: r.one("goscope", "snapshot", "pause as printed")),
    ("the same in huge pages, ms", 50, lambda r: r.one("goscope", "snapshot_huge", "pause as printed")),
    ("processor time it loses to `list`, looks back to back, %", 2,
     lambda r: r.one("goscope", "loss_heap", "looks back to back")),
]


def goals(results):
    rows = []
    for words, bound, get in GOALS:
        got = get(results)
        reached = "-" if got is None or bound is None else "yes" if got <= bound else "**no**"
        rows.append([words, "-" if bound is None else "\u2264 " + figure(bound), figure(got), reached])
    return table(["", "goal", "figure", "reached"], rows)


def behind(results, rival, percent):
    """Where gomap takes that much longer than a rival, all types and sizes of bench map."""
    rows = []
    for r in results.document["benches"].get("map", {}).get("ratios", []):
        if r["to"] == rival and r["n"] and r["op"] != "rss" and r["ratio"] > 1 + float(percent) / 100:
            rows.append((r["key"], r["value"], " ".join(runner.OPS[r["op"]]).strip(), r["n"], r["ratio"]))
    if not results.cells("map"):
        return ABSENT
    if not rows:
        return "Nowhere."
    found = {}
    for key, value, op, n, ratio in rows:
        found.setdefault((key + " to " + value, op), []).append((n, ratio))
    return table(["operation", "map", "entries: ratio"], [
        [op, kind, ", ".join("%s: %.2f" % (plots.short(n), ratio) for n, ratio in sizes)]
        for (kind, op), sizes in found.items()])


def picture(results, name, *words):
    if name not in results.pictures:
        return "(%s: %s)" % (" ".join(words), ABSENT)
    return "![%s](performance/%s.svg)" % (" ".join(words), name)


def machine(results, field):
    return str(results.document["machine"].get(field, ABSENT))


def rounds(results, verb):
    return figure(results.document["benches"].get(verb, {}).get("rounds"))


def warning(results):
    return "\n**A quick run: it shows that the page can be made, and no figure on it means anything.**\n" \
        if any(bench.get("quick") for bench in results.document["benches"].values()) else ""


def missing(results):
    skipped = results.document["benches"].get("map", {}).get("skipped", {})
    return "; ".join("%s (%s)" % item for item in skipped.items()) or "none"


def value(results, bench, op, *impl):
    return figure(results.one(bench, op, " ".join(impl)))


FUNCTIONS = {
    "map_table": map_table, "op_table": op_table, "spread_table": spread_table, "counter_table": counter_table,
    "goals": goals, "behind": behind, "picture": picture, "machine": machine, "rounds": rounds, "warning": warning,
    "missing": missing, "value": value,
}


def fill_in(template, results):
    def replace(match):
        name, *arguments = match.group(1).split()
        if name not in FUNCTIONS:
            raise runner.Failed("performance.md.in: no function '%s'" % name)
        return FUNCTIONS[name](results, *arguments)
    return re.sub(r"\{\{([^}]*)\}\}", replace, template)


def options():
    args = argparse.ArgumentParser(prog="bench --docs",
                                   description="docs/performance.md and its pictures, measured anew.")
    args.add_argument("build", metavar="BUILD_DIR", help=argparse.SUPPRESS)
    args.add_argument("--from", dest="source", metavar="FILE", nargs="+",
                      help="measure nothing, take the results kept there, of all verbs or of single ones")
    args.add_argument("--to", metavar="FOLDER", default=os.path.join(HERE, "..", "docs"), help="instead of docs/")
    args.add_argument("--quick", action="store_true", help="does it work? The page says that it is no measurement")
    return args.parse_args()


def main():
    args = options()
    parts = map(read, args.source) if args.source else run_all(args.build, args.quick)
    document = join(parts)
    folder = os.path.join(args.to, "performance")
    os.makedirs(folder, exist_ok=True)
    save(document, os.path.join(folder, "results.json"))
    results = Results(document)
    results.pictures = plots.write(document, folder)
    with open(os.path.join(HERE, "performance.md.in"), encoding="utf-8") as template:
        page = fill_in(template.read(), results)
    with open(os.path.join(args.to, "performance.md"), "w", encoding="utf-8") as out:
        out.write(page)
    print("wrote %s and %d pictures" % (os.path.normpath(os.path.join(args.to, "performance.md")),
                                        len(results.pictures)))


if __name__ == "__main__":
    runner.run_verb(main)
