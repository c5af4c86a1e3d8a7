"""May a sync.Map be changed while it is ranged over, and is it without locks and good for many writes?"""
import kit
import plots as draw

TITLE = "sync.Map: changed within Range, locks, and many writes"
ANSWERS = ["K65", "K66"]
PROGRAMS = []
NEW_GO = kit.NEWEST_GO
GO = {"syncmap_go": ("go/main.go", kit.CLASSIC_GO), "syncmap_go_newest": ("go/main.go", NEW_GO)}
NEW_KEYS = {0: "known keys", 10: "10 % new keys", 100: "new keys"}


def run(lab):
    data = {}
    for program in GO:
        if not lab.have(program):
            continue
        ranged = lab.call(program, "range", lab.pick(1000, 100000, 300000))
        stores, routines = lab.pick(2000, 200000, 400000), lab.pick([2], [1, 2, 16], [1, 2, 16])
        chosen = {"%s %d %d" % (kind, count, new): [kind, count, new, stores]
                  for count in routines for new in NEW_KEYS for kind in ("sync", "mutex")}
        data[ranged["version"]] = {
            "range": ranged, "locks": lab.call(program, "locks", lab.pick(20000, 400000, 400000), pin=False),
            "speed": lab.rounds(chosen, lambda name, args, number, program=program: {
                "per_store": lab.call(program, "speed", *args, number + 1, pin=False)["per_store"]},
                seconds=lab.time_left() / (2 if program == "syncmap_go" else 1))}
    if not data:
        raise kit.Missing("no Go toolchain")
    return data


def speedups(one):
    """{`goroutines new`: speed of sync.Map by a map with a mutex}"""
    speed = one["speed"]
    cells = [name.partition(" ")[2] for name in speed if name.startswith("sync ")]
    return {cell: kit.ratio(speed["mutex " + cell]["per_store"], speed["sync " + cell]["per_store"]) for cell in cells}


def judge_range(data):
    fine = [one["range"]["missing"] == one["range"]["twice"] == one["range"]["wrong_after"] == 0
            for one in data.values()]
    measured = "; ".join("%s: of %s keys %d not visited, %d twice; after changing all within Range %d wrong"
                         % (v, kit.figure(one["range"]["keys"]), one["range"]["missing"], one["range"]["twice"],
                            one["range"]["wrong_after"]) for v, one in data.items())
    return kit.Verdict("K65", kit.REFUTED if all(fine) else kit.CONFIRMED if not any(fine) else kit.DEPENDS,
                       "cannot be iterated, or Range may not change it", measured)


def judge_locks(data):
    """Two halves: no locks; good for many writes (faster than a map with a mutex when all stores bring new keys)."""
    locked = all(one["locks"]["mutexes"] and one["locks"]["profiled_stacks"] for one in data.values())
    ratios = [(v, name, r) for v, one in data.items() for name, r in speedups(one).items() if name.endswith(" 100")]
    slower = all(kit.below(r, 1) for _, _, r in ratios)
    faster = all(kit.above(r, 1) for _, _, r in ratios)
    if ratios[0][2].n < kit.LEVELS["quick"].least:
        verdict = kit.INCONCLUSIVE
    elif locked:
        verdict = kit.REFUTED if slower else kit.DEPENDS
    else:
        verdict = kit.CONFIRMED if faster else kit.DEPENDS
    low, high = min(ratios, key=lambda r: r[2].median), max(ratios, key=lambda r: r[2].median)
    mutexes = "; ".join("%s: %s" % (v, ", ".join(one["locks"]["mutexes"]) or "no mutex") for v, one in data.items())
    return kit.Verdict("K66", verdict, "lock-free, good for many writes",
                       "mutexes in it: %s; waits for them in the mutex profile: %s. New keys, speed by a map with a "
                       "mutex: %s (%s, %s goroutines) to %s (%s, %s)" % (
                           mutexes, "yes" if locked else "not in all", kit.said(low[2]), low[0], low[1].split()[0],
                           kit.said(high[2]), high[0], high[1].split()[0]),
                       "The newest Go's is another data structure: a trie with a mutex in each node.")


def judge(data):
    return [judge_range(data), judge_locks(data)]


def tables(data):
    rows = []
    for version, one in data.items():
        for name, ratio in speedups(one).items():
            count, new = name.split()
            mine, other = (kit.summary(one["speed"]["%s %s" % (kind, name)]["per_store"])
                           for kind in ("sync", "mutex"))
            rows.append([version, count, NEW_KEYS[int(new)], kit.said(mine), kit.said(other), kit.said(ratio),
                         "%.0f %%" % (100 * max(mine.spread, other.spread))])
    return [kit.Table("Stores", ["Go", "goroutines", "into", "sync.Map, ns", "map with a mutex, ns",
                                 "speed by the mutex's", "spread"], rows, "Wall time by stores of all goroutines.")]


def plots(data):
    rows = []
    for version, one in data.items():
        for name in speedups(one):
            count, new = name.split()
            if count == "2":
                rows.append(("%s, %s" % (version, NEW_KEYS[int(new)]), {
                    what: kit.summary(one["speed"]["%s %s" % (kind, name)]["per_store"])[:3]
                    for kind, what in (("sync", "sync.Map"), ("mutex", "map with a mutex"))}))
    return [kit.Plot("Stores by two goroutines", draw.bars(rows, "ns a store, wall time", log=True))]
