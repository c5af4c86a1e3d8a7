"""What are the tophash bytes worth?  Comparisons and time of lookups with and without them, and who asks them at all."""
import kit
import plots as draw

TITLE = "What are the tophash bytes worth?"
ANSWERS = ["N30", "K46", "K47"]
PROGRAMS = ["tophash"]
NEW_GO = kit.NEWEST_GO
GO = {"tophash_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, NEW_GO)}

LOADS = [325, 381, 450, 500, 550, 600, 650]  # hundredths of an entry per bucket; 381: a million entries at B=18
MILLION = 381
CLAIMED_WITH, CLAIMED_WITHOUT, CLAIMED_TIME = 1.02, 7.8, 297 / 124
NEAR = 0.1  # a claimed figure counts as met within this share of it


# ---- measuring

def run(lab):
    b, big = lab.pick(8, 12, 13), lab.pick(9, 15, 16)
    data = {"B": b, "big_B": big, "sweep": {}, "go": {}, "uses": {}, "missing": dict(lab.missing)}
    seeds = range(1, 1 + lab.pick(1, 2, 20))
    data["uses"]["classic"] = lab.call("tophash", "uses", 1)
    for name, (_, version) in GO.items():
        if not lab.have(name):
            continue
        found = lab.call(name, "uses", 1)
        if found["version"] != version:
            raise kit.Failed("%s says it is %s" % (name, found["version"]))
        if found["classic"]:
            data["uses"][version] = found
        data["go"][version] = {
            "lookups": {str(load): [lab.call(name, "lookups", 8 << b, (load << b) // 100, s) for s in seeds]
                        for load in LOADS},
            "times": [lab.call(name, "times", (MILLION << big) // 100, s) for s in range(1, 1 + lab.pick(1, 5, 20))]}
    variants = {"%s %d" % (keys, load): (keys, b, load) for keys in ("u64", "string") for load in LOADS}
    variants |= {"%s big" % keys: (keys, big, MILLION) for keys in ("u64", "string")}

    def once(_, args, number):
        got = lab.call("tophash", "lookups", *args, number + 1)
        return {"%s %s" % (kind, field): got[kind][field] for kind in ("hit", "miss") for field in got[kind]}
    data["sweep"] = lab.rounds(variants, once, decide=["hit filtered", "hit unfiltered"])
    return data


# ---- figures

def sample(data, keys, load, what):
    return kit.summary(data["sweep"]["%s %s" % (keys, load)][what])


def go_counts(data, version, load, what, kind):
    return kit.summary([got[what][kind]["compared"] for got in data["go"][version]["lookups"][str(load)]])


def comparisons(data, with_filter):
    """{map: {kind: (least, most)} of the mean comparisons per lookup, over all loads}"""
    field = "compared_filtered" if with_filter else "compared_unfiltered"
    found = {"classic": {kind: [sample(data, keys, load, "%s %s" % (kind, field)).median for keys in ("u64", "string")
                                for load in LOADS] for kind in ("hit", "miss")}}
    for version in data["go"]:
        found[version] = {kind: [go_counts(data, version, load, "on" if with_filter else "off", kind).median
                                 for load in LOADS] for kind in ("hit", "miss")}
    return {who: {kind: (min(values), max(values)) for kind, values in kinds.items()} for who, kinds in found.items()}


def unfiltered_to_filtered(data, keys, kind):
    got = data["sweep"]["%s big" % keys]
    return kit.ratio(got[kind + " unfiltered"], got[kind + " filtered"])


def near(value, claimed):
    return abs(value - claimed) <= NEAR * claimed


# ---- judging

def judge_filter(data):
    """N30: the most comparisons any load gives, and the ratio of the times at the claimed size."""
    without = {who: most for who, most in comparisons(data, False).items() if who != NEW_GO}
    with_it = {who: most for who, most in comparisons(data, True).items() if who != NEW_GO}
    counts_met = any(near(most[kind][1], CLAIMED_WITHOUT) for most in without.values() for kind in most)
    ratios = {(keys, kind): unfiltered_to_filtered(data, keys, kind) for keys in ("u64", "string")
              for kind in ("hit", "miss")}
    claim = ratios["u64", "hit"]
    time_met = claim.n >= 5 and CLAIMED_TIME * (1 - NEAR) <= claim.low and claim.high <= CLAIMED_TIME * (1 + NEAR)
    time_off = claim.n >= 5 and (claim.high < CLAIMED_TIME * (1 - NEAR) or claim.low > CLAIMED_TIME * (1 + NEAR))
    if counts_met and time_met:
        verdict = kit.CONFIRMED
    elif counts_met or time_met:
        verdict = kit.DEPENDS
    else:
        verdict = kit.REFUTED if time_off else kit.INCONCLUSIVE
    text = "; ".join("%s: with tophash hit %s..%s, without %s..%s (miss %s..%s)" % (
        who, *(kit.figure(x) for x in (*with_it[who]["hit"], *without[who]["hit"], *without[who]["miss"])))
                     for who in without)
    hit = {field: sample(data, "u64", "big", "hit " + field) for field in ("filtered", "unfiltered")}
    return kit.Verdict(
        "N30", verdict, "124 or 297 ns (2.4), 1.02 or 7.8 comparisons",
        "comparisons, %s; ns of an int hit: %s or %s, ratio %s" % (
            text, kit.said(hit["filtered"]), kit.said(hit["unfiltered"]), kit.said(claim)),
        "Loads 3.25 to 6.5. 1.02 with the filter is met: %s; 7.8 without it: %s. Time without to with: int miss %s, string "
        "hit %s, string miss %s." % (*(kit.figure(x) for x in (
            all(near(most["hit"][1], CLAIMED_WITH) for most in with_it.values()), counts_met)), *(
                kit.said(ratios[k]) for k in (("u64", "miss"), ("string", "hit"), ("string", "miss")))))


def judge_hashing(data):
    """K46: calls of the hash function per lookup."""
    calls = {"classic": [data["uses"]["classic"][path]["hashes_per_" + kind] for path in ("int", "string", "generic")
                         for kind in ("hit", "miss")]}
    for version, got in data["go"].items():
        calls[version] = [run[what][kind]["hashed"] for runs in got["lookups"].values() for run in runs
                          for what in ("on", "off") for kind in ("hit", "miss")]
    once = all(n == 1 for values in calls.values() for n in values)
    none = all(n < 1 for values in calls.values() for n in values)
    return kit.Verdict("K46", kit.REFUTED if once else kit.CONFIRMED if none else kit.DEPENDS, "no full hash",
                       "hashes per lookup: " + "; ".join("%s %s" % (who, "..".join(sorted({kit.figure(v) for v in values})))
                                                         for who, values in calls.items()),
                       "Hits and misses in tables of more than one bucket. The filter is a part of the hash; it spares "
                       "comparisons.")


def judge_ints(data):
    """K47: a lookup that finds everything under wrong tophash bytes does not ask them."""
    shares = {who: {path: uses[path]["found_under_wrong_tophash"] for path in ("int", "string", "generic")}
              for who, uses in data["uses"].items()}
    ignored = [s["int"] == 1 for s in shares.values()]
    asked = [s["string"] == 0 and s["generic"] == 0 for s in shares.values()]
    verdict = kit.INCONCLUSIVE
    if all(asked):
        verdict = kit.REFUTED if all(ignored) else kit.CONFIRMED if not any(ignored) else kit.DEPENDS
    got = data["sweep"]["u64 big"]
    return kit.Verdict("K47", verdict, "faster by tophash", "found with every tophash byte wrong: " + "; ".join(
        "%s: int keys %.0f %%, strings %.0f %%, others %.0f %%" % (
            who, 100 * s["int"], 100 * s["string"], 100 * s["generic"]) for who, s in shares.items()),
                       "Maps of 4 and 8 byte keys compare keys first and look whether the slot is empty. Time of that path to "
                       "the one with the filter, in the classic map: hit %s, miss %s." % (
                           kit.said(kit.ratio(got["hit library_fast"], got["hit library"])),
                           kit.said(kit.ratio(got["miss library_fast"], got["miss library"]))))


def judge(data):
    verdicts = [judge_filter(data), judge_hashing(data), judge_ints(data)]
    if data["missing"]:
        why = " Not measured: " + "; ".join(dict.fromkeys(data["missing"].values()))
        verdicts = [v._replace(note=v.note + why) for v in verdicts]
    return verdicts


# ---- showing

TIMES = [("filtered", "with"), ("unfiltered", "without"), ("one_tophash", "one tophash for all"),
         ("library", "library, generic"), ("library_fast", "library, as chosen")]


def tables(data):
    for kind in ("hit", "miss"):
        rows = [["classic, " + keys, load / 100, *(kit.figure(sample(data, keys, load, "%s %s" % (kind, f)).median)
                                                   for f in ("compared_filtered", "compared_unfiltered"))]
                for keys in ("u64", "string") for load in LOADS]
        rows += [[version, load / 100,
                  *(kit.figure(go_counts(data, version, load, what, kind).median) for what in ("on", "off"))]
                 for version in data["go"] for load in LOADS]
        yield kit.Table("Key comparisons per %s" % kind, ["map", "entries per 8 slots", "with the filter", "without"], rows,
                        "Go 1.27 has groups of 8 slots and seven bits of the hash for each; it probes other groups where "
                        "classic has overflow buckets, and its table may hold 7 of 8.")
        yield kit.Table("ns per %s" % kind, ["keys", "entries per bucket", *(title for _, title in TIMES)],
                        [[keys, "%s, B=%d" % ((MILLION if load == "big" else load) / 100,
                                              data["big_B"] if load == "big" else data["B"]),
                          *(kit.said(sample(data, keys, load, "%s %s" % (kind, f))) for f, _ in TIMES)]
                         for keys in ("u64", "string") for load in [*LOADS, "big"]])
    yield kit.Table("ns per lookup in a map[uint64]string of Go, as compiled", ["version", "hit", "miss"],
                    [[version, *(kit.said(kit.summary([t[kind] for t in got["times"]])) for kind in ("hit", "miss"))]
                     for version, got in data["go"].items()], "%d entries" % ((MILLION << data["big_B"]) // 100))


def plots(data):
    counts, times = {}, {}
    for kind in ("hit", "miss"):
        for field, title in (("filtered", "with"), ("unfiltered", "without")):
            counts["%s, %s" % (kind, title)] = [
                (load / 100, sample(data, "u64", load, "%s compared_%s" % (kind, field)).median) for load in LOADS]
            times["string %s, %s" % (kind, title)] = [
                (load / 100, sample(data, "string", load, "%s %s" % (kind, field)).median) for load in LOADS]
    return [kit.Plot("Key comparisons per lookup, classic", draw.line(counts, "entries per bucket", "comparisons")),
            kit.Plot("Time of a lookup, strings, classic", draw.line(times, "entries per bucket", "ns"),
                     "B=%d" % data["B"])]
