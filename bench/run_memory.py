#!/usr/bin/env python3
"""run_memory.py BUILD_DIR [--quick] --json FILE - resident bytes of maps at every size, what they give back, and
what many small maps cost (bench/memory.cpp).

Bytes do not depend on how busy the machine is: few rounds are enough, and they differ by the maps' seeds alone.
"""
import json
import os

import runner

ENGINES = ["gomap", "gomap-memory", "gomap-speed", "boost", "absl", "std", "glib", "judy"]
MANY = [(1000000, n) for n in (0, 1, 4, 8, 15)] + [(100000, 100)]
ABOUT = {
    "rss_worst": "bytes/entry, worst size from 2*10^5 entries on",
    "rss_peak": "bytes/entry, peak while filling",
    "rss_erased": "% of the peak after erasing 99 %",
    "rss_tidied": "% of the peak after asking (gomap_work, rehash)",
}


def run(build, engine, *arguments):
    """The program's line of JSON; None: this build has no such engine."""
    done = runner.pinned([os.path.join(build, "bench", "memory"), engine] + [str(a) for a in arguments])
    if done.returncode == 77:
        return None
    try:
        if done.returncode == 0:
            return json.loads(done.stdout)
    except ValueError:
        pass
    raise runner.Failed("memory %s failed (exit code %d): %s"
                        % (engine, done.returncode, done.stderr.strip() or "no message"))


def fill(build, engines, n, rounds):
    """{operation or size: {engine: [a value a round]}}"""
    values = {}

    def note(what, engine, value):
        values.setdefault(what, {}).setdefault(engine, []).append(value)

    for number in range(1, rounds + 1):
        for engine in engines:
            runner.progress("%d entries, round %d of %d: %s" % (n, number, rounds, engine))
            got = run(build, engine, "fill", n)
            if not got:
                continue
            for size, each in got["curve"]:
                note(size, engine, each)
            note("rss_worst", engine, got["worst"])
            note("rss_peak", engine, got["peak"] / n)
            note("rss_erased", engine, 100 * got["erased"] / got["peak"])
            note("rss_tidied", engine, 100 * got["tidied"] / got["peak"])
    runner.progress()
    return values


def many(build, engines, rounds, divide):
    values = {}
    for _ in range(rounds):
        for maps, n in MANY:
            for engine in engines:
                runner.progress("%d maps of %d entries: %s" % (maps // divide, n, engine))
                got = run(build, engine, "many", maps // divide, n)
                if got:
                    values.setdefault(n, {}).setdefault(engine, []).append(got["bytes_per_map"])
    runner.progress()
    return values


def spread_all(by_engine):
    return {engine: runner.spread(values) for engine, values in by_engine.items()}


def main():
    args = runner.parser("memory", "Resident bytes of maps at every size, and what they give back.", ENGINES).parse_args()
    n, rounds = 500000 if args.quick else 10000000, args.rounds or (1 if args.quick else 3)
    engines = args.impl or ENGINES
    filled = fill(args.build, engines, n, rounds)
    if not filled:
        raise runner.Failed("this build has none of " + ", ".join(engines))
    small = many(args.build, engines, rounds, 20 if args.quick else 1)
    cells = []
    for what, by_engine in filled.items():
        if what in ABOUT:
            unit = "%" if what in ("rss_erased", "rss_tidied") else "bytes"
            cells.append(runner.cell("memory", "u64-u64", n, what, spread_all(by_engine), unit))
        else:
            cells.append(runner.cell("memory", "u64-u64", what, "rss_per_entry", spread_all(by_engine), "bytes"))
    for entries, by_engine in small.items():
        cells.append(runner.cell("memory", "u64-u64", entries, "rss_per_map", spread_all(by_engine), "bytes"))

    here = [e for e in engines if e in filled["rss_worst"]]
    runner.print_machine()
    print("resident set, %d entries of 16 bytes, median of %d" % (n, rounds))
    rows = [(about, [runner.number(runner.spread(filled[what][e])["median"]) for e in here])
            for what, about in ABOUT.items()]
    rows += [("bytes/map of %d entries" % entries,
              [runner.number(runner.spread(by_engine[e])["median"]) for e in here])
             for entries, by_engine in small.items()]
    runner.print_table([here], rows, first=50, width=14)
    if args.json:
        runner.write_json(args.json, "memory", rounds, cells, quick=args.quick)


if __name__ == "__main__":
    runner.run_verb(main)
