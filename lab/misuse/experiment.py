"""What happens to a program that uses one map from several threads without a lock, or a map that is nil?

Real Go dies, so each run is a process of its own and what is kept is the first line of its last words.
"""
import re

import kit

TITLE = "What happens when a map is used as it must not be?"
ANSWERS = ["K63", "K64", "K68", "K69", "K70"]
PROGRAMS = ["forbidden"]
SWISS_GO = kit.NEWEST_GO
GO = {"misuse_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}

RACES = ("writes", "read", "iterate", "clone")
WORDS = {"writes": "concurrent map writes", "read": "concurrent map read and map write",
         "iterate": "concurrent map iteration and map write", "clone": "concurrent map clone and map write"}
UNDISTURBED = "came to its end"


def last_words(lab, version, mode):
    """How one run of the Go program ended: what the runtime said, or the end."""
    done = lab.run([lab.program("misuse_" + version), mode], pin=False, timeout=60)
    if done.returncode == 0:
        return UNDISTURBED
    found = re.search(r"^(fatal error|panic|unexpected fault address)[: ].*$", done.stderr, re.MULTILINE)
    return found[0].split(" 0x")[0] if found else "exit code %d" % done.returncode


def two_threads(lab, name, keys):
    """The same of two C threads: what the fatal hook was told, or how the process ended."""
    done = lab.run([lab.program("forbidden"), "threads", name, keys], pin=False, timeout=60)
    if done.returncode != 0:
        return "signal %d" % -done.returncode if done.returncode < 0 else done.stderr.strip()
    said = re.search(r'"said":"([^"]*)"', done.stdout)[1]
    return said or UNDISTURBED


def counted(outcomes):
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def run(lab):
    times, keys = lab.pick(2, 10, 40), lab.pick(100000, 300000, 300000)
    data = {"c": {mode: lab.call("forbidden", mode) for mode in ("words", "nil", "flags")}, "go": {}, "absent": {}}
    data["threads"] = {name: counted([two_threads(lab, name, keys) for _ in range(times)])
                       for name in ("classic", "gomap")}
    for program, (_, version) in GO.items():
        if not lab.have(program):
            data["absent"]["Go " + version] = lab.missing.get(program, "was not built")
            continue
        lab.say(version)
        found = {mode: counted([last_words(lab, version, mode) for _ in range(times)]) for mode in RACES}
        found.update({mode: lab.call(program, mode) for mode in ("nil", "param")})
        found["fault"] = last_words(lab, version, "fault")
        if version == kit.CLASSIC_GO:
            found["flags"] = lab.call(program, "flags")
        data["go"][version] = found
    return data


# ---- verdicts

def judge(data):
    if kit.CLASSIC_GO not in data["go"]:
        return kit.not_here(ANSWERS, "; ".join("%s: %s" % item for item in data["absent"].items()))
    return [judge_mark(data), judge_message(data), judge_nil(data), judge_param(data), judge_workload(data)]


def said(outcomes):
    return ", ".join("%s: %d" % item for item in outcomes.items())


def judge_mark(data):
    """Confirmed: the mark is never set while the map grows, and a bucket has room for a lock; refuted: neither."""
    real, ours = data["go"][kit.CLASSIC_GO]["flags"], data["c"]["flags"]
    locked = [f for f in real["bucket"] if f.split()[0] not in ("topbits", "keys", "elems", "overflow", "pad")]
    if not real["growing"] or not ours["growing"]:
        verdict = kit.INCONCLUSIVE
    elif real["both"] and not locked:
        verdict = kit.REFUTED
    else:
        verdict = kit.CONFIRMED if not real["both"] and locked else kit.DEPENDS
    return kit.Verdict("K63", verdict, "hashWriting is set only when the map is not growing; buckets have locks; barriers make "
                       "writes atomic",
                       "Go 1.23: in %d of %d calls of the hash function by a growing map the mark is set (classic: %d of %d); "
                       "a bucket is %s" % (real["both"], real["growing"], ours["both"], ours["growing"],
                                           ", ".join(real["bucket"])),
                       "the mark is set by every write and asks for no lock; barriers serve the collector. What two unlocked "
                       "writers get: K64")


def judge_message(data):
    """Confirmed: every run with several writers that was ended, was ended by these words, in all versions, though every
    goroutine recovers from panics; and some were."""
    ends = {v: found["writes"] for v, found in data["go"].items()}
    wanted = "fatal error: " + WORDS["writes"]
    hits = {v: e.get(wanted, 0) for v, e in ends.items()}
    others = sorted({o for e in ends.values() for o in e} - {wanted, UNDISTURBED})
    exact = data["c"]["words"] == WORDS
    verdict = kit.REFUTED if others else kit.CONFIRMED if all(hits.values()) else kit.INCONCLUSIVE
    rest = "; ".join("%s, %s: %s" % (v, mode, said(found[mode])) for v, found in data["go"].items() for mode in RACES[1:])
    return kit.Verdict("K64", verdict, 'concurrent writes end in "fatal error: concurrent map writes"',
                       "; ".join("%s: %s" % (v, said(e)) for v, e in ends.items()),
                       "no panic: recover does not help. The other words: %s. classic says all four: %s"
                       % (rest, kit.figure(exact)))


def judge_nil(data):
    """Confirmed: all reads are done and the write panics, in all versions."""
    answers = {**{v: f["nil"] for v, f in data["go"].items()}, "classic": data["c"]["nil"]}
    good = all(a[what] is True for a in answers.values() for what in ("read", "len", "range", "delete", "clear")) and \
        all(a["write"] == "assignment to entry in nil map" for a in answers.values())
    return kit.Verdict("K68", kit.CONFIRMED if good else kit.REFUTED, "a nil map can be read; a write to it panics",
                       "read, len, range, delete, clear and write on %s: the first five are done, the write says \"%s\""
                       % (", ".join(answers), answers[kit.CLASSIC_GO]["write"]) if good else repr(answers),
                       "in Go the panic can be recovered from; classic calls the fatal hook and does nothing")


def judge_param(data):
    """Confirmed: the caller's map is damaged; depends: it is not, but who uses the overwritten parameter gets the fault."""
    intact = {v: f["param"]["intact"] for v, f in data["go"].items()}
    fault = {v: f["fault"] for v, f in data["go"].items()}
    faults = all(f.startswith("unexpected fault address") for f in fault.values())
    verdict = kit.CONFIRMED if not all(intact.values()) else kit.DEPENDS if faults else kit.REFUTED
    return kit.Verdict("K69", verdict, "writing through the cast address of the map parameter leaves a dangling map",
                       "; ".join("%s: the caller's map is %s; use of the overwritten parameter: %s"
                                 % (v, "intact" if intact[v] else "damaged", fault[v]) for v in intact),
                       "the parameter is a copy of a pointer: what dangles is this copy, until the function returns")


def judge_workload(data):
    """Confirmed: all runs of the workload come to their end; refuted: none does; depends: some do."""
    runs = data["go"][kit.CLASSIC_GO]["writes"]
    total, alive = sum(runs.values()), runs.get(UNDISTURBED, 0)
    verdict = kit.CONFIRMED if alive == total else kit.REFUTED if not alive else kit.DEPENDS
    return kit.Verdict("K70", verdict, "concurrent writes without a lock are a workload one can measure",
                       "of %d runs of Go 1.23 with four writers, %d came to their end" % (total, alive),
                       "with two threads: classic: %s; gomap: %s" % (said(data["threads"]["classic"]),
                                                                     said(data["threads"]["gomap"])))


# ---- tables

def tables(data):
    rows = [[v, mode, outcome, kit.figure(n)] for v, found in data["go"].items() for mode in RACES
            for outcome, n in found[mode].items()]
    rows += [["%s, two threads" % name, "writes", outcome, kit.figure(n)] for name, outcomes in data["threads"].items()
             for outcome, n in outcomes.items()]
    rows += [["classic, within a write", mode, words, "1"] for mode, words in data["c"]["words"].items()]
    return [kit.Table("How runs end that use one map without a lock", ["map", "beside a writer", "end", "runs"], rows,
                      "read, iterate, clone: by another goroutine than the one that writes. gomap names its map and says "
                      "\"put during a write\".")]


def plots(data):
    return []
