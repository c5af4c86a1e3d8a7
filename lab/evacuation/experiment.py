"""What happens when a map grows: read from the header and buckets of real maps at each turning point.

The programs answer the same questions about the classic map in C and about Go's own, under the same names (states.c lists
them).  Nothing here is timed; a verdict holds only if every map, at every seed, says the same.
"""
import kit
import plots as draw

TITLE = "What happens in a map that grows?"
ANSWERS = ["N29", "K30", "K31", "K32", "K33", "K34", "K35", "K36", "K37", "K38", "K39", "K40", "K41", "K42", "K43",
           "K50", "K51", "K52"]
PROGRAMS = ["states"]
OLD_GO, NEW_GO = "go1.21.13", kit.NEWEST_GO
GO = {"evacuation_" + v: ("go/main.go", v) for v in (OLD_GO, kit.CLASSIC_GO, NEW_GO)}

SAMPLED_FROM = 16  # B from which Go may count overflow buckets by sampling


# ---- measuring

def run(lab):
    seeds = range(1, 1 + lab.pick(1, 3, 20))
    most = SAMPLED_FROM + lab.pick(0, 1, 1)
    data = {"classic": [], "go": {}, "loads": {}, "callers": {}, "missing": {}}
    for seed in seeds:
        lab.say("states, seed %d" % seed)
        data["classic"].append(lab.call("states", seed, most))
    for name, (_, version) in GO.items():
        if not lab.have(name):
            data["missing"][version] = lab.missing.get(name, "not built")
            continue
        states = [lab.call(name, "states", seed, most, pin=False) for seed in seeds]
        if states[0]["version"] != version:
            raise kit.Failed("%s says it is %s" % (name, states[0]["version"]))
        if states[0]["classic"]:
            data["go"][version] = states
        else:
            data["loads"][version] = lab.call(name, "loads")["loads"]
        data["callers"][version] = lab.call(name, "callers", 100000, pin=False)
    return data


# ---- judging

def maps(data):
    """[(name, [state of each seed])] of the maps with the articles' design."""
    return [("classic", data["classic"])] + list(data["go"].items())


def all_states(data):
    return [state for _, states in maps(data) for state in states]


def main_maps(data):
    """The same without Go 1.21, which has another load factor by mistake."""
    return [(name, states) for name, states in maps(data) if name != OLD_GO]


def everywhere(data, holds):
    return all(holds(state) for state in all_states(data))


def either(data, refuted, confirmed=None):
    """REFUTED or CONFIRMED if that is so in every state of every map, else INCONCLUSIVE: then the maps disagree."""
    if everywhere(data, refuted):
        return kit.REFUTED
    if everywhere(data, confirmed or (lambda state: not refuted(state))):
        return kit.CONFIRMED
    return kit.INCONCLUSIVE


def where(data):
    return "in " + ", ".join(name for name, _ in maps(data)) + ": "


def holding(data, what):
    """In how many states it is so, and of how many."""
    states = all_states(data)
    return sum(bool(what(state)) for state in states), len(states)


def total(data, question, field):
    return sum(state[question][field] for state in all_states(data))


def span(values):
    values = sorted(set(values))
    return kit.figure(values[0]) if len(values) == 1 else "%s..%s" % (kit.figure(values[0]), kit.figure(values[-1]))


def factor(states):
    """Entries per bucket of the largest table just before it doubles."""
    return [(at - 1) / 2 ** b for state in states for b, at in state["doublings"][-1:]]


def slot_loads(data):
    """{map: shares of the slots in use when tables double}, small tables left out."""
    loads = {name: [(at - 1) / (8 * 2 ** b) for state in states for b, at in state["doublings"] if b >= 4]
             for name, states in maps(data)}
    loads["gomap"] = [(at - 1) / slots for state in data["classic"] for slots, at in state["gomap"] if slots > 100]
    for version, pairs in data["loads"].items():
        loads[version] = [(at - 1) / slots for slots, at in pairs if slots > 100]
    return loads


