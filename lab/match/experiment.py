"""Matching tophashes by bytes, words and vectors; and whether GOAMD64 changes Go's buckets."""
import json
import os

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What do wider instructions bring to a bucket?"
ANSWERS = ["N10"]
PROGRAMS = ["match"]
LEVELS = ["v1", "v3", "v4"]
SLOTS = {"scalar8": 8, "swar8": 8, "sse8": 8, "scalar16": 16, "swar16": 16, "sse16": 16, "avx512-16": 16, "sse32": 32,
         "avx2-32": 32, "avx512-32": 32, "avx2-64": 64, "avx512-64": 64}
METRICS = {"match_ns": "match, ns", "hit_ns": "hit, ns", "miss_ns": "miss, ns", "candidates": "candidates a hit",
           "bytes": "bytes an entry"}


def run(lab):
    data = {"layouts": layouts(lab), "samples": {}, "absent": [], "sizes": lab.pick([10], [10, 19], [10, 20])}
    if not lab.have("match"):
        return data  # another architecture: the layout is still answered
    here = lab.call("match", "list")
    data["absent"] = [name for name, have in here.items() if not have]
    lookups = lab.pick(2000, 200000, 400000)
    variants = {"%s at %d" % (name, size): (name, size) for size in data["sizes"] for name, have in here.items() if have}
    data["samples"] = lab.rounds(variants, lambda name, args, number: lab.call("match", *args, lookups, number + 1),
                                 decide={"match_ns", "hit_ns", "miss_ns"})
    return data


def layouts(lab):
    """{level: [(key, elem, bytes, parts)]} of Go's buckets by GOAMD64; levels that cannot be built or run are left out."""
    found = {}
    try:
        kit.go_version(kit.CLASSIC_GO)
    except kit.Missing:
        return found
    for level in LEVELS if not lab.smoke else LEVELS[:1]:
        program = os.path.join(lab.scratch, "layout_" + level)
        lab.say("building for " + level)
        built = lab.run(["go", "build", "-o", program, "."], env=kit.go_env(kit.CLASSIC_GO, GOAMD64=level), pin=False,
                        cwd=os.path.join(kit.LAB, "layout", "go"))
        if built.returncode:
            raise kit.Failed("the layout program does not build for GOAMD64=%s: %s" % (level, kit.last_line(built.stderr)))
        done = lab.run([program])
        if done.returncode == 0:  # else the processor is older than that level
            found[level] = [[m["key"], m["elem"], m["bytes"], [n for p in m["parts"] for n in (p["offset"], p["size"])]]
                            for m in json.loads(done.stdout)["maps"]]
    return found


def judge(data):
    """Exact: confirmed if the int-to-int bucket is 128 bytes at v1 and 120 at v3; refuted if it is the same at all."""
    claimed = "bucket of 128 bytes at GOAMD64=v1, 120 at v3 and v4, tophash [16]uint8"
    found = data["layouts"]
    if len(found) < 2:
        return kit.not_here("N10", "a claim about Go's classic map, and Go 1.23 is not here for two levels of GOAMD64", claimed)
    ints = {level: next(m for m in maps if m[:2] == ["u64", "u64"]) for level, maps in found.items()}
    sizes = {level: m[2] for level, m in ints.items()}
    same = all(maps == found["v1"] for maps in found.values())
    if same:
        verdict = kit.REFUTED
    else:
        verdict = kit.CONFIRMED if (sizes["v1"], sizes.get("v3")) == (128, 120) else kit.DEPENDS
    tops = sorted({m[3][1] for m in ints.values()})
    note = "All %d types are %s at %s." % (len(found["v1"]), "the same" if same else "not the same", ", ".join(found))
    return [Verdict("N10", verdict, claimed, "int to int: %s; %s bytes of tophash" % (
        ", ".join("%s %d bytes" % item for item in sizes.items()), ", ".join(map(str, tops))), note + gain(data))]


def gain(data):
    """What vectors bring in C, beside byte by byte in buckets of 8, at the largest size."""
    size, parts = data["sizes"][-1], []
    base = data["samples"].get("scalar8 at %d" % size)
    for name in ("sse8", "sse16", "avx512-16"):
        mine = data["samples"].get("%s at %d" % (name, size))
        if base and mine:
            parts.append("%s: match x%s, hit x%s, miss x%s" % (name, *(
                kit.said(kit.ratio(mine[m], base[m])) for m in ("match_ns", "hit_ns", "miss_ns"))))
    return " In C, beside bytes in buckets of 8: %s." % "; ".join(parts) if parts else ""


def tables(data):
    note = "7 of 10 slots full. Left out, since the processor lacks the instructions: %s." % (", ".join(data["absent"])
                                                                                            or "none")
    for size in data["sizes"]:
        rows = [[name, slots] + [kit.said(kit.summary(found[m])) for m in METRICS] for name, slots in SLOTS.items()
                if (found := data["samples"].get("%s at %d" % (name, size)))]
        if rows:
            yield Table("%s slots" % kit.figure(1 << size), ["variant", "slots a bucket", *METRICS.values()], rows, note)


def plots(data):
    for size in data["sizes"]:
        rows = []
        for name in SLOTS:
            found = data["samples"].get("%s at %d" % (name, size))
            if found:
                rows.append((name, {label: spread(found[m]) for m, label in
                                    (("hit_ns", "hit"), ("miss_ns", "miss"), ("match_ns", "match alone"))}))
        if rows:
            yield Plot("Lookups by variant, %s slots" % kit.figure(1 << size), draw.bars(rows, "ns"))


def spread(samples):
    found = kit.summary(samples)
    return found.median, found.low, found.high
