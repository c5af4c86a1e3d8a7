"""Does a random seed make iterating slower, and what is random about the order?

The same keys in maps with a fixed and with a random seed: time of a pass, simulated cache misses of the pass alone,
distances of entries visited in turn.  Sparse maps: a pass over what deletes have left.  Order: passes over one map,
compared.
"""
import kit
import plots as draw

TITLE = "Does a random seed make iteration slower?"
ANSWERS = ["N18", "K58", "K60"]
PROGRAMS = ["iteration"]
NEW_GO = kit.NEWEST_GO
GO = {"iteration_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, NEW_GO)}

CLAIMED_TIME, CLAIMED_MISSES = 18.7 / 12.3, 24.6 / 8.2
SAME = 0.1                 # misses and distances that differ by less do not differ; single maps differ by as much
FIXED, RANDOM = 7, 0       # seeding: a seed, and the system's randomness
LEFT = [100, 50, 10, 1]    # percent
SCALE = {"LL": "524288,16,64"}  # the last level, as much smaller than the usual model as the map is than the claim's


# ---- measuring

def misses(lab, n):
    """{seeding: [events of the passes of a map]}; fixed: another fixed seed each."""
    def count(seed):
        return lab.cachegrind("iteration", "pass", "classic", "string", n, 100, seed, toggle="measured_pass", cache=SCALE)
    maps = range(1, 1 + lab.pick(1, 4, 10))
    return {"fixed": [count(seed) for seed in maps], "random": [count(RANDOM) for _ in maps]}


def run(lab):
    n = lab.pick(5000, 200000, 500000)
    data = {"n": n, "missing": dict(lab.missing), "order": {}}
    found = {"classic": ("iteration", "pass", "classic", "string"), "gomap": ("iteration", "pass", "gomap", "string")}
    data["order"]["classic"] = lab.call("iteration", "order", 1000, 200)
    data["order"]["gomap"] = {"times": 200, "different_firsts": data["order"]["classic"].pop("gomap_different_firsts")}
    for name, (_, version) in GO.items():
        if lab.have(name):
            found[version] = (name, "pass")
            data["order"][version] = lab.call(name, "order", 1000, 200)
            if data["order"][version]["version"] != version:
                raise kit.Failed("%s says it is %s" % (name, data["order"][version]["version"]))
    data["cache_n"] = lab.pick(10000, 30000, 60000)  # more than the last level of SCALE holds
    try:
        data["cache"] = misses(lab, data["cache_n"])
    except kit.Missing as why:
        data["cache"], data["missing"]["misses"] = {}, str(why)

    def once(_, command, __):
        got = lab.call(*command)
        return {field: got[field] for field in ("ns", "bytes", "near") if field in got}
    seeds = {"%s %s" % (who, name): (*command, n, 100, seeding) for who, command in found.items() if who != "gomap"
             for name, seeding in (("fixed", FIXED), ("random", RANDOM))}
    data["seeds"] = lab.rounds(seeds, once, decide=["ns"], seconds=max(1, lab.time_left() / 2))
    sparse = {"%s %d" % (who, left): (*command, n, left, RANDOM) for who, command in found.items() for left in LEFT}
    data["sparse"] = lab.rounds(sparse, once, decide=["ns"], seconds=max(1, lab.time_left()))
    return data


# ---- judging

def time_ratio(data, who):
    """Random seed to fixed."""
    return kit.ratio(data["seeds"][who + " random"]["ns"], data["seeds"][who + " fixed"]["ns"])


def miss_ratios(data):
    """Of medians over the maps: random seed to fixed; and the most and least of all maps to the same median."""
    ratios = {}
    for event in ("D1m", "LLm"):
        counts = {seeding: [got[event] for got in runs] for seeding, runs in data["cache"].items()}
        fixed = kit.summary(counts["fixed"]).median
        ratios[event] = kit.summary(counts["random"]).median / fixed, [x / fixed for x in sum(counts.values(), [])]
    return ratios


def makers(data):
    return [who for who in ("classic", *(version for _, version in GO.values())) if who + " fixed" in data["seeds"]]


def judge_seed(data):
    """N18 by the time, as claimed; K58 by misses and distances, which have no noise."""
    if not data["cache"]:
        return kit.not_here(["N18", "K58"], data["missing"]["misses"])
    who = kit.CLASSIC_GO if kit.CLASSIC_GO in makers(data) else "classic"
    ratios = {name: time_ratio(data, name) for name in makers(data)}
    claim, misses = ratios[who], miss_ratios(data)
    near = [kit.summary(data["seeds"]["classic " + seeding]["near"]).median for seeding in ("fixed", "random")]
    even = all(abs(ratio - 1) <= SAME for ratio, _ in misses.values())
    alike = abs(near[0] - near[1]) <= SAME
    slower = claim.n >= 5 and claim.low > (1 + CLAIMED_TIME) / 2
    faster = claim.n >= 5 and claim.high < (1 + CLAIMED_TIME) / 2
    if even and faster:
        verdict = kit.REFUTED
    elif slower and misses["LLm"][0] > (1 + CLAIMED_MISSES) / 2:
        verdict = kit.CONFIRMED
    else:
        verdict = kit.INCONCLUSIVE
    times = "; ".join("%s %s" % (name, kit.said(r)) for name, r in ratios.items())
    counted = ", ".join("%s level %.3f (single maps %.3f..%.3f)" % (name, misses[event][0], min(misses[event][1]),
                                                                    max(misses[event][1]))
                        for name, event in (("first", "D1m"), ("last", "LLm")))
    def pass_ms(name, seeding):
        return kit.figure(kit.summary(data["seeds"]["%s %s" % (name, seeding)]["ns"]).median * data["n"] / 1e6)
    absolute = "; ".join("%s %s and %s ms" % (name, pass_ms(name, "fixed"), pass_ms(name, "random")) for name in makers(data))
    return [
        kit.Verdict("N18", verdict, "12.3 or 18.7 ms (1.52), L3 misses 8.2 or 24.6 % (3.0)",
                    "random seed to fixed: time %s; simulated misses in classic: %s" % (times, counted),
                    "%s strings, a pass with fixed and with random seed: %s. Misses are of a simulated cache; the verdict "
                    "wants misses alike within 10 %% and a time nearer to 1 than to the claim."
                    % (kit.figure(data["n"]), absolute)),
        kit.Verdict("K58", kit.REFUTED if even and alike else kit.CONFIRMED if not even and not alike else kit.DEPENDS,
                    "locality is lost",
                    "random seed to fixed, misses: %s; steps within 4 KiB: %.1f and %.1f %% (fixed and random)" %
                    (counted, *(100 * share for share in near)),
                    "An iteration goes through the array from bucket to bucket, whatever the seed; steps elsewhere are "
                    "to overflow buckets and back."),
    ]


def judge_order(data):
    share = {who: got["different_firsts"] / got["times"] for who, got in data["order"].items()}
    go = [s for who, s in share.items() if who != "gomap"]
    verdict = kit.CONFIRMED if all(s > 0.5 for s in go) else kit.REFUTED if all(s < 0.1 for s in go) else kit.DEPENDS
    circles = "; ".join("%s %d of %d" % (who, got["in_a_circle"], got["times"]) for who, got in data["order"].items()
                        if "in_a_circle" in got)
    return kit.Verdict("K60", verdict, "random each time",
                       "passes over one map that began with another entry: " + "; ".join(
                           "%s %d of %d" % (who, got["different_firsts"], got["times"]) for who, got in data["order"].items()),
                       "1000 entries. Only the start is drawn: passes that went once round the buckets in their order: %s."
                       % circles)


def judge(data):
    verdicts = [*judge_seed(data), judge_order(data)]
    if data["missing"]:
        why = " Not measured: " + "; ".join(dict.fromkeys(data["missing"].values()))
        verdicts = [v._replace(note=v.note + why) for v in verdicts]
    return verdicts


# ---- showing

def sparse_makers(data):
    return list(dict.fromkeys(name.rsplit(" ", 1)[0] for name in data["sparse"]))


def tables(data):
    yield kit.Table("A pass over all entries, strings", ["map", "seed", "ns per entry", "spread"],
                    [[who, seeding, kit.said(kit.summary(got["ns"])), "%.0f %%" % (100 * kit.summary(got["ns"]).spread)]
                     for who, seeding, got in ((*name.rsplit(" ", 1), got) for name, got in data["seeds"].items())],
                    "%d entries; the bytes of the strings are read. A gomap cannot be given a fixed seed." % data["n"])
    yield kit.Table("Simulated misses of a pass, classic", ["seed", "data accesses", "first level", "last level"],
                    [[seeding, *(kit.figure(got[event] / data["cache_n"]) for event in ("D", "D1m", "LLm"))]
                     for seeding, runs in data["cache"].items() for got in runs],
                    "per entry; %d entries, last level %s (bytes, ways, line)" % (data["cache_n"], SCALE["LL"]))
    yield kit.Table("A pass over a sparse map, ns per entry left",
                    ["map", *("%d %% left" % left for left in LEFT), "bytes at 1 %"],
                    [[who, *(kit.said(kit.summary(data["sparse"]["%s %d" % (who, left)]["ns"])) for left in LEFT),
                      kit.figure(kit.summary(data["sparse"]["%s 1" % who]["bytes"]).median)
                      if "bytes" in data["sparse"]["%s 1" % who] else "-"] for who in sparse_makers(data)],
                    "%d strings inserted, the rest deleted. Go's maps and classic keep their table, and a pass goes through "
                    "all of it; gomap's table shrinks." % data["n"])


def plots(data):
    seeds = [(who, {seeding: tuple(kit.summary(data["seeds"]["%s %s" % (who, seeding)]["ns"])[:3])
                    for seeding in ("fixed", "random")}) for who in makers(data)]
    sparse = {who: [(left, kit.summary(data["sparse"]["%s %d" % (who, left)]["ns"]).median) for left in sorted(LEFT)]
              for who in sparse_makers(data)}
    return [kit.Plot("A pass with fixed and random seed", draw.bars(seeds, "ns per entry"), "Whiskers: 95 % interval."),
            kit.Plot("A pass over a sparse map",
                     draw.line(sparse, "percent of the entries left", "ns per entry left", log_x=True, log_y=True))]
