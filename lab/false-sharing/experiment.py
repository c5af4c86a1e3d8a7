"""Two threads, each with a map or a bucket of its own, on one cache line or not."""
import os
import statistics

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What does it cost when two maps share a cache line?"
ANSWERS = ["N02"]
PROGRAMS = ["sharing"]
SWISS_GO = kit.NEWEST_GO
GO = {"sharing_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}
BASES = [0, 16, 32, 48]  # where buckets and headers begin modulo 64
PADS = [0, 24, 64, 128]
BUCKETS = [40, 64, 144, 168, 192]
MAPS = [("classic", 0), ("classic", 4096), ("gomap", 0), ("gomap", 4096)]
PLACES = ["headers", "buckets", "nothing"]


def run(lab):
    if len(os.sched_getaffinity(0)) < 2:
        raise kit.Missing("two threads need two processors")
    ops, bases = lab.pick(500, 20000, 20000), lab.pick(BASES[:1], BASES, BASES)
    variants = {"headers, pad %d" % pad: ("headers", pad) for pad in PADS}
    variants.update({"buckets of %d" % size: ("buckets", size) for size in BUCKETS})
    variants.update({"two maps, %s, %d between" % m: ("maps", *m) for m in MAPS})
    variants["handover"] = ("handover", "-", "-")
    for version in (kit.CLASSIC_GO, SWISS_GO):
        if lab.have("sharing_" + version):
            variants.update({"%s, sharing %s" % (version, place): (version, place) for place in PLACES})

    def one(name, args, number):
        if args[0] in ("headers", "buckets"):  # the mean over the places where such things begin
            return {"ns": statistics.fmean(lab.call("sharing", *args, base, ops, pin=False)["ns"] for base in bases)}
        if args[0] not in (kit.CLASSIC_GO, SWISS_GO):
            return {"ns": lab.call("sharing", *args, ops, pin=False)["ns"]}
        got = lab.call("sharing_" + args[0], args[1], ops, pin=False)
        if got["version"] != args[0]:
            raise kit.Failed("asked for %s, got %s" % (args[0], got["version"]))
        return {"ns": got["ns"]}

    places = {name: [lab.call("sharing", *args, base, 1, pin=False)["shared"] for base in bases]
              for name, args in variants.items() if args[0] in ("headers", "buckets")}
    return {"ops": ops, "cores": len(os.sched_getaffinity(0)), "shared": places, "samples": lab.rounds(variants, one)}


def times(data, name):
    return data["samples"][name]["ns"] if name in data["samples"] else None


def compare(data, slow, fast):
    """Summary of the ratios, or None where one of the two is not here."""
    a, b = times(data, slow), times(data, fast)
    return kit.ratio(a, b) if a and b else None


def judge(data):
    """Refuted if neighbours do not cost 5 % anywhere, depends if they cost 20 % somewhere with all of the interval."""
    effects = {"headers": compare(data, "headers, pad 0", "headers, pad 128"),
               "buckets of 144": compare(data, "buckets of 144", "buckets of 192")}
    for version in (kit.CLASSIC_GO, SWISS_GO):
        for place in PLACES[:2]:
            effects["%s %s" % (version, place)] = compare(data, "%s, sharing %s" % (version, place),
                                                          "%s, sharing nothing" % version)
    effects = {name: found for name, found in effects.items() if found}
    if any(kit.above(found, 1.2) for found in effects.values()):
        verdict = kit.DEPENDS
    else:
        verdict = kit.REFUTED if all(kit.below(found, 1.05) for found in effects.values()) else kit.INCONCLUSIVE
    padded, whole = compare(data, "buckets of 168", "buckets of 144"), compare(data, "buckets of 192", "buckets of 144")
    return [Verdict("N02", verdict, "padding a bucket to a line: write 42.7 -> 29.1 ns (x0.68) on 8 cores",
                    "neighbours cost: " + "; ".join("%s x%s" % (n, kit.said(e)) for n, e in effects.items()),
                    "The article's bucket comes to 144 bytes; 24 more (x%s) are no multiple of a line, 48 more (x%s) are. One "
                    "map may not have two writers in Go, so what matters is neighbours of different maps. %d cores here; "
                    "invalidations cannot be counted." % (kit.said(padded), kit.said(whole), data["cores"]))]


def tables(data):
    rows = []
    for name in data["samples"]:
        found = kit.summary(times(data, name))
        shared = data["shared"].get(name)
        rows.append([name, "%d of %d" % (sum(shared), len(shared)) if shared else "", kit.said(found, "ns"),
                     "%.0f %%" % (100 * found.spread)])
    yield Table("Two writers, wall clock", ["what", "places where a line is shared", "an operation", "spread"], rows,
                "Headers: the loads and stores of an update, nothing else. Buckets: one word each. Maps: whole updates. "
                "Handover: one transfer of a line.")


def plots(data):
    def bar(name):
        found = kit.summary(times(data, name))
        return found.median, found.low, found.high

    yield Plot("An update of a header, by padding between headers",
               draw.bars([("%d bytes" % pad, {"ns": bar("headers, pad %d" % pad)}) for pad in PADS], "ns"))
    rows = [(version, {place: bar("%s, sharing %s" % (version, place)) for place in PLACES})
            for version in (kit.CLASSIC_GO, SWISS_GO) if times(data, "%s, sharing nothing" % version)]
    if rows:
        yield Plot("Two goroutines, each updating a map of its own", draw.bars(rows, "ns an update"),
                   "What the two maps have on one cache line: their headers, their buckets, or nothing.")
