#!/usr/bin/env python3
"""run_map.py BUILD_DIR [options] - all operations at five sizes, beside other maps; see README.md."""
import argparse
import shutil
import statistics

import runner

SIZES = [1000, 10000, 100000, 1000000, 10000000]
QUICK_SIZES = [1000, 30000]
CHURNED_MAX = 1000000  # beyond it replacing all entries ten times would take most of the run; --ops asks for it
# Instructions: few cells, for valgrind is fifty times slower and the counts hardly vary.
COUNTED_OPS = ["insert", "hit", "miss", "erase"]
COUNTED_TYPES = ["u64-u64", "str-u64"]
COUNTED_SIZE, COUNTED_WORK = 20000, 20000
NOT_COUNTED = {"go": "valgrind does not run Go programs"}


def options():
    args = runner.parser("map", "All operations at five sizes, beside other maps.")
    args.add_argument("--sizes", type=runner.sizes_of, metavar="N,N", help="numbers of entries")
    args.add_argument("--types", type=runner.names_of(runner.TYPES, "type"), metavar="A,B",
                      help="of " + ", ".join(runner.TYPES))
    args.add_argument("--ops", type=runner.names_of(runner.OPS, "operation"), metavar="A,B",
                      help="of " + ", ".join(runner.OPS))
    args.add_argument("--instructions", action=argparse.BooleanOptionalAction, default=None,
                      help="count instructions by callgrind too (default: when nothing was selected)")
    return args.parse_args()


def table(kind, n, values, impls, ops, rounds):
    """Medians, a line per implementation; below them how far the rounds differ: (most - least) / median."""
    key, value = runner.TYPES[kind]
    print("\n%s -> %s, %s entries: ns per operation, median of %d" % (key, value, format(n, ","), rounds))
    rows, widths = [], []
    for impl in impls:
        cells = []
        for op in ops:
            rounds_of = values.get(impl.name, {}).get(op)
            cells.append(runner.number(statistics.median(rounds_of)) if rounds_of else "-")
        rows.append((impl.name, cells))
    for op in ops:
        spans = [runner.spread(v[op]) for v in values.values() if op in v]
        spans = [(s["max"] - s["min"]) / s["median"] for s in spans if s["median"]]
        widths.append("%.0f%%" % (100 * statistics.median(spans)) if spans else "-")
    rows.append(("usual spread", widths))
    runner.print_table(runner.op_heads(ops), rows)


def summaries(everything, ops, sizes):
    """gomap's time over a rival's, per type; below one gomap is faster.  Returns them for the JSON document."""
    found = []
    for rival in runner.RIVALS:
        for kind in runner.TYPES:
            rows, means = [], {}
            for n in sizes:
                values = everything.get((kind, n), {})
                mine, other = values.get("gomap", {}), values.get(rival, {})
                ratios = {op: runner.ratio(mine[op], other[op]) for op in ops
                          if op in mine and op in other and min(other[op]) > 0 and min(mine[op]) > 0}
                for op, ratio in ratios.items():
                    means.setdefault(op, []).append(ratio)
                    found.append({"key": runner.TYPES[kind][0], "value": runner.TYPES[kind][1], "n": n, "op": op,
                                  "of": "gomap", "to": rival, "ratio": ratio})
                if ratios:
                    rows.append((format(n, ","), [runner.number(ratios.get(op)) for op in ops]))
            if not rows:
                continue
            rows.append(("mean", [runner.number(runner.geomean(means.get(op, []))) for op in ops]))
            times = [ratio for op, ratios in means.items() if runner.unit(op) == "ns" for ratio in ratios]
            total = runner.geomean(times)
            print("\ngomap / %s, %s: median ratio of the rounds (below 1: gomap takes less)" % (rival, kind))
            runner.print_table(runner.op_heads(ops), rows)
            if total:
                print("geometric mean of all %d times: %.2f" % (len(times), total))
                found.append({"key": runner.TYPES[kind][0], "value": runner.TYPES[kind][1], "n": None,
                              "op": "all times", "of": "gomap", "to": rival, "ratio": total})
    return found


def instructions(build, impls, quick):
    """Instructions per operation by callgrind, of the measured part alone.  Returns cells."""
    if not shutil.which("valgrind"):
        print("\nskipped: instruction counts (valgrind is not installed)")
        return []
    kinds, ops, cells = COUNTED_TYPES, COUNTED_OPS, []
    if quick:
        kinds, ops = kinds[:1], ["hit"]
        impls = [impl for impl in impls if impl.name in ("gomap",) + runner.RIVALS]
    for kind in kinds:
        counts = {}
        for impl in impls:
            if impl.name in NOT_COUNTED:
                continue
            for op in ops:
                runner.progress("instructions of %s, %s: %s" % (op, kind, impl.name))
                counts.setdefault(impl.name, {})[op] = runner.count_instructions(
                    build, impl, kind, COUNTED_SIZE, op, COUNTED_WORK)
        runner.progress()
        print("\n%s -> %s, %s entries: instructions per operation (callgrind)"
              % (*runner.TYPES[kind], format(COUNTED_SIZE, ",")))
        runner.print_table(runner.op_heads(ops), [
            (name, [runner.number(by_op[op]) for op in ops]) for name, by_op in counts.items()])
        for op in ops:
            cells.append(runner.cell("map", kind, COUNTED_SIZE, op, {
                name: runner.spread([by_op[op]]) for name, by_op in counts.items() if by_op[op] is not None},
                "instructions"))
    runner.print_skipped({impl.name: NOT_COUNTED[impl.name] for impl in impls if impl.name in NOT_COUNTED})
    return cells


def main():
    args = options()
    selected = args.impl or args.sizes or args.types or args.ops or args.rounds
    sizes = args.sizes or (QUICK_SIZES if args.quick else SIZES)
    kinds = args.types or list(runner.TYPES)
    ops = [op for op in runner.OPS if not args.ops or op in args.ops]
    rounds = args.rounds or (2 if args.quick else 5)
    work = runner.QUICK_WORK if args.quick else runner.WORK
    impls, skipped = runner.present(args.build, args.impl)

    runner.print_machine()
    runner.print_skipped(skipped)
    everything, cells = {}, []
    for kind in kinds:
        for n in sizes:
            here = [op for op in ops if op != "miss_churned" or n <= CHURNED_MAX or args.ops]
            values = runner.measure(args.build, impls, kind, n, rounds, here, work)
            everything[kind, n] = values
            table(kind, n, values, impls, ops, rounds)
            for op in here:
                cells.append(runner.cell("map", kind, n, op, {
                    name: runner.spread(by_op[op]) for name, by_op in values.items() if op in by_op}))
    ratios = summaries(everything, ops, sizes)
    if args.instructions or (args.instructions is None and not selected):
        cells += instructions(args.build, impls, args.quick)
    if args.json:
        runner.write_json(args.json, "map", rounds, cells, ratios=ratios, skipped=skipped)


if __name__ == "__main__":
    runner.run_verb(main)
