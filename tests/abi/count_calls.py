#!/usr/bin/env python3
"""count_calls.py PROGRAM - what observation costs, in executed instructions (valgrind's callgrind).

Runs PROGRAM (count_calls.c: the same work to the last instruction each time) with all of observation off that can be
switched off, as it is by default, and with all of it on, and compares (in long runs under both integer hashes):

  lookups  exactly the same number of instructions: on or off, a lookup executes none for observation
  inserts  the registry and the flight recorder, which are always there, stay below EVENTS_MAX of them
  bytes    a map takes as many whether it is observed or not
  hooks    typed lookups of a map with hooks, and typed puts of one with hooks of what is rare, execute as many as ever;
           an empty hook of every put stays below HOOK_MAX

TAP; exit code 77 with a reason where valgrind is missing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

OFF, USUAL, ALL = "registry:0", "registry:1", "registry:1,log:1,backtrace_above:1"
LOOKUPS = ["counted_typed_hits", "counted_typed_misses", "counted_hits", "counted_misses"]
EVENTS_MAX = 0.002  # of the instructions of 20000 inserts into a new map; 0.0001 when this was set
HOOK_MAX = 130      # instructions of a put with an empty hook above one without; 94 when this was set
LOOKUP_MAX = 250    # instructions a lookup, the loop around it included; 43 to 169 when this was set
COST = re.compile(r"^\s*([\d,]+)\s.*?:(\w+)(?: \[.*\])?$")


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


def count(program, conf, hashing):
    """{function: instructions in it and all it calls}, and what the program printed."""
    with tempfile.TemporaryDirectory() as folder:
        out = folder + "/callgrind.out"
        run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, program, hashing],
                             env=dict(os.environ, GOMAP_CONF=conf), text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        if run.returncode:
            raise SystemExit("Bail out! exit code %d with GOMAP_CONF=%s: %s" % (run.returncode, conf, run.stderr))
        table = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--show-percs=no", out],
                               check=True, text=True, stdout=subprocess.PIPE).stdout
    costs = {}
    for line in table.splitlines():
        m = COST.match(line)
        if m:
            costs[m[2]] = max(costs.get(m[2], 0), int(m[1].replace(",", "")))
    return costs, run.stdout


def main():
    program = sys.argv[1]
    if not shutil.which("valgrind") or not shutil.which("callgrind_annotate"):
        skip("valgrind is not installed")
    n = failed = 0

    def point(ok, what, note):
        nonlocal n, failed
        n += 1
        failed += not ok
        print("%sok %d - %s\n#   %s" % ("" if ok else "not ", n, what, note))

    def hooks(cost, hashing, entries):
        for plain, other in (("counted_typed_hits", "counted_typed_hits_hooked"),
                             ("counted_typed_puts", "counted_typed_puts_rare")):
            point(cost[plain] == cost[other], "%s: no hook adds an instruction to %s" % (hashing, plain),
                  "%d and %d" % (cost[plain], cost[other]))
        each = (cost["counted_puts_hooked"] - cost["counted_puts"]) / entries
        point(0 < each <= HOOK_MAX, "%s: an empty hook is cheap" % hashing, "%.1f instructions, at most %d" % (each, HOOK_MAX))

    hashes = ("auto", "portable") if os.environ.get("GOMAP_TEST_LONG", "0") not in ("", "0") else ("auto",)
    for hashing in hashes:
        (off, off_out), (usual, usual_out), (full, _) = [count(program, conf, hashing) for conf in (OFF, USUAL, ALL)]
        hooked = "counted_puts_hooked" in off  # not in a library built without
        if not n:
            print("1..%d" % (len(hashes) * (2 * len(LOOKUPS) + 3 + 3 * hooked)))
        per = dict(re.findall(r"(\w+)=(\d+)", off_out))
        for f in LOOKUPS:
            said = "%s: off %d, usual %d, all on %d" % (f, off[f], usual[f], full[f])
            point(off[f] == usual[f] == full[f], "%s: observation adds no instruction to %s" % (hashing, f), said)
            each = off[f] / int(per["lookups"])
            point(10 < each <= LOOKUP_MAX, "%s: instructions of %s" % (hashing, f), "%.1f each, at most %d" % (each, LOOKUP_MAX))
        inserts = usual["counted_inserts"]
        events = usual["gomap__event"]
        point(0 < events <= EVENTS_MAX * inserts, "%s: inserts spend little on the flight recorder" % hashing,
              "%d of %d instructions, %.3f %%" % (events, inserts, 100 * events / inserts))
        # the count does see observation where there is some
        point(full["counted_inserts"] > inserts, "%s: log lines and a backtrace are seen in the count" % hashing,
              "%d against %d" % (full["counted_inserts"], inserts))
        if hooked:
            hooks(off, hashing, int(per["entries"]))
        point(off_out == usual_out, "%s: a map takes as many bytes with and without" % hashing, usual_out.strip())
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
