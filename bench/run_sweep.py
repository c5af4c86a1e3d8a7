#!/usr/bin/env python3
"""run_sweep.py BUILD_DIR [options] - 40 sizes between two doublings; see README.md.

A table that doubles has twice the room just after it grew, and its figures at one size say little about the next.
Over a whole doubling nothing can hide: the mean is what a program with maps of any size sees, the worst size
what one with bad luck does.
"""
import statistics

import runner

FROM, POINTS = 500000, 40
QUICK_FROM, QUICK_POINTS = 10000, 4
OPS = ["insert", "hit", "miss", "erase", "rss"]


def options():
    args = runner.parser("sweep", "40 sizes between two doublings.")
    args.add_argument("--from", type=runner.positive, dest="least", metavar="N",
                      help="the least size; the sweep ends before twice as many (default %d)" % FROM)
    args.add_argument("--points", type=runner.positive, metavar="N", help="sizes (default %d)" % POINTS)
    args.add_argument("--types", type=runner.names_of(runner.TYPES, "type"), metavar="A,B",
                      help="of " + ", ".join(runner.TYPES))
    args.add_argument("--ops", type=runner.names_of(runner.OPS, "operation"), metavar="A,B",
                      help="of " + ", ".join(runner.OPS))
    return args.parse_args()


def report(kind, op, sizes, by_size, impls):
    """One operation: a line per implementation over all sizes.  Returns ratios for the JSON document."""
    key, value = runner.TYPES[kind]
    print("\n%s -> %s, %s, %s: %d sizes from %s to %s"
          % (key, value, op, "bytes per entry" if op == "rss" else "ns", len(sizes),
             format(sizes[0], ","), format(sizes[-1], ",")))
    print("%-13s%-38s%s" % ("", "   of the sizes' medians", "gomap / it"))
    print("%-13s%8s%8s%8s%11s%11s%8s%11s" % ("", "mean", "least", "most", "at size", "mean", "most", "at size"))
    ratios = []
    for impl in impls:
        at = {n: v[impl.name][op] for n, v in by_size.items() if op in v.get(impl.name, {})}
        if not at:
            continue
        medians = {n: statistics.median(values) for n, values in at.items()}
        worst = max(medians, key=medians.get)
        line = "%-13s%8s%8s%8s%11s" % (
            impl.name, runner.number(statistics.mean(medians.values())), runner.number(min(medians.values())),
            runner.number(medians[worst]), format(worst, ","))
        against = {n: runner.ratio(by_size[n]["gomap"][op], values) for n, values in at.items()
                   if op in by_size[n].get("gomap", {}) and min(values) > 0 and min(by_size[n]["gomap"][op]) > 0}
        if impl.name != "gomap" and against:
            most = max(against, key=against.get)
            mean = runner.geomean(against.values())
            line += "%11.2f%8.2f%11s" % (mean, against[most], format(most, ","))
            ratios.append({"key": key, "value": value, "op": op, "of": "gomap", "to": impl.name, "ratio": mean,
                           "worst": against[most], "worst_n": most})
        print(line)
    return ratios


def summary(kind, ops, ratios):
    """gomap's time over the rivals', the mean over all sizes: one line per rival."""
    of_kind = [r for r in ratios if (r["key"], r["value"]) == runner.TYPES[kind]]
    rivals = list(dict.fromkeys(r["to"] for r in of_kind))
    if not rivals:
        return
    print("\n%s -> %s: gomap / other, geometric mean of all sizes (below 1: gomap takes less)" % runner.TYPES[kind])
    rows = []
    for rival in rivals:
        by_op = {r["op"]: r["ratio"] for r in of_kind if r["to"] == rival}
        times = [by_op[op] for op in by_op if runner.unit(op) == "ns"]
        rows.append((rival, [runner.number(by_op.get(op)) for op in ops] + [runner.number(runner.geomean(times))]))
    first, second = runner.op_heads(ops)
    runner.print_table([first + ["all"], second + ["times"]], rows)


def main():
    args = options()
    least = args.least or (QUICK_FROM if args.quick else FROM)
    points = args.points or (QUICK_POINTS if args.quick else POINTS)
    sizes = [round(least * 2 ** (i / points)) for i in range(points)]
    kinds = args.types or ["u64-u64"]
    ops = args.ops or OPS
    rounds = args.rounds or (1 if args.quick else 3)
    work = runner.QUICK_WORK if args.quick else runner.WORK
    impls, skipped = runner.present(args.build, args.impl)

    runner.print_machine()
    runner.print_skipped(skipped)
    cells, ratios = [], []
    for kind in kinds:
        by_size = {n: runner.measure(args.build, impls, kind, n, rounds, ops, work) for n in sizes}
        for op in ops:
            ratios += report(kind, op, sizes, by_size, impls)
            for n, values in by_size.items():
                cells.append(runner.cell("sweep", kind, n, op, {
                    name: runner.spread(by_op[op]) for name, by_op in values.items() if op in by_op}))
        summary(kind, ops, ratios)
    if args.json:
        runner.write_json(args.json, "sweep", rounds, cells, ratios=ratios, skipped=skipped)


if __name__ == "__main__":
    runner.run_verb(main)
