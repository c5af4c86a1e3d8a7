"""Two arrays, keys and values: is a map built faster in the order of its buckets, or past its own insert?"""
import kit
import plots as draw

TITLE = "Building a map from columns"
ANSWERS = []  # feature row E06; the compiler switches and the unsafe slice of the same chapter are those of go-flags
PROGRAMS = ["columns"]
WAYS = ["gomap-naive", "gomap-presized", "gomap-many", "gomap-many-presized",
        "classic-naive", "classic-presized", "classic-partitioned", "classic-direct"]


def run(lab):
    sizes = lab.pick([1000], [10000, 300000], [10000, 300000, 1000000])
    chosen = {"%s %d" % (way, n): [way, n] for n in sizes for way in WAYS}
    data = {"samples": lab.rounds(chosen, lambda name, args, number: lab.call("columns", *args, number + 1),
                                  decide=["per_entry"], seconds=lab.pick(1, 20, 100)), "misses": {}}
    counted = lab.pick(1000, 200000, 500000)
    try:
        for way in WAYS if not lab.smoke else WAYS[-1:]:
            got = lab.cachegrind("columns", way, counted, 1, toggle="measured")
            data["misses"][way] = {event: got[event] / counted for event in ("I", "D1m", "LLm")}
    except kit.Missing as why:
        data["uncounted"] = str(why)
    data["counted"] = counted
    return data


def judge(data):
    return []


def by_size(data):
    """{n: {way: {metric: Summary}}}"""
    sizes = {}
    for name, metrics in data["samples"].items():
        way, n = name.split()
        sizes.setdefault(int(n), {})[way] = {m: kit.summary(values) for m, values in metrics.items()}
    return sizes


def tables(data):
    result = []
    for n, ways in by_size(data).items():
        base = {kind: data["samples"]["%s-presized %d" % (kind, n)]["per_entry"] for kind in ("gomap", "classic")}
        rows = [[way, kit.said(s["per_entry"]), "%.0f %%" % (100 * s["per_entry"].spread),
                 kit.said(kit.ratio(data["samples"]["%s %d" % (way, n)]["per_entry"], base[way.partition("-")[0]])),
                 "%.0f %%" % (100 * s["partition_share"].median), kit.figure(s["faults"].median / n)]
                for way, s in ways.items()]
        result.append(kit.Table("%s entries" % kit.figure(n), ["how", "ns an entry", "spread", "by presized",
                                                              "partitioning", "page faults an entry"], rows,
                                "An eighth of the keys comes twice. Processor time."))
    if data["misses"]:
        rows = [[way, *(kit.figure(float(got[event])) for event in ("I", "D1m", "LLm"))]
                for way, got in data["misses"].items()]
        result.append(kit.Table("%s entries, counted" % kit.figure(data["counted"]),
                                ["how", "instructions an entry", "D1 misses", "last-level misses"], rows,
                                "A simulated cache (cachegrind), misses an entry. It fetches nothing ahead: a pass in "
                                "the order of memory counts a miss a line, which a processor hides."))
    return result


def plots(data):
    return [kit.Plot("%s entries" % kit.figure(n), draw.bars(
        [(way, {"ns an entry": s["per_entry"][:3]}) for way, s in ways.items()], "ns an entry"))
        for n, ways in by_size(data).items()]
