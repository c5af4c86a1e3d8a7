"""What do keys that collide on purpose cost, and what keeps a map from it?

collisions.c drives one map under one attack; go/main.go attacks real Go maps by their own hash function and seed.
"""
import kit
import plots as draw

TITLE = "What can an attacker do who knows the hash seed?"
ANSWERS = ["N11", "N19", "K57"]
PROGRAMS = ["collisions"]
SWISS_GO = kit.NEWEST_GO
GO = {"flood_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}
PACKAGES = ["libglib2.0-dev"]

# What is measured: map and attack.  Their order is that of the table.
CASES = ["list none", "tree none", "glib none", "glib same",
         "classic none", "classic top", "classic low", "classic both", "classic same", "classic-fresh both",
         "gomap none", "gomap top", "gomap low", "gomap both", "gomap same", "gomap-own none", "gomap-own leaked"]
CURVE = ["list none", "tree none", "classic none", "classic low", "classic both", "gomap same", "gomap-own leaked"]
SLOW = {"list none", "glib same", "classic low", "classic both", "classic same", "gomap same"}  # thousands of comparisons
LOADS = {"4": 4096, "6.5": 6656}  # keys in 1024 buckets of classic
KEEP = ("insert_ns", "hit_ns", "hit_compares", "miss_ns", "miss_compares", "mixed_ns", "worst_insert_ns",
        "worst_insert_compares", "longest_chain", "stashed", "alarms")


def drive(lab, case, n, seed):
    ops = lab.pick(1000, 4000, 4000) if case in SLOW else lab.pick(1000, 100000, 100000)
    got = lab.call("collisions", *case.split(), n, ops, seed)
    return {what: got[what] for what in KEEP if what in got}


def run(lab):
    n = lab.pick(1000, 10000, 10000)
    data = {"n": n, "loads": {}, "curve": {}, "go": {}, "absent": {}}
    for load, keys in LOADS.items():
        data["loads"][load] = {attack: drive(lab, "classic " + attack, keys, 1) for attack in ("none", "top")}
    for case in CURVE:
        data["curve"][case] = [(m, drive(lab, case, m, 1)["hit_compares"])
                               for m in lab.pick([250, 500], [1000, 2000, 4000, 8000], [1000, 2000, 4000, 8000, 16000])]
    for program, (_, version) in GO.items():
        if lab.have(program):
            data["go"][version] = [lab.call(program, lab.pick(300, 4000, 4000), seed)
                                   for seed in range(lab.pick(1, 5, 20))]
        else:
            data["absent"]["Go " + version] = lab.missing.get(program, "was not built")
    data["rounds"] = lab.rounds(dict.fromkeys(CASES), lambda case, _, number: drive(lab, case, n, number + 1),
                                decide=["mixed_ns"])
    return data


# ---- verdicts

def judge(data):
    return [judge_tophash(data), judge_throughput(data), judge_seed(data)]


def of(data, case, what):
    return kit.summary(data["rounds"][case][what])


def judge_tophash(data):
    """Confirmed: with equal tophashes alone a hit costs 8 comparisons and more; depends: only with equal low bits."""
    full = data["loads"]["6.5"]["top"]
    crowd = of(data, "classic both", "hit_compares")
    verdict = kit.CONFIRMED if full["hit_compares"] >= 8 else kit.DEPENDS if kit.above(crowd, 8) else kit.REFUTED
    usual = data["loads"]["6.5"]["none"]
    return kit.Verdict(
        "N11", verdict, "O(1) becomes O(8) and worse when tophashes are equal",
        "comparisons a hit, classic, load 6.5: usual %.2f, tophashes equal %.2f (miss %.2f); %d keys of one bucket: %s, "
        "with equal tophashes too %s" % (usual["hit_compares"], full["hit_compares"], full["miss_compares"], data["n"],
                                         kit.said(of(data, "classic low", "hit_compares")), kit.said(crowd)),
        "equal tophashes alone leave a bucket to search, at any number of entries; what grows with their number is equal "
        "low bits")


def loss(data, name, attack):
    """Percent of its throughput that a map loses to an attack."""
    one, other = (data["rounds"]["%s %s" % (name, a)]["mixed_ns"] for a in ("none", attack))
    return kit.summary([100 * (1 - quiet / hit) for quiet, hit in zip(one, other)])


def judge_throughput(data):
    """Confirmed: the bounded map loses 3 % within 3 points and the chained one 41 % within 10; depends: bounded loses
    less, for certain, but not so much of each; refuted: it does not lose less."""
    chained, bounded = loss(data, "classic", "both"), loss(data, "gomap-own", "leaked")
    tree, usual = of(data, "tree none", "mixed_ns"), of(data, "classic none", "mixed_ns")
    if chained.n < 5:
        verdict = kit.INCONCLUSIVE
    elif abs(bounded.median - 3) <= 3 and abs(chained.median - 41) <= 10:
        verdict = kit.CONFIRMED
    else:
        verdict = kit.DEPENDS if bounded.high < chained.low else kit.REFUTED
    slowest = [kit.figure(of(data, case, "worst_insert_ns").median / 1000)
               for case in ("classic both", "gomap-own leaked", "tree none")]
    return kit.Verdict(
        "N19", verdict, "10 000 colliding keys: pause 2.1 ms, throughput -3 % with trees; 18.7 ms, -41 % with lists",
        "throughput lost: classic, whose chains are lists, %s %%; gomap, whose stash is a map, %s %%; slowest insert %s "
        "and %s us" % (kit.said(chained), kit.said(bounded), *slowest[:2]),
        "the article's map is Java's, not measured here: its chains become trees, its cost n log n. A GTree is what any "
        "such tree costs: %s of classic's usual time, slowest insert %s us, whatever the keys"
        % (kit.figure(tree.median / usual.median), slowest[2]))


def seed_ratios(data):
    """{map: (known / fresh seed, fresh seed / random keys)}, of comparisons (classic) and of time (Go)."""
    fresh = data["rounds"]["classic-fresh both"]["hit_compares"]
    ratios = {"classic, comparisons": (kit.ratio(data["rounds"]["classic both"]["hit_compares"], fresh),
                                       kit.ratio(fresh, data["rounds"]["classic none"]["hit_compares"]))}
    for version, runs in data["go"].items():
        known, free, random = ([r[name]["ns"] for r in runs] for name in ("known", "fresh", "random"))
        ratios["Go %s, time" % version[2:]] = (kit.ratio(known, free), kit.ratio(free, random))
    return ratios


def judge_seed(data):
    """Confirmed: everywhere chosen keys cost at least five times more under the seed they were chosen for than under
    another, and under another at most 1.5 times what random keys cost."""
    ratios = seed_ratios(data)
    enough = min(known.n for known, _ in ratios.values()) >= 5
    holds = all(known.low >= 5 and free.high <= 1.5 for known, free in ratios.values())
    fails = any(known.high < 5 or free.low > 1.5 for known, free in ratios.values())
    verdict = kit.CONFIRMED if enough and holds else kit.REFUTED if fails else kit.INCONCLUSIVE
    return kit.Verdict("K57", verdict, "a random seed keeps chosen keys from colliding",
                       "; ".join("%s: known seed %s times, fresh seed %s times what random keys cost"
                                 % (name, kit.figure((known.median * free.median)), kit.said(free))
                                 for name, (known, free) in ratios.items()),
                       "as long as nobody learns the seed; what bounds the damage then is the structure (gomap-own, "
                       "leaked)"
                       + "".join("; %s: %s" % item for item in data["absent"].items()))


# ---- tables and plots

def tables(data):
    rows = []
    for case in CASES:
        name, attack = case.split()
        runs = data["rounds"][case]

        def median(what, runs=runs):
            return kit.figure(kit.summary(runs[what]).median) if what in runs else "-"
        rows.append([name, attack, median("hit_compares"), median("miss_compares"), median("worst_insert_compares"),
                     *(kit.said(kit.summary(runs[what])) for what in ("insert_ns", "hit_ns", "miss_ns", "mixed_ns")),
                     median("longest_chain"), median("stashed"), median("alarms")])
    result = [kit.Table("%s keys: comparisons and nanoseconds an operation" % kit.figure(data["n"]),
                        ["map", "attack", "compares, hit", "miss", "worst insert", "insert, ns", "hit", "miss", "mixed",
                         "overflow buckets", "stashed", "alarms"], rows,
                        "low: equal low 16 bits; top: equal tophash; both: these and those; same: equal hashes; leaked: "
                        "one quad of gomap, whose own seed the attacker has. classic-fresh is attacked by keys for "
                        "another seed. gomap: a user's hash, which it finishes under its seed."),
              kit.Table("Equal tophashes in classic, by load (entries a bucket)",
                        ["load", "keys", "compares, hit", "miss"],
                        [[load, attack, "%.3f" % runs[attack]["hit_compares"], "%.3f" % runs[attack]["miss_compares"]]
                         for load, runs in data["loads"].items() for attack in ("none", "top")])]
    if data["go"]:
        result.append(kit.Table(
            "Real Go: %s keys whose hashes agree in 14 low bits under one map's seed" %
            kit.figure(next(iter(data["go"].values()))[0]["n"]),
            ["version", "map", "ns a hit", "overflow buckets"],
            [[version, name, kit.said(kit.summary([r[name]["ns"] for r in runs])),
              "-" if runs[0][name]["longest"] < 0 else kit.figure(max(r[name]["longest"] for r in runs))]
             for version, runs in data["go"].items() for name in ("known", "fresh", "random")],
            "known: the map whose seed was read; fresh: the same keys in another map; random: other keys."))
    return result


def plots(data):
    lines = {case: points for case, points in data["curve"].items()}
    return [kit.Plot("Comparisons a hit, by number of keys",
                     draw.line(lines, "keys", "comparisons", log_x=True, log_y=True))]
