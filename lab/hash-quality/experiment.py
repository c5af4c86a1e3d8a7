"""Which hash functions spread real keys evenly, and what do the articles' figures about them mean?

Two programs.  hash_quality: every function on five sets of keys, several seeds; multipliers: 31 against 33 on long keys.
Three sets are real and made from this machine, so a report states their size and checksum: package names that apt knows,
paths below /usr, words of /usr/share/dict/words.
"""
import itertools
import math
import os
import subprocess

import kit
import plots as draw

TITLE = "How evenly do hash functions spread keys?"
ANSWERS = ["N27", "N28"]
PROGRAMS = ["hash_quality", "multipliers"]
GO = {"hashes_go": ("go/main.go", kit.CLASSIC_GO)}
PACKAGES = ["libwyhash-dev", "libxxhash-dev", "libmurmurhash-dev", "libhighwayhash-dev", "wamerican"]

EXPECTED = ["wyhash", "XXH3-64", "XXH64", "Murmur3-128", "SipHash-1-3", "SipHash-2-4"]  # if their packages are there
ORDER = EXPECTED + ["Go", "gomap strings", "gomap strict", "gomap integers", "mod-prime 31", "mod-prime 33",
                    "mod-prime 31 in gomap", "random"]
PRIME = 1000000007
QUAD = 48  # entries in a quad of gomap that is as full as it gets

# What the articles say of each function: variance of the loads, entropy in bits, colliding keys in percent.
CLAIMED = {"Murmur3-128": (0.83, 7.98, 0.021), "XXH64": (0.71, 8.02, 0.018), "mod-prime 31": (1.42, 7.35, 0.047)}


# ---- key sets

