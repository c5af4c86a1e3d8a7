#!/usr/bin/env python3
"""run_latency.py BUILD_DIR [--quick] --json FILE - how long single inserts take while a map grows from nothing,
and how much any single operation does (bench/latency.cpp, bench/counters.c).

The row "clock" is a loop that only reads the clock, for as long as the inserts of gomap beside it: what the
machine does by itself.
"""
import json
import os

import runner

ENGINES = ["gomap", "gomap-memory", "gomap-speed", "boost", "absl", "std"]
PERCENTILES = ["p50", "p90", "p99", "p99.9", "p99.99", "max"]
ABOVE = {"above_1us": 1000, "above_10us": 10000, "above_100us": 100000, "above_1ms": 1000000}
# What became of inserts longer than 100 us.  Repeated: unexplained at the same insert in more than one round.
CAUSES = ["preempted", "faulted", "unexplained", "repeated"]
COUNTS = ["moved_max", "memory_calls_max", "resident_max", "heap_max", "range_changes", "range_calls_max",
          "range_resident_max"]


def run(build, program, *arguments):
    """Its lines of JSON; None: not in this build."""
    done = runner.pinned([os.path.join(build, "bench", program)] + [str(a) for a in arguments])
    if done.returncode == 77:
        return None
    try:
        # counters ends with 1 when a bound is broken, which is a result too
        if done.returncode == 0 or (program == "counters" and done.returncode == 1):
            return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()
    except ValueError:
        pass
    raise runner.Failed("%s %s failed (exit code %d): %s" % (program, " ".join(map(str, arguments)), done.returncode,
                                                             done.stderr.strip() or "no message"))


def repeated(rounds):
    """Inserts that were slow and unexplained in more than one round."""
    seen = {}
    for got in rounds:
        for operation, _ in got["operations"]:
            seen[operation] = seen.get(operation, 0) + 1
    return sum(times > 1 for times in seen.values())


def latencies(build, engines, n, rounds):
    """{implementation: [what the program said of its inserts, a round each]}, and whether faults were recorded."""
    values, recorded = {}, True
    for number in range(1, rounds + 1):
        for engine in engines:
            runner.progress("%d inserts, round %d of %d: %s" % (n, number, rounds, engine))
            got = run(build, "latency", engine, n)
            if not got:
                continue
            line = got[0][0]
            recorded = recorded and line["faults_recorded"]
            values.setdefault(engine, []).append(line["inserts"])
            if engine == "gomap":
                values.setdefault("clock", []).append(scaled(line["clock"], line["inserts"]["busy_ns"]))
    runner.progress()
    return values, recorded


def scaled(clock, busy_ns):
    """The control loop's counts, as if it had run exactly as long as the inserts."""
    share = busy_ns / clock["busy_ns"]
    clock = dict(clock, above={ns: n * share for ns, n in clock["above"].items()}, total=clock["total"] * share)
    for cause in ("preempted", "faulted", "unexplained"):
        clock[cause] *= share
    return clock


def cells_of(values, n):
    """Cells of all distributions."""
    def cell(op, unit, pick):
        results = {impl: runner.spread([pick(got) for got in rounds]) for impl, rounds in values.items()}
        return runner.cell("latency", "u64-u64", n, op, results, unit)

    cells = [cell(p, "ns", lambda got, p=p: got[p]) for p in PERCENTILES]
    cells += [cell(op, "operations", lambda got, ns=ns: got["above"][str(ns)]) for op, ns in ABOVE.items()]
    cells += [cell("slow_" + cause, "operations", lambda got, cause=cause: got[cause]) for cause in CAUSES[:3]]
    results = {impl: runner.spread([repeated(rounds)]) for impl, rounds in values.items() if impl != "clock"}
    cells.append(runner.cell("latency", "u64-u64", n, "slow_repeated", results, "operations"))
    thresholds = sorted({int(ns) for rounds in values.values() for got in rounds for ns in got["above"]})
    cells += [cell("share_above_%dns" % ns, "1", lambda got, ns=ns: got["above"][str(ns)] / got["total"])
              for ns in thresholds]
    return cells


def counter_cells(lines):
    cells = []
    for line in lines:
        if line["scenario"].startswith("ageing"):
            cells.append(runner.cell("counters", "u64-u64", line["n"], "miss_looks_ratio",
                                     {line["scenario"]: runner.spread([line["miss_looks_ratio"]])}, "1"))
            continue
        for op in COUNTS + ["chained_max"]:
            unit = {"moved_max": "entries", "resident_max": "bytes", "heap_max": "bytes",
                    "range_resident_max": "bytes", "chained_max": "1"}.get(op, "operations")
            cells.append(runner.cell("counters", "u64-u64", line["n"], op,
                                     {line["scenario"]: runner.spread([line[op]])}, unit))
    return cells


def main():
    args = runner.parser("latency", "How long single inserts take, and how much any operation does.", ENGINES).parse_args()
    n, rounds = 500000 if args.quick else 10000000, args.rounds or (2 if args.quick else 5)
    values, recorded = latencies(args.build, args.impl or ENGINES, n, rounds)
    if not values:
        raise runner.Failed("this build has none of " + ", ".join(args.impl))
    runner.progress("counting the work of single operations")
    counted, broken = run(args.build, "counters", n, "--json")
    runner.progress()

    cells = cells_of(values, n)
    runner.print_machine()
    print("single inserts from 0 to %d entries, ns, then how many were slower; median of %d" % (n, rounds))
    names = list(values)
    rows = [(cell["op"], [runner.number(cell["results"][i]["median"]) if i in cell["results"] else "-"
                          for i in names]) for cell in cells if not cell["op"].startswith("share_")]
    runner.print_table([names], rows, first=18, width=14)
    if not recorded:
        print("(no page faults recorded here: perf_event_open is not allowed)")
    print("\nthe most that any one operation of gomap did")
    runner.print_table([["entries"] + [op.replace("_max", "") for op in COUNTS]],
                       [(line["scenario"], [line["n"]] + [line[op] for op in COUNTS])
                        for line in counted if "moved_max" in line], first=16, width=15)
    runner.print_table([["ratio"]], [(line["scenario"], ["%.2f" % line["miss_looks_ratio"]])
                                     for line in counted if "miss_looks_ratio" in line], first=16)
    for line in broken:
        print("bound broken: " + line)
    if args.json:
        runner.write_json(args.json, "latency", rounds, cells + counter_cells(counted), quick=args.quick,
                          faults_recorded=recorded, bounds_broken=broken)


if __name__ == "__main__":
    runner.run_verb(main)