def judge_loads(data):
    claimed, slack = 0.75, 0.02
    loads = slot_loads(data)
    near = [abs(load - claimed) <= slack for values in loads.values() for load in values]
    verdict = kit.CONFIRMED if all(near) else kit.DEPENDS if any(near) else kit.REFUTED
    if verdict == kit.DEPENDS and not any(abs(load - claimed) <= slack for load in loads.get(kit.CLASSIC_GO, [])
                                          + loads["classic"]):
        verdict = kit.REFUTED
    text = "; ".join("%s: %s" % (name, span(round(load, 3) for load in values)) for name, values in loads.items())
    return kit.Verdict("N29", verdict, "0.75 of the slots", text,
                       "Share of the slots in use just before a table grows. The verdict is on the map of Go 1.23 "
                       "(within 0.02); only the faulty limit of Go 1.21, 6 of 8, is where the articles have it.")


def judge_trigger(data):
    """K33, K34, K35: the inserts that double tables, against formulas."""
    states = [state for _, some in main_maps(data) for state in some]
    points = [(b, at) for state in states for b, at in state["doublings"]]
    twice = [at == 2 * 2 ** b + 1 for b, at in points if b >= 1]
    load = [at == 13 * 2 ** b // 2 + 1 for b, at in points if b >= 1]
    first = [at for b, at in points if b == 0]
    measured = "B=1: %s, B=4: %s, B=14: %s" % tuple(span(at for c, at in points if c == b) for b in (1, 4, 14))
    factors = {name: factor(some) for name, some in maps(data)}
    right = {name: all(abs(f - 6.5) < 0.01 for f in values) for name, values in factors.items()}
    said = "; ".join("%s: %s" % (name, span(round(f, 3) for f in values)) for name, values in factors.items())
    if not all(right.values()) and any(right.values()):
        verdict = kit.DEPENDS
    else:
        verdict = kit.CONFIRMED if all(right.values()) else kit.REFUTED
    return [
        kit.Verdict("K33", kit.REFUTED if not any(twice) else kit.DEPENDS, "3, 5, 9, ... entries", measured,
                    "The entry whose insert doubles a table of 2^B buckets; %d of %d agree with 2 * 2^B."
                    % (sum(twice), len(twice))),
        kit.Verdict("K34", kit.CONFIRMED if all(load) else kit.REFUTED, "count > 6.5 * 2^B", measured,
                    "The insert that would make it so doubles the table: %d of %d from B = 1 on. A table of one bucket "
                    "takes %s entries more than 6.5 allows." % (sum(load), len(load), span(at - 1 - 6 for at in first))),
        kit.Verdict("K35", verdict, "6.5", said, "Entries a bucket of the largest table before it doubles. %s"
                    % ("" if OLD_GO in factors else "%s: %s." % (OLD_GO, data["missing"].get(OLD_GO, "not measured")))),
    ]


def judge_start(data):
    first = either(data, lambda s: not s["first_insert"]["buckets_before"] and s["first_insert"]["buckets_after"]
                   and not s["first_insert"]["oldbuckets"] and s["first_insert"]["nevacuate"] == 0)
    old = either(data, lambda s: s["start"]["old_is_former"] and not s["start"]["new_is_former"])
    # A copied array would hold all entries; a just begun evacuation holds those of its first two chains.
    by_entry = either(data, lambda s: s["start"]["entries_new"] * 10 < s["start"]["entries_old"]
                      and s["split"]["rehashed"] == s["split"]["moved"])
    slices = {version: c["by_makeslice"] for version, c in data["callers"].items()}
    classic_slices = sum(n for version, n in slices.items() if version != NEW_GO)
    if by_entry == first == kit.REFUTED and not classic_slices:
        copied = kit.REFUTED
    else:
        copied = kit.CONFIRMED if by_entry == first == kit.CONFIRMED and classic_slices else kit.DEPENDS
    state = data["classic"][0]["start"]
    return [
        kit.Verdict("K30", first, "the first insert grows the map", where(data) + "an old array in %d of %d, nevacuate %s" %
                    (*holding(data, lambda s: s["first_insert"]["oldbuckets"]),
                     span(s["first_insert"]["nevacuate"] for s in all_states(data))),
                    "The first insert makes one bucket. A growth would leave the number of old buckets in nevacuate."),
        kit.Verdict("K31", old, "the old array is new memory",
                    where(data) + "oldbuckets is the array that was in use in %d of %d" %
                    holding(data, lambda s: s["start"]["old_is_former"]),
                    "A growth allocates the new, larger array; the one in use becomes the old one."),
        kit.Verdict("K43", copied, "memcpy of the array; makeslice",
                    where(data) + "%s of %s entries in the new array when a growth has begun; allocations by makeslice: %s"
                    % (kit.figure(state["entries_new"]), kit.figure(state["entries_new"] + state["entries_old"]),
                       ", ".join("%s %d of %d" % (v, n, data["callers"][v]["allocations"]) for v, n in slices.items())
                       or "no Go here"),
                    "Chains move two at a write, entry by entry, each hashed again (K37); the first insert makes one bucket "
                    "(K30)."
                    + (" %s, another map, has its directory of tables made so." % NEW_GO if slices.get(NEW_GO) else "")),
    ]


def judge_end(data):
    doubling, same = ([s["finish"][i]["nevacuate"] == 2 ** s["finish"][i]["B"] for s in all_states(data)] for i in (0, 1))
    if all(doubling) == all(same):
        end = kit.CONFIRMED if all(doubling) else kit.REFUTED
    else:
        end = kit.DEPENDS
    some = data["classic"][0]["finish"]
    one = either(data, lambda s: all(d["growing_after_one"] and d["writes"] * 2 >= d["old_buckets"] for d in s["dummy"]))
    writes = [d["writes"] for s in all_states(data) for d in s["dummy"] if d["old_buckets"] == 16384]
    return [
        kit.Verdict("K32", end, "2^B", "doubling to B=%d: %d; same size, B=%d: %d" %
                    (some[0]["B"], some[0]["nevacuate"], some[1]["B"], some[1]["nevacuate"]),
                    "Over when nevacuate is the number of old buckets: 2^(B-1) when the table doubled, 2^B when not."),
        kit.Verdict("K41", one, "one", where(data) + "%s inserts for 16 384 old buckets" % span(writes),
                    "A write moves two old chains at most, one of them its own bucket's."),
        kit.Verdict("K42", either(data, lambda s: s["reads"]["nevacuate_before"] != s["reads"]["nevacuate_after"],
                                  lambda s: s["reads"]["nevacuate_before"] == s["reads"]["nevacuate_after"]
                                  and s["reads"]["evacuated_before"] == s["reads"]["evacuated_after"]), "nothing moves",
                    where(data) + "%s of %s old buckets moved by %s reads" % (
                        span(s["reads"]["evacuated_after"] - s["reads"]["evacuated_before"] for s in all_states(data)),
                        span(s["reads"]["old_buckets"] for s in all_states(data)),
                        kit.figure(total(data, "reads", "reads"))), "A whole iteration and a lookup of every key."),
    ]


def judge_split(data):
    def by_hash_alone(s):
        guess = [s["split"][bit] / s["split"]["entries"] for bit in ("by_low_top", "by_high_top")]
        return (s["split"]["by_hash"] == s["split"]["entries"] and s["split"]["rehashed"] == s["split"]["moved"]
                and s["split"]["both_halves"] > 0 and all(0.4 < g < 0.6 for g in guess))
    entries = total(data, "split", "entries")
    text = "the hash's new bit foretells %.1f %%, tophash bits %.1f and %.1f %%; %s of %s moved entries hashed again; " \
           "%.0f %% of the chains split; same size: %s hashed again" % (
               100 * total(data, "split", "by_hash") / entries, 100 * total(data, "split", "by_low_top") / entries,
               100 * total(data, "split", "by_high_top") / entries, kit.figure(total(data, "split", "rehashed")),
               kit.figure(total(data, "split", "moved")),
               100 * total(data, "split", "both_halves") / total(data, "split", "chains"),
               kit.figure(total(data, "same_size", "rehashed")))
    same = either(data, lambda s: not s["same_size"]["flag"], lambda s: s["same_size"]["flag"]
                  and s["same_size"]["B_after"] == s["same_size"]["B"]
                  and s["same_size"]["overflows_before"] >= 2 ** s["same_size"]["B"] > s["same_size"]["overflows_after"])
    return [
        kit.Verdict("K36", same, "growth to the same size", where(data) + "B=%s, %s entries: %s overflow buckets before, "
                    "%s after" % tuple(span(s["same_size"][f] for s in all_states(data)) for f in
                                       ("B", "entries", "overflows_before", "overflows_after")),
                    "Deletes and inserts at a constant length until a growth begins."),
        kit.Verdict("K37", either(data, by_hash_alone), "tophash bit, whole chains, no hashing", where(data) + text,
                    "Only a growth to the same size hashes nothing again."),
    ]


def judge_loss(data):
    lost = either(data, lambda s: s["lost"]["lost"] == 0 and s["lost"]["into_unmoved"] > 0,
                  lambda s: s["lost"]["lost"] > 0)
    merged = either(data, lambda s: s["merge"]["growing"] and s["merge"]["lost_other_seed"] == 0
                    and s["merge"]["lost_same_seed"] == 0, lambda s: s["merge"]["lost_other_seed"] > 0)
    return [
        kit.Verdict("K38", lost, "entries are lost", where(data) + "%s inserts into buckets whose old chain was not moved, "
                    "%s lookups after them, %s failed" % tuple(kit.figure(total(data, "lost", f)) for f in
                                                               ("into_unmoved", "checks", "lost")),
                    "A write first moves the old chain of its bucket."),
        kit.Verdict("K39", merged, "evacuation fails", where(data) + "merged into a growing map: %s keys lost with the "
                    "same seed, %s with another" % (kit.figure(total(data, "merge", "lost_same_seed")),
                                               kit.figure(total(data, "merge", "lost_other_seed"))),
                    "An evacuation hashes with the seed of its own map only."),
    ]


def judge_order(data):
    stacks = {version: states[0]["stack"] for version, states in data["go"].items()}
    after = sum(f["advanced_after_moving"] for s in all_states(data) for f in s["finish"])
    advances = sum(f["advances"] for s in all_states(data) for f in s["finish"])
    if not stacks:
        return kit.not_here("K40", "; ".join(dict.fromkeys(data["missing"].values())), "evacuate, growWork, advance")[0]
    outer = all(s[:3] == ["evacuate", "growWork", "mapassign"] for s in stacks.values())
    inner = all(s[:2] == ["growWork", "evacuate"] for s in stacks.values())
    verdict = kit.REFUTED if outer and after == advances > 0 else kit.CONFIRMED if inner else kit.INCONCLUSIVE
    calls = " / ".join(" calls ".join(reversed(s[:3])) for s in {tuple(s) for s in stacks.values()})
    return kit.Verdict("K40", verdict, "evacuate, growWork, advanceEvacuationMark",
                       "%s: %s; the mark moved after the entries in %s of %s writes" %
                       (", ".join(stacks), calls, kit.figure(after), kit.figure(advances)),
                       "The stack is the one a replaced hash function sees while an entry is being moved.")


def judge_overflow(data):
    def kept(s):
        free = s["lists"]["pointer_free"]
        return (free["list"] and free.get("listed", free["overflows"]) == free["overflows"] > 0
                and not s["lists"]["pointers"]["list"])
    pools = [(b, n) for s in all_states(data) for b, n in s["pools"]]
    small, large = [n for b, n in pools if b < 4], [n for b, n in pools if b >= 4]
    if all(large) and any(small) == all(small):
        pooled = kit.CONFIRMED if all(small) else kit.DEPENDS
    else:
        pooled = kit.REFUTED if not any(large) else kit.INCONCLUSIVE
    counts = [n for s in all_states(data) for n in s["noverflow"]]
    exact = [n["header"] == n["true"] for n in counts if n["B"] < SAMPLED_FROM]
    sampled = [n["header"] / n["true"] for n in counts if n["B"] >= SAMPLED_FROM]
    if all(exact):
        approximate = kit.DEPENDS if any(share != 1 for share in sampled) else kit.REFUTED
    else:
        approximate = kit.CONFIRMED
    return [
        kit.Verdict("K50", either(data, lambda s: not s["lists"]["pointer_free"]["list"], kept),
                    "kept in lists", where(data) + "listed for a pointer-free type: all of %s; for a type with pointers: "
                    "none of %s" % tuple(kit.figure(sum(s["lists"][t]["overflows"] for s in all_states(data)))
                                         for t in ("pointer_free", "pointers")),
                    "Go's collector finds the buckets of types with pointers through the chain itself."),
        kit.Verdict("K51", pooled, "in advance", where(data) + "B below 4: %s; B=4: %s; B=12: %s" %
                    (span(small), span(n for b, n in pools if b == 4), span(n for b, n in pools if b == 12)),
                    "Overflow buckets that come with a new array: 2^(B-4), and what fills the size the allocator gives. "
                    "Beyond them each is an allocation."),
        kit.Verdict("K52", approximate, "approximate", where(data) + "below B=%d: %d of %d exact; from there on the header "
                    "has %s of the true number" % (SAMPLED_FROM, sum(exact), len(exact),
                                                   span(round(s, 3) for s in sampled)),
                    "B=16: one in two is counted, B=17: one in four."),
    ]


def judge(data):
    verdicts = [judge_loads(data), *judge_trigger(data), *judge_start(data), *judge_end(data), *judge_split(data),
                *judge_loss(data), judge_order(data), *judge_overflow(data)]
    if kit.CLASSIC_GO in data["missing"]:
        why = " No %s here: %s" % (kit.CLASSIC_GO, data["missing"][kit.CLASSIC_GO])
        verdicts = [v if v.verdict == kit.NOT_HERE else v._replace(note=v.note + why) for v in verdicts]
    return verdicts


def tables(data):
    names = [name for name, _ in maps(data)]
    points = {name: dict(states[0]["doublings"]) for name, states in maps(data)}
    rows = [[b, 2 ** b, *(points[name].get(b, "-") for name in names)] for b in sorted(points["classic"])]
    counts = [[name, n["B"], n["header"], n["true"]] for name, states in maps(data) for n in states[0]["noverflow"]]
    work = [[name, d["old_buckets"], d["writes"]] for name, states in maps(data) for d in states[0]["dummy"]]
    yield kit.Table("The insert that doubles a table", ["B", "buckets", *names], rows)
    yield kit.Table("Writes that finish a growth", ["map", "old buckets", "inserts of new keys"], work)
    yield kit.Table("Overflow buckets", ["map", "B", "noverflow in the header", "in chains"], counts)
    for version, found in data["callers"].items():
        yield kit.Table("Functions that allocate while a map grows to 100 000 entries, %s" % version, ["function"],
                        [[name] for name in found["functions"]])


def plots(data):
    loads = slot_loads(data)
    lines = {name: [(2 ** b, (at - 1) / (8 * 2 ** b)) for b, at in states[0]["doublings"] if b >= 1]
             for name, states in maps(data)}
    lines["gomap"] = [(slots / 8, (at - 1) / slots) for slots, at in data["classic"][0]["gomap"]]
    for version, pairs in data["loads"].items():
        lines[version] = [(slots / 8, (at - 1) / slots) for slots, at in pairs]
    return [kit.Plot("Share of the slots in use when a table grows",
                     draw.line(lines, "slots / 8", "share", log_x=True),
                     "Means: " + ", ".join("%s %.3f" % (name, sum(v) / len(v)) for name, v in loads.items() if v))]