def package_names():
    listed = subprocess.run(["apt-cache", "pkgnames"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return listed.stdout.splitlines()


def paths():
    """Files and folders below /usr, of this file system only."""
    for folder, folders, files in os.walk(b"/usr"):
        folders[:] = [f for f in folders if not os.path.ismount(os.path.join(folder, f))]
        yield from (os.path.join(folder, name) for name in folders + files)


def words():
    try:
        with open("/usr/share/dict/words", "rb") as lines:
            return lines.read().splitlines()
    except OSError:
        return []


REAL = {"package names": package_names, "paths": paths, "words": words}


def write_set(path, keys, most):
    """The first so many keys, in sorted order, each after its length.  Their number."""
    keys = sorted(set(itertools.islice(keys, most)))
    with open(path, "wb") as out:
        for key in keys:
            out.write(len(key).to_bytes(4, "little") + key)
    return len(keys)


def key_sets(lab):
    """{name: SET as hash_quality takes it}, and why a set is not there."""
    made = lab.pick(2000, 1000000, 1000000)
    sets, absent = {"numbers": "numbers:%d" % made, "orders": "orders:%d" % made}, {}
    for name, make in REAL.items():
        path = os.path.join(lab.scratch, name.replace(" ", "-"))
        if write_set(path, make(), lab.pick(2000, 10 ** 7, 10 ** 7)) >= 1000:
            sets[name] = "file:" + path
        else:
            absent[name] = "fewer than 1000 of them on this machine"
    return sets, absent


# ---- measuring

# What is kept of each run: of the buckets of a rule, and of a hash.
KEPT = {"byte": ("over_mean", "deficit"), "article": ("over_mean", "deficit"), "go": ("sigmas", "deficit"),
        "gomap": ("over_mean", "fullest")}
WHOLE = ("collisions_64", "collisions_32", "ns")


def number_of(rule):
    return int(rule.split(":")[1])


def sigmas(over_mean, buckets):
    """Chi-square of the loads, in standard deviations from what chance gives; from their variance over the mean."""
    return (over_mean * buckets - (buckets - 1)) / math.sqrt(2 * (buckets - 1))


def over_mean(sigma, buckets):
    return (sigma * math.sqrt(2 * (buckets - 1)) + buckets - 1) / buckets


def figures_of(one, rules):
    """The figures of one run of one hash, flat: {"go over_mean": 1.01, ..., "ns": 7.5}."""
    of = one["buckets"]
    of[rules["go"]]["sigmas"] = sigmas(of[rules["go"]]["over_mean"], number_of(rules["go"]))
    figures = {"%s %s" % (rule, what): of[rules[rule]][what] for rule, names in KEPT.items() for what in names}
    figures.update({what: one[what] for what in WHOLE})
    if one["avalanche"]:
        figures.update({"worst": one["avalanche"]["worst"], "dead_bits": one["avalanche"]["dead_bits"]})
    return figures


def collect(into, figures):
    for what, value in figures.items():
        into.setdefault(what, []).append(float("%.4g" % value) if isinstance(value, float) else value)


def measure_set(lab, what, about, seeds):
    """Figures of all hashes for one set, and of the maps' own tables: {name: {figure: [a sample per seed]}}."""
    rules = {"article": "low:1024", "byte": "low:256", "go": "low:%d" % (1 << about["go_b"]),
             "gomap": "high:%d" % max(2, about["keys"] // QUAD)}
    inputs, outputs = os.path.join(lab.scratch, "inputs"), os.path.join(lab.scratch, "outputs")
    with_go = lab.have("hashes_go")
    if with_go:
        lab.call("hash_quality", what, "inputs", inputs)
    result = {"buckets": rules, "hashes": {}, "tables": {}}
    for seed in range(1, seeds + 1):
        if with_go:
            result["go"] = lab.call("hashes_go", inputs, outputs)["version"]
        got = lab.call("hash_quality", what, "measure", seed, outputs if with_go else "-", *rules.values())
        for name, one in got["hashes"].items():
            collect(result["hashes"].setdefault(name, {}), figures_of(one, rules))
        for name, figures in got["tables"].items():
            collect(result["tables"].setdefault(name, {}), figures)
    return result


def run(lab):
    seeds = lab.pick(1, 3, 20)
    sets, absent = key_sets(lab)
    data = {"seeds": seeds, "absent": absent, "sets": {}}
    for name, what in sets.items():
        lab.say(name)
        about = lab.call("hash_quality", what, "sum")
        data["sets"][name] = dict(measure_set(lab, what, about, seeds), about=about)
    if "hashes_go" in lab.missing:
        absent["Go"] = lab.missing["hashes_go"]
    absent.update({name: "its package is not there" for name in EXPECTED
                   if name not in data["sets"]["orders"]["hashes"]})
    data["multipliers"] = run_multipliers(lab)
    data["short"] = lab.call("multipliers", "short")
    return data


def run_multipliers(lab):
    keys, length = lab.pick(20000, 1000000, 1000000), 64
    rounds = lab.pick(1, 10, 20)
    samples = {}
    for seed in range(1, rounds + 1):
        lab.say("31 and 33, round %d" % seed)
        for kind, counts in lab.call("multipliers", seed, keys, length).items():
            for multiplier, count in counts.items():
                samples.setdefault(kind, {}).setdefault(multiplier, []).append(count)
    return {"keys": keys, "length": length, "samples": samples}


# ---- verdicts

def judge(data):
    return [judge_quality(data), judge_multipliers(data)]


def median(values):
    return kit.summary(values).median


def percent(count, keys):
    return 100.0 * count / keys


def candidates_of(one, name):
    """All that a claimed figure could mean: {figure: [(reading, samples)]}."""
    runs, keys = one["hashes"][name], one["about"]["keys"]
    return {"variance": [(rule, runs[rule + " over_mean"]) for rule in ("byte", "article")],
            "entropy": [(bits, [bits - lack for lack in runs[rule + " deficit"]])
                        for rule, bits in (("byte", 8), ("article", 10))],
            "collisions": [(bits, [percent(count, keys) for count in runs["collisions_" + bits]])
                           for bits in ("64", "32")]}


def reproduced(claimed, candidates, figure):
    """Does the claimed figure lie within the measured range, widened by a tenth?  An entropy by what it lacks of the bits
    that the number of buckets can give: 7.98 of 8 is a hundred times worse than chance, not a quarter of a percent."""
    for reading, values in candidates:
        if figure == "entropy":
            one, values = reading - claimed, [reading - v for v in values]
        else:
            one = claimed
        if 0.9 * min(values) <= one <= 1.1 * max(values):
            return True
    return False


def judge_quality(data):
    """Confirmed: each of the nine figures is reproduced for some set of the stated size under some reading (256 or 1024
    buckets, 64 or 32 bits); refuted: fewer than half of them."""
    found, said = 0, []
    sets = {n: s for n, s in data["sets"].items() if n in ("orders", "numbers")}
    have = [name for name in CLAIMED if all(name in s["hashes"] for s in sets.values())]
    if len(have) < len(CLAIMED):
        return kit.not_here("N27", "the packages of XXH64 and Murmur3 are not there", "")[0]
    for name, claims in CLAIMED.items():
        for figure, claimed in zip(("variance", "entropy", "collisions"), claims):
            candidates = [c for one in sets.values() for c in candidates_of(one, name)[figure]]
            found += reproduced(claimed, candidates, figure)
        orders = candidates_of(sets["orders"], name)
        said.append("%s %.2f; %.5f of 8 bit; %.3f %%" % (name, median(orders["variance"][1][1]),
                                                         median(orders["entropy"][0][1]),
                                                         median(orders["collisions"][0][1])))
    verdict = kit.CONFIRMED if found == 9 else kit.REFUTED if found < 5 else kit.DEPENDS
    keys = sets["orders"]["about"]["keys"]
    return kit.Verdict("N27", verdict, "variance 0.83, 0.71, 1.42; entropy 7.98, 8.02, 7.35 bit; collisions 0.021, "
                       "0.018, 0.047 %", "%d order keys: %s" % (keys, " | ".join(said)),
                       "%d of 9 figures come out under any reading. Variance is over its mean at 1024 buckets, entropy "
                       "at 256: with 1024 it would be 10 bit, and no 256 buckets give 8.02. Chance makes %.4f %% of "
                       "so many keys collide in 32 bits, none in 64, and %.3f %% modulo %d."
                       % (found, percent(keys / 2, 2 ** 32), percent(keys / 2, PRIME), PRIME))


def judge_multipliers(data):
    """Confirmed: on every kind of long key with collisions at all, the interval of collisions(31) / collisions(33)
    contains 0.88 and lies below 1; refuted: it does not contain 0.88, or there are no collisions with either."""
    outcomes, said = [], []
    for kind, samples in data["multipliers"]["samples"].items():
        if sum(samples["31"]) + sum(samples["33"]) == 0:
            said.append("%s: none with either" % kind)
            outcomes.append(kit.REFUTED)
            continue
        both = [(a, b) for a, b in zip(samples["31"], samples["33"]) if a and b]
        if not both:
            outcomes.append(kit.INCONCLUSIVE)
            said.append("%s: %d and %d in all" % (kind, sum(samples["31"]), sum(samples["33"])))
            continue
        ratio = kit.ratio(*zip(*both))
        claimed, equal = ratio.low <= 0.88 <= ratio.high, ratio.low <= 1 <= ratio.high
        known = ratio.n >= 5
        outcomes.append(kit.INCONCLUSIVE if not known or claimed and equal else kit.CONFIRMED if claimed else kit.REFUTED)
        said.append("%s: %s" % (kind, kit.said(ratio)))
    verdict = outcomes[0] if len(set(outcomes)) == 1 else \
        kit.INCONCLUSIVE if kit.INCONCLUSIVE in outcomes else kit.DEPENDS
    m = data["multipliers"]
    words = data["sets"].get("words", {}).get("hashes")
    real = "; on the words of a dictionary, %d and %d do" % tuple(
        words["mod-prime " + m]["collisions_64"][0] for m in ("31", "33")) if words else ""
    return kit.Verdict("N28", verdict, "12 % fewer collisions with 31 than with 33, on long keys",
                       "collisions with 31 / with 33, %d keys of %d bytes: %s"
                       % (m["keys"], m["length"], "; ".join(said)),
                       "modulo %d; on long random text both collide as often as chance does (n^2 / 2p = %.0f)%s"
                       % (PRIME, m["keys"] ** 2 / 2 / PRIME, real))


# ---- tables and plots

def present(one):
    return [name for name in ORDER if name in one["hashes"]]


def set_rows(one):
    keys, buckets = one["about"]["keys"], number_of(one["buckets"]["go"])
    for name in present(one):
        runs = one["hashes"][name]

        def of(what, runs=runs):
            return kit.said(kit.summary(runs[what]))
        yield [name, of("article over_mean"), kit.said(kit.summary([over_mean(v, buckets) for v in runs["go sigmas"]])),
               of("go sigmas"), of("go deficit"),
               of("gomap over_mean"), of("gomap fullest"), kit.figure(median(runs["collisions_64"])),
               "%.4f" % percent(median(runs["collisions_32"]), keys),
               "%.3f" % median(runs["worst"]) if "worst" in runs else "-",
               kit.figure(median(runs["dead_bits"])) if "dead_bits" in runs else "-",
               "%.1f" % median(runs["ns"]) if any(runs["ns"]) else "-"]


def tables(data):
    result = []
    for name, one in data["sets"].items():
        about = one["about"]
        result.append(kit.Table(
            "%s: %s keys of %.1f bytes" % (name, kit.figure(about["keys"]), about["bytes"] / about["keys"]),
            ["hash", "variance / mean, 1024", "the same, %s" % one["buckets"]["go"], "chi-square, sigmas",
             "entropy lacks, bit", "variance / mean, %s" % one["buckets"]["gomap"], "fullest", "collisions, 64 bits",
             "in 32 bits, %", "avalanche, worst bias", "dead bits", "ns"],
            list(set_rows(one)),
            "checksum %s. low:M is the hash modulo M (Go's rule), high:M the high half of hash times M (gomap's). "
            "random: no function, numbers drawn for each key; what it scores is chance." % about["fnv1a"]))
    result.append(own_tables(data))
    result.append(kit.Table("31 and 33 on all short texts: keys whose hash an earlier one has",
                            ["alphabet, length", "texts", "31", "33"],
                            [[name, kit.figure(v["texts"]), kit.figure(v["31"]), kit.figure(v["33"])]
                             for name, v in data["short"].items()],
                            "An alphabet wider than the multiplier collides from two letters on: Aa and BB under 31."))
    if data["absent"]:
        result.append(kit.Table("Not measured", ["what", "why"], [list(item) for item in data["absent"].items()]))
    return result


def own_tables(data):
    rows = []
    for name, one in data["sets"].items():
        for table, what in (("classic", "bucket"), ("gomap", "quad")):
            runs = one["tables"][table]
            rows.append([name, table, kit.figure(runs["buckets"][0]), "%.2f per %s" % (runs["mean"][0], what),
                         kit.said(kit.summary(runs["over_mean"])), kit.said(kit.summary(runs["chi_z"])),
                         kit.figure(median(runs["fullest"]))])
    return kit.Table("The maps' own tables, holding each set under their own hash and seed",
                     ["set", "map", "buckets or quads", "mean load", "variance / mean", "chi-square, sigmas", "fullest"],
                     rows)


def plots(data):
    rows = []
    for name, one in data["sets"].items():
        buckets = number_of(one["buckets"]["go"])
        rows.append((name, {h: over_mean(median(one["hashes"][h]["go sigmas"]), buckets)
                            for h in ("XXH3-64", "SipHash-1-3", "Go", "gomap strings", "mod-prime 31", "mod-prime 33",
                                      "random") if h in one["hashes"]}))
    return [kit.Plot("Variance of bucket loads over their mean, at the buckets Go would have",
                     draw.bars(rows, "variance / mean; chance gives 1", log=True))]
