"""Must a map finish its growth before it is merged into another, and does one dummy insert finish it?"""
import kit
import plots as draw

TITLE = "A merge whose source is in the middle of a growth"
ANSWERS = ["K41", "K42"]
PROGRAMS = ["source"]
GO = {"source_go": ("go/main.go", kit.CLASSIC_GO)}
STATES = {"classic": ["settled", "growing", "same", "random", "insert"],
          "gomap": ["settled", "growing", "insert", "work"],
          kit.CLASSIC_GO: ["settled", "growing", "same", "random", "insert"]}
SAID = {"settled": "before its growth", "growing": "in it", "same": "after it, one key overwritten",
        "random": "after it, random keys overwritten", "insert": "after it, new keys put and deleted",
        "work": "after it, gomap_work"}


def run(lab):
    sizes = lab.pick([1000], [20000, 200000], [20000, 200000, 1000000])
    chosen = {}
    for n in sizes:
        for engine, states in STATES.items():
            for state in states if engine != kit.CLASSIC_GO or lab.have("source_go") else []:
                chosen["%s %s %d" % (engine, state, n)] = (
                    ("source_go", [state, n]) if engine == kit.CLASSIC_GO else ("source", [engine, state, n]))

    def one(name, args, number):
        got = lab.call(args[0], *args[1], number + 1)
        got.pop("version", None)
        return got

    return {"samples": lab.rounds(chosen, one, decide=["per_entry"],
                                  seconds=lab.pick(1, 20, 100))}


def cells(data):
    """[(engine, state, size, metrics)]"""
    return [(*name.split(), metrics) for name, metrics in data["samples"].items()]


def articles_design(data):
    """Of those, the maps that the articles describe."""
    return [cell for cell in cells(data) if cell[0] != "gomap"]


def judge_dummy(data):
    """One write that ends a growth, whatever the size: confirmed; more in all: refuted."""
    needed = [(engine, state, kit.summary(m["writes"]), kit.summary(m["parts"]).median)
              for engine, state, _, m in articles_design(data) if state in ("same", "random", "insert")]
    one = sum(writes.high <= 1 for _, _, writes, _ in needed)
    more = sum(writes.low > 1 for _, _, writes, _ in needed)
    verdict = kit.CONFIRMED if one == len(needed) else kit.REFUTED if more == len(needed) else kit.DEPENDS
    measured = "; ".join("%s, %s: %s writes for %s old buckets" % (
        engine, SAID[state].partition(", ")[2], kit.said(writes), kit.figure(int(parts)))
        for engine, state, writes, parts in needed)
    return kit.Verdict("K41", verdict, "one dummy insert", measured, "At most two old buckets move a write.")


def judge_range(data):
    before_after = [(a, b) for _, state, _, m in articles_design(data) if state == "growing"
                    for a, b in zip(m["before"], m["after"])]
    same = sum(a == b and a >= 0 for a, b in before_after)
    return kit.Verdict("K42", kit.CONFIRMED if same == len(before_after) else kit.REFUTED, "ranging moves nothing",
                       "%d of %d merges left the source's growth where it was, and took every entry"
                       % (same, len(before_after)))


def judge(data):
    return [judge_dummy(data), judge_range(data)]


def tables(data):
    rows = []
    for engine, state, size, m in cells(data):
        settled = data["samples"]["%s settled %s" % (engine, size)]["per_entry"]
        per_entry = kit.summary(m["per_entry"])
        rows.append([engine, kit.figure(int(kit.summary(m["entries"]).median)), SAID[state], kit.said(per_entry),
                     "%.0f %%" % (100 * per_entry.spread), kit.said(kit.ratio(m["per_entry"], settled)),
                     kit.figure(int(kit.summary(m["writes"]).median)),
                     "-" if state in ("settled", "growing") else kit.figure(kit.summary(m["finish_ns"]).median / 1e6)])
    return [kit.Table("Merging a source", ["map", "entries", "source", "ns an entry", "spread", "by before its growth",
                                           "calls to end the growth", "ms to end it"], rows,
                      "Into a presized map, processor time; what ending the growth took is beside it, not in it.")]


def plots(data):
    rows = {}
    largest = max(int(size) for _, _, size, _ in cells(data))
    for engine, state, size, m in cells(data):
        if int(size) == largest:
            rows.setdefault(engine, {})[SAID[state]] = kit.summary(m["per_entry"])[:3]
    title = "Merging a source of %s entries and more" % kit.figure(largest)
    return [kit.Plot(title, draw.bars(list(rows.items()), "ns an entry"))]
