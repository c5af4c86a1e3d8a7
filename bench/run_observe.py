#!/usr/bin/env python3
"""run_observe.py BUILD_DIR [--quick] --json FILE - what observation costs the program that is observed
(bench/observing.c): sampling, events, labels, hooks, durations, stacks, writing a profile.
"""
import json
import os

import runner

UNITS = {"profile": "ms"}
OFF = {"churn_sampled": "churn_off", "churn_all": "churn_off", "grow_sampled": "grow_off", "grow_timed": "grow_off",
       "grow_stacks": "grow_off", "put_rare": "put_off", "put_hooked": "put_off", "delete_hooked": "delete_off"}


def run(build, churns, samples):
    done = runner.pinned([os.path.join(build, "bench", "observing"), str(churns), str(samples)])
    if done.returncode != 0:
        raise runner.Failed("observing failed (exit code %d): %s" % (done.returncode, done.stderr.strip() or "no message"))
    return {line["op"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}


def main():
    args = runner.parser("observe", "What observation costs the program that is observed.").parse_args()
    churns, samples, rounds = (20000, 2000, 2) if args.quick else (3000000, 100000, 9)
    rounds = args.rounds or rounds
    got = []
    for number in range(1, rounds + 1):
        runner.progress("round %d of %d" % (number, rounds))
        got.append(run(args.build, churns, samples))
    runner.progress()
    cells = [runner.cell("observe", "u64-u64", samples if op == "profile" else churns, op,
                         {"gomap": runner.spread([one[op] for one in got])}, UNITS.get(op, "ns")) for op in got[0]]
    for op, off in OFF.items():
        cells.append(runner.cell("observe", "u64-u64", churns, op + "_to_off",
                                 {"gomap": runner.spread([one[op] / one[off] for one in got])}, "1"))
    runner.print_machine()
    print("what observation costs; median, least, most of %d" % rounds)
    rows = [(cell["op"], [runner.number(cell["results"]["gomap"][k]) for k in ("median", "min", "max")] + [cell["unit"]])
            for cell in cells]
    runner.print_table([["median", "least", "most", ""]], rows, first=22, width=10)
    if args.json:
        runner.write_json(args.json, "observe", rounds, cells, quick=args.quick)


if __name__ == "__main__":
    runner.run_verb(main)
