"""Where does a map's hash seed come from, how does it enter the hash, and which bits of the hash choose what?

Nothing is timed: maps are looked into.  go/main.go reads real Go maps (headers, buckets, the hash function of their type),
seeds.c says the same of classic and gomap.
"""
import kit

TITLE = "What is a hash seed, and which bits of a hash choose what?"
ANSWERS = ["K44", "K45", "K55", "K56", "K59"]
PROGRAMS = ["seeds"]
SWISS_GO = kit.NEWEST_GO
GO = {"seeds_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}

# Chi-square of 256 classes has mean 255, deviation 22.6; of 246 classes (classic: without the doubled tophashes) less.  Above
# this, a distribution is uneven with one chance in a million of error.
UNEVEN = 375


def run(lab):
    maps, keys = lab.pick(512, 4096, 16384), lab.pick(5000, 100000, 300000)
    data = {"c": lab.call("seeds", maps, keys), "go": {}, "absent": {}}
    for program, (_, version) in GO.items():
        if lab.have(program):  # two processes: what differs between them is drawn by each
            data["go"][version] = [lab.call(program, maps, keys) for _ in range(2)]
        else:
            data["absent"]["Go " + version] = lab.missing.get(program, "was not built")
    return data


# ---- verdicts

def judge(data):
    if kit.CLASSIC_GO not in data["go"]:
        return kit.not_here(ANSWERS, "; ".join("%s: %s" % item for item in data["absent"].items()))
    return [judge_pile(data), judge_tophash(data), judge_xor(data), judge_process(data), judge_bits(data)]


def go(data, version=kit.CLASSIC_GO):
    return data["go"][version][0]


def maps_of(data):
    """{name: figures} of all maps that were looked into."""
    return {**{"Go " + v[2:]: runs[0] for v, runs in data["go"].items()}, **data["c"]}


def judge_pile(data):
    """Confirmed: key 0, over many maps, or small keys, over one, favour some high byte of the hash; refuted: they do not."""
    worst = max(m[what]["chi"] for m in maps_of(data).values() for what in ("zero", "run"))
    of = go(data)
    return kit.Verdict("K44", kit.CONFIRMED if worst > UNEVEN else kit.REFUTED,
                       "integer keys of zero have zero in the high bits of the hash and pile up",
                       "Go 1.23: key 0 has high byte 0 in %d of %d maps (chance: %.0f), keys 0, 1, 2, ... in %d of %d (%.0f); "
                       "chi-square of the high bytes at most %.0f in all maps (255 expected)"
                       % (of["zero"]["high_zero"], of["maps"], of["maps"] / 256, of["run"]["high_zero"],
                          of["places"]["entries"], of["places"]["entries"] / 256, worst),
                       "the seed is hashed together with the key")


def judge_tophash(data):
    """Confirmed: the tophash of every entry is the highest byte of its hash; depends: with 5 added to the lowest ones."""
    p, c = go(data)["places"], data["c"]["classic"]["places"]
    exact = p["high_bits"] == p["entries"] and c["high_bits"] == c["entries"]
    verdict = kit.REFUTED if not exact else kit.DEPENDS if p["moved"] else kit.CONFIRMED
    return kit.Verdict("K45", verdict, "tophash = hash >> 56",
                       "Go 1.23: %d of %d tophashes are the high byte, if 5 is added to values below 5; that befell %.2f %% "
                       "(5 of 256: %.2f %%). classic: %d of %d" % (p["high_bits"], p["entries"], 100 * p["moved"] / p["entries"],
                                                                   500 / 256, c["high_bits"], c["entries"]),
                       "0 to 4 mark empty and evacuated slots. Go 1.24 and later: the low 7 bits instead")


def judge_xor(data):
    """Confirmed: two hashes of a key under two seeds differ by the XOR of the seeds; or by anything that is the same for all
    keys."""
    tried = {name + " " + kind: m[kind] for name, m in maps_of(data).items() for kind in ("integers", "strings") if kind in m}
    always = [name for name, t in tried.items() if t["xored"] >= t["keys"] - 1 or t["constant"] >= t["keys"] - 1]
    verdict = kit.CONFIRMED if any(name.startswith("Go 1.23") for name in always) else kit.REFUTED
    return kit.Verdict("K55", verdict, "hash = hash(key) XOR seed",
                       "; ".join("%s: %d of %d keys" % (name, t["xored"] + t["constant"], t["keys"])
                                 for name, t in tried.items()),
                       "keys for which two seeds change the hash as XOR would, or as they do for the key before. The seed "
                       "enters the hash function's initial state")


def judge_process(data):
    """Confirmed: all maps of a process have one seed; refuted: as good as each has its own."""
    seeds = {name: (m["seeds"], m["maps"]) for name, m in maps_of(data).items()}
    n, maps = seeds["Go 1.23.12"]
    verdict = kit.CONFIRMED if n == 1 else kit.REFUTED if n >= 0.99 * maps else kit.DEPENDS
    again = {v: runs[0]["fixed"] != runs[1]["fixed"] for v, runs in data["go"].items()}
    return kit.Verdict("K56", verdict, "the seed is chosen once per process and kept in a variable of the runtime",
                       "; ".join("%s: %d seeds in %d maps" % (name, *s) for name, s in seeds.items()),
                       "a map that is emptied or cleared draws another (%s). Per process there is key material besides: "
                       "the same key under the same seed has another hash in another process (%s)"
                       % ("seen" if go(data)["cleared"] and go(data)["emptied"] else "not seen",
                          "seen" if all(again.values()) else "not seen"))


def judge_bits(data):
    """Confirmed: every entry lies in the bucket of its hash's low B bits and has the tophash of its high bits."""
    p, c = go(data)["places"], data["c"]["classic"]["places"]
    whole = all(x["low_bits"] == x["high_bits"] == x["entries"] for x in (p, c))
    swiss = go(data, SWISS_GO)["places"] if SWISS_GO in data["go"] else None
    later = "" if not swiss else "Go %s is the other way round: in %d of %d entries the low 7 bits are the control byte, " \
        "the high bits choose the table" % (SWISS_GO[2:], min(swiss["low_bits"], swiss["high_bits"]), swiss["entries"])
    return kit.Verdict("K59", kit.CONFIRMED if whole else kit.REFUTED, "low B bits choose the bucket, high bits are the tophash",
                       "Go 1.23 at B = %d: %d of %d entries; classic: %d of %d"
                       % (p["b"], min(p["low_bits"], p["high_bits"]), p["entries"],
                          min(c["low_bits"], c["high_bits"]), c["entries"]), later)


# ---- tables

def tables(data):
    rows = []
    for name, m in maps_of(data).items():
        rows.append([name, kit.figure(m["maps"]), kit.figure(m["seeds"]), "%.0f" % m["zero"]["chi"],
                     "%.0f" % m["run"]["chi"], kit.figure(m.get("emptied")), kit.figure(m.get("cleared"))])
    result = [kit.Table("Seeds and high bytes", ["map", "maps made", "seeds", "chi-square, key 0 in all",
                                                 "chi-square, keys 0, 1, 2, ... in one", "new seed when emptied",
                                                 "when cleared"], rows,
                        "chi-square of the high byte of the hash over its 256 values: 255 expected, above %d uneven. classic: "
                        "of the tophashes from 10 on, 245 expected. gomap draws a new seed when an emptied table is given "
                        "back, not here." % UNEVEN)]
    if data["absent"]:
        result.append(kit.Table("Not looked into", ["what", "why"], [list(item) for item in data["absent"].items()]))
    return result


def plots(data):
    return []
