"""What does it cost to settle entries that both maps of a merge have?"""
import kit
import plots as draw

TITLE = "Settling conflicts in a merge"
ANSWERS = []  # feature row E08; what many colliding hashes cost is told by `collisions`
PROGRAMS = ["conflicts"]
HOW = {"replace": "the later wins", "keep": "the first wins", "sum": "sum, one lookup", "sum-twice": "sum, two lookups",
       "callback": "a function decides"}


def run(lab):
    n, shares = lab.pick(1000, 200000, 500000), lab.pick([50], [0, 50, 100], [0, 50, 100])
    chosen = {"%s %s %d" % (engine, how, share): [engine, how, n, share]
              for engine in ("gomap", "classic") for share in shares for how in HOW}
    return {"n": n, "samples": lab.rounds(chosen, lambda name, args, number: lab.call("conflicts", *args, number + 1),
                                          decide=["per_entry"], seconds=lab.pick(1, 15, 60))}


def judge(data):
    return []


def tables(data):
    rows = []
    for name, metrics in data["samples"].items():
        engine, how, share = name.split()
        per_entry = kit.summary(metrics["per_entry"])
        base = data["samples"]["%s replace %s" % (engine, share)]["per_entry"]
        rows.append([engine, share + " %", HOW[how], kit.said(per_entry), "%.0f %%" % (100 * per_entry.spread),
                     kit.said(kit.ratio(metrics["per_entry"], base))])
    return [kit.Table("%s entries into as many" % kit.figure(data["n"]), [
        "map", "keys in both", "settled by", "ns an entry", "spread", "by `the later wins`"], rows,
        "The result has room for all before. Processor time.")]


def plots(data):
    rows = {}
    for name, metrics in data["samples"].items():
        engine, how, share = name.split()
        if share == "50":
            rows.setdefault(engine, {})[HOW[how]] = kit.summary(metrics["per_entry"])[:3]
    return [kit.Plot("Half of the keys in both", draw.bars(list(rows.items()), "ns an entry"))]
