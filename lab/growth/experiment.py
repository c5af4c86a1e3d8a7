"""What does growing cost, and does presizing or sorting spare it?

fill: maps filled with and without a hint, in shuffled and in sorted order, in C (classic, gomap) and in Go; time and
faults in one kind of run, counts in another.  pauses: single inserts timed, by what they did.  valgrind counts misses
of the fill alone.
"""
import kit
import plots as draw

TITLE = "What does growth cost, and do presizing and sorting spare it?"
ANSWERS = ["N06", "N17", "N21", "N22", "N23", "N39", "K48", "K49"]
PROGRAMS = ["fill", "pauses"]
NEW_GO = kit.NEWEST_GO
GO = {"growth_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, NEW_GO)}

# what the articles' two ways of filling are: without a hint in any order; 15 % too large a hint, sorted first
PLAIN, ARTICLE = ("none", "shuffled"), ("plus15", "sorting")
WAYS = [PLAIN, ("exact", "shuffled"), ("plus15", "shuffled"), ("none", "sorted"), ARTICLE]

CLAIMED_RATIO = 41.6 / 84.2  # N23: presized and sorted to plain
CLAIMED_MISSES = 217 / 12    # N06: growing to presized
SLACK = 0.2                  # a claimed ratio counts as met within this share of it


# ---- measuring

def makers(lab):
    """{map: command in front of KEYS N HINT ORDER SEED} of all that are there."""
    found = {"classic": ("fill", "classic"), "gomap": ("fill", "gomap")}
    found.update({version: (name,) for name, (_, version) in GO.items() if lab.have(name)})
    return found


def ask(lab, maker, what, keys, n, way, seed):
    program, *rest = maker
    got = lab.call(program, what, *rest, keys, n, way[0], way[1], seed, pin=program == "fill" or what == "time")
    if program != "fill" and got["version"] != GO[program][1]:
        raise kit.Failed("%s says it is %s" % (program, got["version"]))
    return got


def times(lab, found, keys, n, seconds):
    """{map: {way: {metric: samples}}}; maps and ways in turns, other keys in each round."""
    variants = {"%s|%s|%s" % (name, *way): (maker, way) for name, maker in found.items() for way in WAYS}

    def once(_, args, number):
        got = ask(lab, args[0], "time", keys, n, args[1], number + 1)
        return {"ns": got["ns"] / n, "sort": got["sort_ns"] / n, "faults": got["faults"]}
    samples = lab.rounds(variants, once, decide=["ns"], seconds=seconds)
    result = {}
    for name, metrics in samples.items():
        who, hint, order = name.split("|")
        result.setdefault(who, {})[hint + " " + order] = metrics
    return result


def counts(lab, found, keys, n, seeds):
    """{map: {way: [counts of each seed]}}"""
    return {name: {" ".join(way): [ask(lab, maker, "count", keys, n, way, seed) for seed in seeds]
                   for way in WAYS} for name, maker in found.items()}


def misses(lab, n, seeds):
    """{map: {hint: [events per insert of each seed]}} of fills with strings, counted by cachegrind."""
    result = {}
    for who in ("classic", "gomap"):
        for hint in ("none", "exact"):
            for seed in seeds:
                lab.say("cachegrind, %s, hint %s" % (who, hint))
                got = lab.cachegrind("fill", "time", who, "string", n, hint, "shuffled", seed, toggle="measured_fill")
                result.setdefault(who, {}).setdefault(hint, []).append({k: v / n for k, v in got.items()})
    return result


def run(lab):
    found = makers(lab)
    n = lab.pick(3000, 100000, 100000)
    seeds = range(1, 1 + lab.pick(1, 2, 10))
    data = {"n": n, "missing": dict(lab.missing), "count": {}, "time": {}, "pauses": {}}
    for keys in ("u64", "string"):
        data["count"][keys] = counts(lab, found, keys, n, seeds)
    data["misses_n"] = lab.pick(2000, 150000, 300000)
    try:
        data["misses"] = misses(lab, data["misses_n"], range(1, 1 + lab.pick(1, 1, 3)))
    except kit.Missing as why:
        data["misses"], data["missing"]["misses"] = {}, str(why)
    data["pauses_n"] = lab.pick(3000, 150000, 500000)
    for number in range(lab.pick(1, 3, 20)):
        for name in ("pauses", *(p for p in GO if lab.have(p))):
            args = (data["pauses_n"], number + 1)
            got = lab.call("pauses", *args) if name == "pauses" else lab.call(name, "pauses", *args, pin=False)
            data["pauses"].setdefault(GO[name][1] if name in GO else "C", []).append(got)
    half = max(lab.time_left() / 2, 1)
    data["time"]["u64"] = times(lab, found, "u64", n, half)
    data["time"]["string"] = times(lab, found, "string", n, max(lab.time_left(), 1))
    return data


# ---- figures

def timed(data, keys, who, way, metric="ns"):
    return data["time"][keys].get(who, {}).get(" ".join(way), {}).get(metric)


def with_sort(data, keys, who, way):
    """Samples of the whole price: fill, and the sort if that is part of the way."""
    fill, sort = timed(data, keys, who, way), timed(data, keys, who, way, "sort")
    return fill and [a + b for a, b in zip(fill, sort, strict=True)]


def counted(data, keys, who, way, field):
    """Summary over the seeds, or None."""
    got = [c[field] for c in data["count"][keys].get(who, {}).get(" ".join(way), []) if field in c]
    return kit.summary(got) if got else None


def subject(data):
    """The map a claim about Go is judged by: Go's own where it is there, else the classic map, which works the same."""
    return kit.CLASSIC_GO if kit.CLASSIC_GO in data["count"]["u64"] else "classic"


def whole(data):
    return list(data["count"]["u64"])


def of_claim(ratio, claimed):
    """A ratio against a claimed one: its interval decides."""
    low, high = claimed * (1 - SLACK), claimed * (1 + SLACK)
    if ratio.n < 5 or (ratio.low < high < ratio.high) or (ratio.low < low < ratio.high):
        return kit.INCONCLUSIVE
    return kit.CONFIRMED if low <= ratio.median <= high else kit.REFUTED


# ---- judging

def judge_misses(data):
    """N06: cold misses are the same for both, so the claimed factor of 18 would have to come from growth alone."""
    if not data["misses"]:
        return kit.not_here("N06", data["missing"]["misses"], "18 times the misses")[0]
    ratios = {who: {event: kit.summary([a[event] / b[event] for a, b in zip(got["none"], got["exact"])])
                    for event in ("D1m", "LLm", "I")} for who, got in data["misses"].items()}
    ratio = ratios["classic"]["LLm"]
    near = CLAIMED_MISSES * (1 - SLACK) <= ratio.median
    text = "; ".join("%s: first level %s, last level %s, instructions %s" % (
        who, *(kit.figure(r[event].median) for event in ("D1m", "LLm", "I"))) for who, r in ratios.items())
    return kit.Verdict("N06", kit.CONFIRMED if near else kit.REFUTED, "18 times the misses",
                       "growing to presized, %s keys, misses per insert: %s" % (kit.figure(data["misses_n"]), text),
                       "Simulated caches; instructions per cycle need counters that this machine may not have. Rates a "
                       "second, as claimed, compare runs of different length; these are misses of the same work.")


def judge_pauses(data):
    """N17: the longest write that moves chains; and how long a chain must be for 5 ms, nothing broken."""
    limit = 5e6
    rows = {"classic u64": [p["classic_u64"] for p in data["pauses"]["C"]],
            "classic string": [p["classic_string"] for p in data["pauses"]["C"]]}
    if kit.CLASSIC_GO in data["pauses"]:
        rows[kit.CLASSIC_GO] = [p["go_u64"] for p in data["pauses"][kit.CLASSIC_GO]]
    typical = {name: kit.summary([p["evacuating"]["p50"] for p in got]) for name, got in rows.items()}
    worst = {name: max(p["evacuating"]["max"] for p in got) for name, got in rows.items()}
    chains = [(c["entries"], c["ns"]) for p in data["pauses"]["C"] for c in p["chains"]]
    slope = kit.summary([ns / entries for entries, ns in chains if entries >= 500] or [chains[-1][1] / chains[-1][0]])
    broken = sum(p["chain_broken"] for p in data["pauses"]["C"])
    text = "; ".join("%s: median %s us, longest %s us" % (name, kit.figure(typical[name].median / 1e3),
                                                          kit.figure(worst[name] / 1e3)) for name in rows)
    # Broken chains do not occur, so 5 ms cannot mean one; and a sound chain of `needed` entries takes as long.
    needed = limit / slope.median
    verdict = kit.REFUTED if broken == 0 and all(t.median < limit / 100 for t in typical.values()) else kit.INCONCLUSIVE
    return kit.Verdict("N17", verdict, "5 ms", "a write that moves one or two chains: " + text,
                       "A long chain takes %s ns an entry: one of %s entries takes 5 ms, and is sound (%d of %d found "
                       "broken). Longer writes are allocations, page faults and, in Go, its collector." % (
                           kit.figure(slope.median), kit.figure(round(needed, -3)), broken, len(data["pauses"]["C"])))


def array_times(data, who):
    """[(entries or bytes, median ns over the runs)] of making maps with room."""
    runs = data["pauses"][who]
    key = "bytes" if who == "C" else "entries"
    return [(a[key], kit.summary([r["arrays"][i]["ns"]["p50"] for r in runs]).median)
            for i, a in enumerate(runs[0]["arrays"])]


def judge_arrays(data):
    """N21: one pair of limits for all sizes, if healthy maps stay within it."""
    small_limit, large_limit = 300, 5000
    names = {who: ("classic" if who == "C" else who) for who in data["pauses"]}
    medians = {who: array_times(data, who) for who in names}
    judged = kit.CLASSIC_GO if kit.CLASSIC_GO in medians else "C"
    times_of = [ns for _, ns in medians[judged]]
    above = sum(ns > large_limit for ns in times_of)
    verdict = kit.CONFIRMED if times_of[0] <= small_limit and times_of[-1] <= large_limit else kit.REFUTED
    text = "; ".join("%s: %s ns to %s us" % (names[who], kit.figure(got[0][1]), kit.figure(got[-1][1] / 1e3))
                     for who, got in medians.items())
    return kit.Verdict("N21", verdict, "85 ns; 1.2 us, slow above 5 us", "making an array, smallest to largest: " + text,
                       "Time goes with size: in %s, %d of %d sizes take longer than what is called slow, in maps that "
                       "are in order. C leaves the zeros to the first touch. No makeslice is in it (K43)."
                       % (names[judged], above, len(times_of)))


def compared(data, way):
    """{map: summary of the key comparisons per insert}, integers."""
    return {who: counted(data, "u64", who, way, "compared_per_insert") for who in whole(data)}


def judge_sorted(data):
    """N22, K48: the same keys, sorted and shuffled, at the same hint."""
    shuffled, ordered = compared(data, PLAIN), compared(data, ("none", "sorted"))
    same = {who: abs(ordered[who].median - shuffled[who].median) <= 0.05 * max(1.0, shuffled[who].median)
            for who in shuffled}
    text = "; ".join("%s: %s shuffled, %s sorted" % (who, kit.figure(shuffled[who].median),
                                                     kit.figure(ordered[who].median)) for who in shuffled)
    verdict = kit.REFUTED if all(same.values()) else kit.CONFIRMED if not any(same.values()) else kit.DEPENDS
    time = {who: kit.ratio(timed(data, "u64", who, ("none", "sorted")), timed(data, "u64", who, PLAIN))
            for who in data["time"]["u64"]}
    return [
        kit.Verdict("N22", verdict, "2.3 -> 1.02", "key comparisons per insert: " + text,
                    "A hash does not keep order, so no order of keys meets shorter chains. gomap, given an equality "
                    "function, asks once more whether a new key equals itself."),
        kit.Verdict("K48", verdict, "fewer probes", "comparisons: " + text,
                    "Time of the sorted fill to the shuffled one, sorting not counted: %s." % "; ".join(
                        "%s %s" % (who, kit.said(r)) for who, r in time.items())),
    ]


def judge_merge(data):
    """N23: the article's second variant to its first, in time and in allocations."""
    who = subject(data)
    ratios = {name: kit.ratio(with_sort(data, "string", name, ARTICLE), with_sort(data, "string", name, PLAIN))
              for name in data["time"]["string"]}
    bare, fill = (kit.ratio(timed(data, "string", who, way), timed(data, "string", who, PLAIN))
                  for way in (("plus15", "shuffled"), ARTICLE))
    plain = with_sort(data, "string", who, PLAIN)
    allocs = [counted(data, "string", who, way, "allocs") for way in (PLAIN, ARTICLE)]
    exact = counted(data, "string", who, ("exact", "shuffled"), "allocs")
    held = [counted(data, "string", who, way, "held") for way in (("exact", "shuffled"), ("plus15", "shuffled"))]
    readings = [of_claim(ratio, CLAIMED_RATIO) for ratio in (ratios[who], bare, fill)]
    verdict = readings[0]
    if kit.CONFIRMED in readings:  # halved, but by one reading only, or with other allocations
        verdict = kit.DEPENDS if set(readings) != {kit.CONFIRMED} or not 16 <= allocs[0].median <= 18 else kit.CONFIRMED
    elif kit.INCONCLUSIVE in readings:
        verdict = kit.INCONCLUSIVE
    text = "%s: %s to %s ms, ratio %s; %s to %s allocations" % (
        who, kit.figure(kit.summary(plain).median * data["n"] / 1e6),
        kit.figure(kit.summary(with_sort(data, "string", who, ARTICLE)).median * data["n"] / 1e6),
        kit.said(ratios[who]), kit.figure(allocs[0].median), kit.figure(allocs[1].median))
    return kit.Verdict("N23", verdict, "84.2 -> 41.6 ms (0.49); 17 -> 1 allocations", text,
                       "Sorting timed; not timed: ratio %s; presized alone: %s. An exact hint leaves %s allocations, "
                       "overflow buckets; 15 %% more room spares them by doubling the array: %.1f times the bytes held. "
                       "Others, sorted and presized: %s."
                       % (kit.said(fill), kit.said(bare), kit.figure(exact.median), held[1].median / held[0].median,
                          "; ".join(
                           "%s %s" % (name, kit.said(r)) for name, r in ratios.items() if name != who)))


def judge_growths(data):
    """N39, K49: growths, nanoseconds per insert, write barriers."""
    who = subject(data)
    grows = {name: counted(data, "u64", name, PLAIN, "grows") for name in whole(data)}
    grows = {name: g for name, g in grows.items() if g}
    time = {name: [kit.summary(timed(data, "u64", name, way)) for way in (PLAIN, ("exact", "shuffled"))]
            for name in data["time"]["u64"]}
    ratio = kit.ratio(timed(data, "u64", who, ("exact", "shuffled")), timed(data, "u64", who, PLAIN))
    stores = [counted(data, "u64", "classic", way, "stores") for way in (PLAIN, ("exact", "shuffled"))]
    right = grows[who].median == 17
    speed = of_claim(ratio, 12 / 82)
    if data["n"] != 100000:
        verdict = growths = kit.INCONCLUSIVE
    else:
        growths = kit.CONFIRMED if right else kit.REFUTED
        verdict = kit.CONFIRMED if right and speed == kit.CONFIRMED else speed if right else kit.REFUTED
    text = "; ".join("%s %s" % (name, kit.said(g)) for name, g in grows.items())
    return [
        kit.Verdict("N39", verdict, "17 growths, 82 -> 12 ns, barriers 17 -> 0",
                    "growths: %s; ns per insert, grown and presized: %s; pointer stores in classic: %s and %s" % (
                        text,
                        "; ".join("%s %s and %s" % (name, kit.said(a), kit.said(b)) for name, (a, b) in time.items()),
                        kit.figure(stores[0].median), kit.figure(stores[1].median)),
                    "%s entries. Pointer stores are where Go would run its write barrier: arrays, overflow buckets and the "
                    "lists of them; integers have none of their own." % kit.figure(data["n"])),
        kit.Verdict("K49", growths, "17", text, "%s entries, no hint." % kit.figure(data["n"])),
    ]


def judge(data):
    verdicts = [judge_misses(data), judge_pauses(data), judge_arrays(data), *judge_sorted(data), judge_merge(data),
                *judge_growths(data)]
    absent = dict.fromkeys(why for name, why in data["missing"].items() if name in GO)
    if absent:
        verdicts = [v._replace(note=v.note + " No Go: " + "; ".join(absent)) for v in verdicts]
    return verdicts


# ---- showing

def tables(data):
    for keys in ("u64", "string"):
        rows = []
        for who, ways in data["time"][keys].items():
            for way, metrics in ways.items():
                sort = kit.summary(metrics["sort"]).median if way.endswith("sorting") else 0
                rows.append([who, way, kit.said(kit.summary(metrics["ns"])), kit.figure(sort),
                             "%.0f %%" % (100 * kit.summary(metrics["ns"]).spread),
                             kit.said(kit.summary(metrics["faults"]))])
        heads = ["map", "hint, order", "ns per insert", "ns of sorting", "spread", "page faults"]
        yield kit.Table("Time of a fill, %s keys" % keys, heads, rows, "%d entries" % data["n"])
        fields = ["grows", "moved", "overflows", "allocs", "bytes", "peak", "held", "compared_per_insert"]
        rows = []
        for who, ways in data["count"][keys].items():
            for way, got in ways.items():
                values = [kit.summary([c[f] for c in got]) if f in got[0] else None for f in fields]
                rows.append([who, way, *(kit.figure(v.median) if v else "-" for v in values)])
        yield kit.Table("What a fill does, %s keys" % keys,
                        ["map", "hint, order", "growths", "entries moved", "overflow buckets", "allocations",
                         "bytes allocated", "most at once", "bytes held", "comparisons per insert"], rows,
                        "Medians over the sets of keys. With an allocator that counts, gomap takes blocks instead of "
                        "growing in place. - : not known of Go from outside.")
    events = [("instructions", "I"), ("data accesses", "D"), ("first-level misses", "D1m"), ("last-level misses", "LLm")]
    yield kit.Table("Simulated caches, string keys, per insert", ["map", "hint", *(name for name, _ in events)],
                    [[who, hint, *(kit.figure(kit.summary([g[e] for g in got]).median) for _, e in events)]
                     for who, hints in data["misses"].items() for hint, got in hints.items()],
                    "%d entries; caches as in kit.CACHE" % data["misses_n"])
    rows = []
    for who, runs in data["pauses"].items():
        for name in [n for n in runs[0] if n.endswith(("u64", "string"))]:
            for kind in runs[0][name]:
                if isinstance(runs[0][name][kind], dict) and runs[0][name][kind]["n"]:
                    part = [r[name][kind] for r in runs if r[name][kind]["n"]]
                    rows.append([who, name, kind, part[0]["n"],
                                 *(kit.said(kit.summary([p[f] / 1e3 for p in part])) for f in ("p50", "p99", "max"))])
    yield kit.Table("Single inserts, microseconds", ["map", "keys", "the insert is", "number", "median", "99 %", "longest"],
                    rows, "%d inserts into an empty map" % data["pauses_n"])


def plots(data):
    words = {"none": "no hint", "exact": "exact hint", "plus15": "hint +15 %"}
    bars = [("%s, %s, %s" % (who, words[way.split()[0]], way.split()[1]),
             {keys: tuple(kit.summary(data["time"][keys][who][way]["ns"])[:3]) for keys in data["time"]
              if who in data["time"][keys]}) for who in data["time"]["u64"] for way in data["time"]["u64"][who]
            if way != " ".join(ARTICLE)]
    chains = {"classic": sorted((c["entries"], c["ns"] / 1e3) for c in data["pauses"]["C"][0]["chains"])}
    arrays = {"classic" if who == "C" else who: [(i + 1, ns) for i, (_, ns) in enumerate(array_times(data, who))]
              for who in data["pauses"]}
    return [kit.Plot("Filling a map", draw.bars(bars, "ns per insert"), "Whiskers: 95 % interval of the median."),
            kit.Plot("Moving one long chain", draw.line(chains, "entries in the chain", "microseconds"),
                     "All keys hashed into one bucket."),
            kit.Plot("Getting an array", draw.line(arrays, "B", "ns", log_y=True),
                     "A map made with room for 6.5 * 2^B entries.")]
