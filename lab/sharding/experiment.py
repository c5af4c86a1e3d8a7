"""Does the articles' shard function, the address of its parameter modulo 16, spread keys?"""
import kit
import plots as draw

TITLE = "Does the address of a parameter spread keys over shards?"
ANSWERS = ["K67"]
PROGRAMS = ["sharding"]
GO = {"sharding_go": ("go/main.go", kit.CLASSIC_GO), "sharding_go_newest": ("go/main.go", kit.NEWEST_GO)}
LABELS = {"sharding": "C", "sharding_go": "Go 1.23", "sharding_go_newest": "newest Go"}


def run(lab):
    keys = lab.pick(1000, 100000, 100000)
    return {LABELS[name]: lab.call(name, keys) for name in (*PROGRAMS, *GO) if lab.have(name)}


def broken(one):
    """No shard function: calls pile up in two of 16 shards, or the same key gets different ones."""
    return one["used"] <= 2 or one["keys_in_several"] > 0


def judge(data):
    go = {label: got for label, got in data.items() if label != "C"}
    if not go:
        return kit.not_here("K67", "no Go toolchain")
    ways = [(label, name, got[name]) for label, got in go.items() for name in ("address", "address inlined")]
    bad = [broken(one) for _, _, one in ways]
    verdict = kit.REFUTED if all(bad) else kit.DEPENDS if any(bad) else kit.CONFIRMED
    measured = "; ".join("%s, %s: %d of 16 shards used, %.4g %% of %s calls in one, %s of %s keys in several"
                         % (label, name, one["used"], 100 * one["fullest"], kit.figure(one["calls"]),
                            kit.figure(one["keys_in_several"]), kit.figure(data[label]["keys"]))
                         for label, name, one in ways)
    return [kit.Verdict("K67", verdict, "keys spread over 16 shards", measured,
                        "Counts, not times: the stack decides, not the key.")]


def tables(data):
    rows = [[label, name, one["used"], "%.3g %%" % (100 * one["fullest"]), one["keys_in_several"]]
            for label, got in data.items() for name, one in got.items() if isinstance(one, dict)]
    heads = ["program", "chosen by", "shards used", "calls in the fullest", "keys in several"]
    return [kit.Table("16 shards", heads, rows,
                      "Every key from four places. An even spread is 6.25 % a shard. C's keys are multiples of 16: "
                      "`low` is the key modulo 16.")]


def plots(data):
    label = next((name for name in ("Go 1.23", "newest Go", "C") if name in data))
    names = [name for name, one in data[label].items() if isinstance(one, dict)]
    return [kit.Plot("Calls by shard, " + label,
                     draw.heat([data[label][name]["counts"] for name in names], "shard", "chosen by", None, names))]
