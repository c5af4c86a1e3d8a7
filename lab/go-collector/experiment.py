"""What Go's collector does with maps: barriers, what keeps a bucket alive, profiles, statistics, pauses, forced cycles."""
import os
import re

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What does the collector do with a map?"
ANSWERS = ["N31", "N40", "K71", "K72", "K73", "K74", "K75", "K76", "K77", "K78", "K79", "K80", "K81", "K90"]
PROGRAMS = ["retire"]
OLD_GO, NEW_GO = "go1.18.10", kit.NEWEST_GO
GO = {"collector_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, NEW_GO)}
CLASSIC = "collector_" + kit.CLASSIC_GO
MODES = [0, 1, 2]           # of gcstoptheworld
RATES = [5, 50, 500]        # MiB/s
PAUSE_US, RATE = 5000, 10   # claimed: pauses of 5 ms above 10 MB/s
FUNCTIONS = r"^runtime\.(\(\*hmap\)\.newoverflow|mapassign|mapassign_fast64|mapassign_fast64ptr|hashGrow|evacuate|" \
            r"mapdelete|mapaccess1|mapiternext)$"
GCTRACE = (r"gc \d+ @[\d.]+s \d+%: [\d.]+\+[\d.e-]+\+[\d.]+ ms clock, [\d.]+\+[\d.]+/[\d.]+/[\d.]+\+[\d.]+ ms cpu, "
           r"\d+->\d+->\d+ MB, \d+ MB goal, \d+ MB stacks, \d+ MB globals, \d+ P(?: \(forced\))?")


def run(lab):
    sizes = {"n": lab.pick(20000, 100000, 300000), "assigns": lab.pick(200000, 1000000, 2000000),
             "watched": lab.pick(300, 1000, 2000), "heaps": lab.pick([1, 16], [4, 64], [4, 64])}  # heaps: MiB
    data = dict(sizes, go={}, retire=lab.call("retire", lab.pick(2000, 50000, 100000))["ways"])
    for version in lab.pick([kit.CLASSIC_GO], [kit.CLASSIC_GO, NEW_GO], [kit.CLASSIC_GO, NEW_GO]):
        program = "collector_" + version
        if lab.have(program):
            data["go"][program] = measure(lab, program, version, sizes)
    if not data["go"]:
        raise kit.Missing("; ".join(lab.missing.values()))
    data["barriers"] = barriers(lab)
    data["old_hybrid"] = hybrid_before(lab)
    return data


def measure(lab, program, version, sizes):
    def call(*args, env=None):
        lab.say("%s %s" % (version, args[0]))
        got = lab.call(program, *args, env=env, pin=False)
        if got.pop("version") != version:
            raise kit.Failed("%s runs another version of Go" % program)
        return got

    n, watched = sizes["n"], sizes["watched"]
    out = {"barrier": call("barrier", n), "overflow": call("overflow", n), "loop": call("loop", n),
           "keeps": call("keeps", n), "assign": call("assign", sizes["assigns"]), "profile": call("profile", n),
           "sampling": {str(rate): call("sampling", 20000, rate) for rate in (1, 0)}, "memstats": call("memstats", n),
           "release": {str(mode): [call("release", entries, env={"GODEBUG": "gcstoptheworld=%d" % mode})
                                   for entries in (1000, lab.pick(2000, 20000, 100000))] for mode in MODES}}
    out["forced"] = {"%s, %s" % (state, "every 200 ms" if period else "as it is"): call("forced", period, watched, state)
                     for state in ("tidy", "garbage") for period in (0, 200)}
    if lab.level == "full":
        out["forced"]["tidy, as it is, 130 s"] = call("forced", 0, 130000, "tidy")
    out["generations"] = lab.rounds({str(mib): mib for mib in sizes["heaps"]}, lambda _, mib, number: {
        "mark_ms": call("generations", mib)["mark_ms_per_cycle"]}, seconds=lab.pick(1, 3, 60))
    out["pauses"] = lab.rounds({str(rate): rate for rate in RATES}, lambda _, rate, number: {
        key: value for key, value in call("pauses", rate, lab.pick(100, 500, 2000)).items()}, seconds=lab.pick(1, 3, 60))
    out["gctrace"] = gctrace(lab, program)
    return out


def gctrace(lab, program):
    """Lines of GODEBUG=gctrace=1, and how many have the form that the runtime's documentation gives."""
    done = lab.run([lab.program(program), "forced", 100, 350, "tidy"], env={"GODEBUG": "gctrace=1"}, pin=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("gc ")]
    if done.returncode or not lines:
        raise kit.Failed("no gctrace from %s: %s" % (program, kit.last_line(done.stderr)))
    return {"lines": len(lines), "as_documented": sum(bool(re.fullmatch(GCTRACE, line)) for line in lines),
            "example": lines[0], "forced_by_time": done.stderr.count("GC forced")}


def barriers(lab):
    """{function: [tests of the barrier's flag, calls of the barrier]} in the machine code of the runtime."""
    if not lab.have(CLASSIC):
        return {}
    done = lab.go("tool", "objdump", "-s", FUNCTIONS, lab.program(CLASSIC), toolchain=kit.CLASSIC_GO)
    counts, function = {}, None
    for line in done.stdout.splitlines():
        head = re.match(r"TEXT (\S+)\(SB\)", line)
        if head:
            function = head[1]
            counts[function] = [0, 0]
        elif function:
            counts[function][0] += "runtime.writeBarrier(SB)" in line
            counts[function][1] += "CALL runtime.gcWriteBarrier" in line
    if not counts:
        raise kit.Failed("objdump found no map functions: %s" % kit.last_line(done.stderr))
    return counts


def hybrid_before(lab):
    """Does the runtime of Go 1.18 have the hybrid barrier?  None: there is no Go 1.18 here."""
    try:
        root = lab.go("env", "GOROOT", toolchain=OLD_GO).stdout.strip()
        with open(os.path.join(root, "src", "runtime", "mbarrier.go"), encoding="utf-8") as source:
            return "hybrid barrier" in source.read()
    except (kit.Missing, OSError):
        return None


# Verdicts

def judge(data):
    go = data["go"].get(CLASSIC)
    if not go:
        return kit.not_here(ANSWERS, "claims about Go's classic map, and Go 1.23 is not here")
    new = data["go"].get("collector_" + NEW_GO)
    return [judge_release("N31", go, "not released", 0), judge_pauses(go, new), judge_store(go, data["barriers"]),
            judge_when(go), judge_generations(go, data), judge_loop(go), judge_bucket(go, new),
            judge_assign(go, new), judge_profile(go), judge_sampling(go), judge_memstats(go), judge_inserts(go, new),
            judge_release("K81", go, "overflow buckets leak", 1), judge_forced(go, new)]


def judge_release(name, go, claimed, which):
    """Refuted: in each mode at most 1 % of the bytes are left; confirmed: at least half of them in mode 1, not in mode 0."""
    runs = {mode: go["release"][str(mode)][which] for mode in MODES}
    left = {mode: r["left_bytes"] / r["bytes"] for mode, r in runs.items()}
    if any(r["gcstoptheworld"] != mode for mode, r in runs.items()) or (name == "K81" and not runs[1]["overflow_buckets"]):
        verdict = kit.INCONCLUSIVE
    elif max(left.values()) <= 0.01:
        verdict = kit.REFUTED
    else:
        verdict = kit.CONFIRMED if left[1] >= 0.5 > left[0] else kit.INCONCLUSIVE
    return Verdict(name, verdict, claimed, "left of %s kB in %d maps of %s entries, %s overflow buckets: %s" % (
        kit.figure(round(runs[1]["bytes"] / 1000)), runs[1]["maps"], kit.figure(runs[1]["entries"]),
        kit.figure(runs[1]["overflow_buckets"]),
        ", ".join("%d bytes with gcstoptheworld=%d" % (r["left_bytes"], mode) for mode, r in runs.items())),
        "The setting is read back out of the running process.")


def judge_pauses(go, new):
    """Two statements.  Pauses of 5 ms above 10 MB/s: wrong if at one such rate the longest pause of a run is below 5 ms in
    the median, right if it is above at all.  A collection every two minutes: right if that is the period of forced ones."""
    longest = {rate: kit.summary(go["pauses"][str(rate)]["longest_us"]) for rate in RATES if rate > RATE}
    short = any(kit.below(s, PAUSE_US) for s in longest.values())
    long = all(kit.above(s, PAUSE_US) for s in longest.values())
    period = next(iter(go["forced"].values()))["period_s"]
    if not short and not long:
        verdict = kit.INCONCLUSIVE
    else:
        verdict = {(True, True): kit.CONFIRMED, (False, False): kit.REFUTED}.get((long, period == 120), kit.DEPENDS)
    return Verdict("N40", verdict, "pauses of 5 ms above 10 MB/s; a spike every 2 min", "longest pause of a run %s; forced "
                   "collection every %.0f s%s" % (", ".join("%s at %d MiB/s" % (kit.said(s, "\u00b5s"), rate)
                                                           for rate, s in longest.items()), period, waited(go)),
                   "The two minutes are right, for a process that does not collect otherwise; what they mean is K90."
                   + ("" if not new else " %s: %s at %d MiB/s." % (NEW_GO, kit.said(kit.summary(
                       new["pauses"][str(RATES[-1])]["longest_us"]), "\u00b5s"), RATES[-1])))


def waited(go):
    got = go["forced"].get("tidy, as it is, 130 s")
    return "" if not got else " (%d seen in 130 s of an idle process)" % got["collections"]


def judge_store(go, barriers):
    """Two statements: no barrier in newoverflow; the collector ignores the overflow word."""
    tests, calls = barriers.get("runtime.(*hmap).newoverflow", [0, 0])
    o = go["overflow"]
    scanned = o["scanned_with_pointers"] == o["bucket_bytes"]
    verdict = kit.REFUTED if calls and scanned else kit.DEPENDS if calls or scanned else kit.CONFIRMED
    if o["lost_after_collections"] or not o["overflow_with_pointers"]:
        verdict = kit.INCONCLUSIVE
    return Verdict("K71", verdict, "no barrier; ignored",
                   "newoverflow tests the barrier's flag %d times and calls the barrier %d times; a bucket with pointers is "
                   "scanned to byte %d of %d, the overflow word being the last" % (
                       tests, calls, o["scanned_with_pointers"], o["bucket_bytes"]),
                   "Buckets without pointers are not scanned at all; for them the header lists the overflow buckets "
                   "(%s of %s there)." % (kit.figure(o["overflow_listed"]), kit.figure(o["overflow_without"])))


def judge_when(go):
    """Refuted: off while the map grows and no collection runs, on while one marks and the map does not grow."""
    b = go["barrier"]
    if not b["growing"] or not b["writes_during_collections"]:
        verdict = kit.INCONCLUSIVE
    elif b["on_while_growing"] == 0 and b["on_while_marking"]:
        verdict = kit.REFUTED
    else:
        verdict = kit.CONFIRMED if not b["on_while_marking"] else kit.DEPENDS
    return Verdict("K72", verdict, "only while the map grows",
                   "on at %d of %s writes to a growing map while no collection ran, at %s of %s to one that did not grow "
                   "while collections ran" % (b["on_while_growing"], kit.figure(b["growing"]),
                                              kit.figure(b["on_while_marking"]), kit.figure(b["writes_during_collections"])))


def judge_generations(go, data):
    """Two statements.  Generations: wrong if marking old objects costs in proportion, i.e. at least 4 times for 16 times the
    heap.  Hybrid barrier since 1.19: wrong if 1.18 has it."""
    hybrid, (low, high) = data["old_hybrid"], data["heaps"]
    times = kit.ratio(*(go["generations"][str(mib)]["mark_ms"] for mib in (high, low)))
    old_is_marked = kit.above(times, high / low / 4)
    wrong = [old_is_marked] + ([] if hybrid is None else [hybrid])
    verdict = kit.REFUTED if all(wrong) else kit.CONFIRMED if not any(wrong) and kit.below(times, 2) else kit.DEPENDS
    if not old_is_marked and not kit.below(times, 2):
        verdict = kit.INCONCLUSIVE
    return Verdict("K73", verdict, "since 1.19; with generations",
                   "marking %d instead of %d MiB of old objects takes %s times the processor time, each cycle; the runtime of "
                   "%s %s" % (high, low, kit.said(times), OLD_GO,
                              {True: "has the hybrid barrier", False: "lacks the hybrid barrier", None: "is not here"}[hybrid]))


def judge_loop(go):
    """Refuted: at most 5 % of the map is left; an iterator, which does hold the array, is the control."""
    g = go["loop"]
    goroutine, iterator = g["left_goroutine"] / g["map_bytes"], g["left_iterator"] / g["map_bytes"]
    verdict = kit.INCONCLUSIVE if iterator < 0.3 else kit.REFUTED if goroutine <= 0.05 else kit.CONFIRMED
    return Verdict("K74", verdict, "the bucket stays", "%.2f %% of the map's %s kB left with the goroutine, %.0f %% with an "
                   "iterator in its place" % (100 * goroutine, kit.figure(round(g["map_bytes"] / 1000)), 100 * iterator),
                   "Key and value are copies; a value that is a pointer keeps what it points to.")


def judge_bucket(go, new):
    """Three facts: the array stays while a pointer into it lives; the span of a single bucket stays; what else was in the span
    is reused.  Confirmed: both stay and nothing is reused; refuted: neither stays."""
    k = go["keeps"]
    array = k["array_held"] / k["array_bytes"]
    span = k["span_inuse_sparse"] / k["span_inuse_full"]
    grown = k["span_inuse_refilled"] / k["span_inuse_full"] - span
    stays, reused = (array >= 0.5, span >= 0.5), grown <= 0.2
    verdict = kit.REFUTED if not any(stays) else kit.CONFIRMED if all(stays) and not reused else kit.DEPENDS
    return Verdict("K75", verdict, "page, or array, stays",
                   "one pointer into an array keeps %.0f %% of it; one bucket in %d keeps %.0f %% of the spans, of whose room "
                   "%.0f %% was free for others, and taken when as many were made again (spans then %+.0f %%)" % (
                       100 * array, k["kept_one_in"], 100 * span,
                       100 * (1 - k["span_alloc_sparse"] / k["span_alloc_full"]), 100 * grown),
                   "The page stays with the process, its other buckets do not: they are reused."
                   + ("" if not new else " %s: one pointer keeps %.1f %% of a map, the table it points into." % (
                       NEW_GO, 100 * new["keeps"]["array_held"] / new["keeps"]["array_bytes"])))


def judge_assign(go, new):
    """Refuted: a loop that only inserts has collections."""
    a = go["assign"]
    verdict = kit.REFUTED if a["collections_inserting"] else kit.CONFIRMED
    return Verdict("K76", verdict, "never", "%d collections during %s inserts that alone allocate (%s allocations), %d during as "
                   "many overwrites" % (a["collections_inserting"], kit.figure(a["inserts"]), kit.figure(a["mallocs"]),
                                        a["collections_overwriting"]),
                   "" if not new else "%s: %d." % (NEW_GO, new["assign"]["collections_inserting"]))


def judge_profile(go):
    """Confirmed: at least 95 % of the map's bytes are shown for the function that inserts."""
    p = go["profile"]
    filler, holder = p["filler_bytes"] / p["map_bytes"], p["holder_bytes"] / p["map_bytes"]
    return Verdict("K77", kit.CONFIRMED if filler >= 0.95 > 0.05 >= holder else kit.REFUTED, "the allocating stack",
                   "%.2f %% of the bytes for who inserted, %.3f %% for who made and holds the map" % (
                       100 * filler, 100 * holder))


def judge_sampling(go):
    """Confirmed: rate 1 records each of the allocations, and the default rate does not."""
    every, default = go["sampling"]["1"], go["sampling"]["0"]
    right = every["recorded"] == every["allocations"] and default["recorded"] < default["allocations"] / 10
    return Verdict("K78", kit.CONFIRMED if right else kit.REFUTED, "every allocation", "%s of %s with rate 1, %s of %s with %s" % (
        *map(kit.figure, (every["recorded"], every["allocations"], default["recorded"], default["allocations"])),
        kit.figure(default["rate"])))


def judge_memstats(go):
    """Refuted: memory allocated since the last collection is in it."""
    m = go["memstats"]
    seen = m["heap_alloc_gained"] / m["allocated"]
    verdict = kit.INCONCLUSIVE if m["collections_between"] else kit.REFUTED if seen >= 0.99 else kit.CONFIRMED
    return Verdict("K79", verdict, "as of the last collection", "%.1f %% of %d MiB just allocated is in HeapAlloc, %d collections "
                   "later" % (100 * seen, m["allocated"] >> 20, m["collections_between"]))


def judge_inserts(go, new):
    """Refuted: inserts into maps that did not grow count as allocations."""
    m = go["memstats"]
    verdict = kit.INCONCLUSIVE if m["plain_grew"] or m["large_grew"] else \
        kit.REFUTED if m["plain_mallocs"] or m["large_mallocs"] else kit.CONFIRMED
    return Verdict("K80", verdict, "nothing changes", "Mallocs rises by %s with %s inserts of ints (overflow buckets), by %s with "
                   "values of 200 bytes; neither map grew" % tuple(map(kit.figure, (
                       m["plain_mallocs"], m["inserts"], m["large_mallocs"]))),
                   "" if not new or new["memstats"]["plain_grew"] else "%s: by %s and %s." % (NEW_GO, *map(kit.figure, (
                       new["memstats"]["plain_mallocs"], new["memstats"]["large_mallocs"]))))


def judge_forced(go, new):
    """Refuted: with a short period an idle process without garbage collects, and with garbage but the usual period it does
    not.  Confirmed: the other way round."""
    f = {name: got["collections"] for name, got in go["forced"].items()}
    by_period = f["tidy, every 200 ms"] > 0 and f["garbage, as it is"] == 0 and f["tidy, as it is"] == 0
    by_garbage = f["tidy, every 200 ms"] == 0 and f["garbage, as it is"] > 0
    verdict = kit.REFUTED if by_period else kit.CONFIRMED if by_garbage else kit.INCONCLUSIVE
    period = go["forced"]["tidy, as it is"]["period_s"]
    return Verdict("K90", verdict, "memory that is not released",
                   "forcegcperiod is %.0f s; collections of an idle process in %d ms: %s%s" % (
                       period, go["forced"]["tidy, as it is"]["watched_ms"],
                       ", ".join("%d (%s)" % (n, name) for name, n in f.items() if "130" not in name), waited(go)),
                   "The period was shortened in the running process. Tidy: no garbage; garbage: 64 MiB of it."
                   + ("" if not new else " %s: %.0f s too." % (NEW_GO, new["forced"]["tidy, as it is"]["period_s"])
                      if new["forced"]["tidy, as it is"]["period_s"] == period else ""))


# Tables and plots

def tables(data):
    if data["barriers"]:
        yield Table("Write barriers in the machine code of %s" % kit.CLASSIC_GO, ["function", "tests of the flag", "calls"],
                    [[name, tests, calls] for name, (tests, calls) in data["barriers"].items()],
                    "Each store tests one flag of the runtime, which the collector sets while it marks.")
    rows = [[version_of(p), mode, kit.figure(r["entries"]), r["maps"], kit.figure(r["bytes"]), kit.figure(r["overflow_buckets"]),
             r["left_bytes"], r["left_objects"]] for p, go in data["go"].items() for mode, runs in go["release"].items()
            for r in runs]
    yield Table("What is left of dropped maps, by gcstoptheworld", ["Go", "mode", "entries", "maps", "bytes",
                                                                    "overflow buckets", "bytes left", "objects left"], rows,
                "Half of the maps with pointer-free buckets, half without.")
    rows = [[r["way"], "cells" if r["elem_bytes"] > 128 else "pointers" if r["pointers"] else "pointer-free",
             *map(kit.figure, (r["made"], r["back_while_pinned"], r["back_before_free"], r["left"], r["growths"]))]
            for r in data["retire"]]
    yield Table("The same in C: bucket arrays of the classic map", ["freed", "buckets", "bytes made", "back while iterators live",
                                                                    "back before the map is freed", "left", "growths"], rows)
    rows = [[version_of(p), rate, *(kit.said(kit.summary(s[m])) for m in ("mib_s", "collections", "mean_us", "longest_us"))]
            for p, go in data["go"].items() for rate, s in go["pauses"].items()]
    yield Table("Pauses by rate of allocation, \u00b5s", ["Go", "asked for, MiB/s", "got", "collections", "mean pause", "longest"],
                rows)
    rows = [[version_of(p), name, "%.0f" % f["period_s"], f["watched_ms"], f["collections"], f["heap_mib_before"],
             f["heap_mib_after"]] for p, go in data["go"].items() for name, f in go["forced"].items()]
    yield Table("Collections of an idle process", ["Go", "heap, period", "own period, s", "watched, ms", "collections",
                                                   "MiB before", "after"], rows)
    rows = [[version_of(p), g["lines"], g["as_documented"], g["forced_by_time"], g["example"]]
            for p, go in data["go"].items() for g in [go["gctrace"]]]
    yield Table("Lines of GODEBUG=gctrace=1", ["Go", "lines", "in the documented form", "forced by time", "the first"], rows,
                "Times are stop + mark + stop; sizes heap at start, at end, and marked live. No line counts objects or generations.")


def version_of(program):
    return program.partition("_")[2]


def plots(data):
    rows = [("%s, %d MiB" % (version_of(p), mib), {"marking": kit.summary(go["generations"][str(mib)]["mark_ms"])[:3]})
            for p, go in data["go"].items() for mib in data["heaps"]]
    yield Plot("Marking a heap of old objects, again", draw.bars(rows, "processor time of a cycle, ms"),
               "With generations the second collection of an old heap would cost nearly nothing.")
    rows = [("%s, %s MiB/s" % (version_of(p), rate), {"longest pause": kit.summary(s["longest_us"])[:3]})
            for p, go in data["go"].items() for rate, s in go["pauses"].items()]
    yield Plot("Longest pause by rate of allocation", draw.bars(rows, "\u00b5s"), "Claimed: 5000 \u00b5s above 10 MB/s.")
