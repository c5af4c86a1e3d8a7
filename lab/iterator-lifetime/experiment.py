"""Does a growth free the buckets an iterator walks?

Real Go runs with a collector that overwrites what it frees; classic and gomap run under the address sanitizer, and so does
classic with its iterator's pins let go: the mistake that the articles describe, made on purpose.
"""
import re
import subprocess

import kit

TITLE = "Does a growth free the buckets an iterator walks?"
ANSWERS = ["K61", "K62"]
PROGRAMS = ["lifetime"]
SWISS_GO = kit.NEWEST_GO
GO = {"iterate_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}

# What mapiternext of Go 1.23 may call for iteration alone: its only error, a lookup in the grown map, the key's hash function
# (through a register), what the compiler adds.
HARMLESS = r"runtime\.(mapaccessK|gcWriteBarrier\d*|morestack\w*|memequal|panic\w*)\b|^[A-Z]\w*$"
ERROR = "runtime.fatal"


def run(lab):
    n, seeds = lab.pick(3000, 20000, 100000), lab.pick(1, 5, 20)
    data = {"n": n, "c": {}, "go": {}, "absent": {}}
    for name in ("classic", "gomap"):
        data["c"][name] = [lab.call("lifetime", name, n, seed) for seed in range(seeds)]
    data["bare"] = [without_pins(lab, n, seed) for seed in range(seeds)]
    for program, (_, version) in GO.items():
        if lab.have(program):
            data["go"][version] = [lab.call(program, n, env={"GODEBUG": "clobberfree=1"}, pin=False)
                                   for _ in range(seeds)]
        else:
            data["absent"]["Go " + version] = lab.missing.get(program, "was not built")
    if lab.have("iterate_" + kit.CLASSIC_GO):
        data["calls"] = calls_of_mapiternext(lab.program("iterate_" + kit.CLASSIC_GO))
    return data


def without_pins(lab, n, seed):
    """What the sanitizer says of an iterator that holds nothing: the kind of error and where."""
    done = lab.run([lab.program("lifetime"), "bare", n, seed])
    kind = re.search(r"AddressSanitizer: (\S+)", done.stderr)
    where = re.search(r"#\d+ \S+ in (gomap_\w+)", done.stderr)
    return {"code": done.returncode, "error": kind[1] if kind else "none", "in": where[1] if where else "-"}


def calls_of_mapiternext(program):
    """{function: calls} in the machine code of Go's mapiternext."""
    listing = subprocess.run(["go", "tool", "objdump", "-s", r"^runtime\.mapiternext$", program], capture_output=True,
                             text=True, env=kit.go_env(kit.CLASSIC_GO), stdin=subprocess.DEVNULL, check=False).stdout
    calls = {}
    for target in re.findall(r"\tCALL ([^\s(]+)", listing):
        calls[target] = calls.get(target, 0) + 1
    return calls


# ---- verdicts

def judge(data):
    if kit.CLASSIC_GO not in data["go"]:
        return kit.not_here(ANSWERS, "; ".join("%s: %s" % item for item in data["absent"].items()))
    return [judge_free(data), judge_checks(data)]


def faults(runs):
    return sum(r["twice"] + r["wrong"] + r["missing"] + r["deleted_seen"] for r in runs)


def judge_free(data):
    """Refuted: real Go hands out every entry once with its value, the old array outlives the growths as long as it is walked,
    and, in most runs at least, is seen freed afterwards: so it could have been seen before.  (Memory may be in use again
    when it is looked at.)  Confirmed: an entry is wrong or lost, or the array is gone."""
    runs = data["go"][kit.CLASSIC_GO]
    alive, freed = (sum(r[what] for r in runs) for what in ("alive_while", "freed_after"))
    sound = alive == len(runs) and not any(faults(r) for r in data["go"].values())
    verdict = kit.CONFIRMED if not sound else kit.REFUTED if 2 * freed > len(runs) else kit.INCONCLUSIVE
    bare = sum(b["error"] == "heap-use-after-free" for b in data["bare"])
    return kit.Verdict(
        "K61", verdict, "growth frees oldbuckets under an iterator: dangling pointers, silent corruption",
        "Go 1.23, %d iterations over %d entries, %d doublings in each: %d entries wrong, twice or lost; the old array alive in "
        "%d, freed when the iteration was over in %d" % (len(runs), runs[0]["entries"],
                                                         runs[0]["b_after"] - runs[0]["b_before"], faults(runs), alive, freed),
        "in C it is true of a port that frees the old array when evacuation is done: %d of %d runs without pins end in "
        "heap-use-after-free in %s; with pins, and in gomap, none of %d do"
        % (bare, len(data["bare"]), data["bare"][0]["in"], sum(len(r) for r in data["c"].values())))


def judge_checks(data):
    """Refuted: beside the one for concurrent writes, mapiternext calls nothing that could report a freed bucket."""
    calls = data["calls"]
    other = {name: n for name, n in calls.items() if name != ERROR and not re.search(HARMLESS, name)}
    known = ERROR in calls
    verdict = kit.INCONCLUSIVE if not known else kit.REFUTED if calls[ERROR] == 1 and not other else kit.DEPENDS
    return kit.Verdict("K62", verdict, "mapiternext checks for freed buckets",
                       "calls in its machine code (Go 1.23): " + ", ".join("%s %d" % c for c in sorted(calls.items())),
                       "its one error is \"concurrent map iteration and map write\"; a bucket is never free while it is walked. "
                       "Registers: the key's hash function")


# ---- tables

def tables(data):
    rows = []
    for version, runs in data["go"].items():
        rows.append(["Go " + version[2:], kit.figure(runs[0]["entries"]), "%d -> %d" % (runs[0]["b_before"],
                                                                                       runs[0]["b_after"]),
                     kit.figure(faults(runs)), kit.figure(len(runs)), "-"])
    for name, runs in data["c"].items():
        held = kit.summary([r["held_bytes"] for r in runs]).median
        rows.append([name, kit.figure(runs[0]["entries"]), "%d growths" % runs[0]["growths"], "0", kit.figure(len(runs)),
                     "%s in %d arrays; %d after" % (kit.figure(held), max(r["held_arrays"] for r in runs),
                                                    max(r["held_after"] for r in runs)) if held else "none"])
    rows.append(["classic without pins", kit.figure(data["n"]), "1 growth",
                 ", ".join(sorted({b["error"] for b in data["bare"]})), kit.figure(len(data["bare"])), "none"])
    return [kit.Table("Iterating over a map that grows", ["map", "entries", "growth meanwhile", "faults", "runs",
                                                          "bytes held for the iterator"], rows,
                      "Growth of Go: bits of the bucket number; since 1.24, of the directory of tables. Faults: entries returned "
                      "twice, after deletion, with a wrong value, or never; a program that finds one fails.")]


def plots(data):
    return []
