"""Which of the ways to give memory back give it back, and what a map gives back while its entries go."""
import ctypes
import mmap
import re

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Does freed memory leave the process?"
ANSWERS = ["K85", "K86", "K87"]
PROGRAMS = ["release", "maps"]
PACKAGES = kit.ALLOCATOR_PACKAGES
WAYS = {  # way of release.c: what it is
    "clear": "memset to zero", "munmap": "munmap", "mmap-over": "a fresh mmap over it", "dontneed": "madvise DONTNEED",
    "madv-free": "madvise FREE", "cold": "madvise COLD", "pageout": "madvise PAGEOUT",
    "huge-dontneed": "DONTNEED, huge pages", "huge-dontneed-half": "DONTNEED of every other page of huge pages",
    "free-block": "free of one block", "free-chunks": "free of all chunks of 1000 bytes",
    "free-chunks-but-last": "free of all chunks but the last", "trim-but-last": "the same and malloc_trim",
    "free-chunks-but-64th": "free of all chunks but every 64th", "trim-but-64th": "the same and malloc_trim"}
LIBC = ["clear", "free-block", "free-chunks", "free-chunks-but-last", "free-chunks-but-64th"]  # what K87 is about
STORES, VALUES = ["gomap", "classic", "chained"], [8, 200]
STAGES = ["filled", "emptied", "tidied", "purged", "freed", "freed_purged"]
GONE, STAYS = 0.9, 0.1  # share of the bytes that left the core: from here on it went, up to here it stayed


def run(lab):
    size = lab.pick(4, 32, 64) << 20

    def one(_, way, number):
        got = lab.call("release", way, size)
        bytes_, pages = got["bytes"], got["pages"]
        again = got["retouch_faults"] + got.get("remake_faults", 0)
        return {"gone": 1 - got["released"]["anonymous"] / max(got["touched"]["anonymous"], 1),
                "rss_anon_gone": 1 - got["released"]["rss_anon"] / max(got["touched"]["rss_anon"], 1),
                "lazy": got["released"]["lazy_free"] / bytes_, "mapped": got["mapped"]["anonymous"] / bytes_,
                "touch_faults": (got["touch_faults"] + got["make_faults"]) / pages, "again_faults": again / pages,
                "touch_ns": (got["touch_ns"] + got["make_ns"]) / pages, "give_ns": got["give_ns"] / pages,
                "again_ns": (got["retouch_ns"] + got.get("remake_ns", 0)) / pages}

    ways = lab.rounds({way: way for way in WAYS}, one, decide={"gone", "lazy"}, seconds=lab.pick(1, 15, 60))
    entries = lab.pick(2000, 100000, 300000)
    found = kit.allocators(lab, "maps", "chained", 8, 1000, "clear")
    maps = []
    for allocator in found:
        for store in STORES:
            for value in VALUES:
                for how in ("erase", "clear"):
                    lab.say("%s, %s, %d bytes, %s" % (store, allocator, value, how))
                    got = lab.call("maps", store, value, entries, how, env=kit.ALLOCATORS[allocator])
                    if got["allocator"] != allocator:
                        raise kit.Failed("maps ran with %s instead of %s" % (got["allocator"], allocator))
                    maps.append(dict(got, how=how))
    return {"bytes": size, "ways": ways, "entries": entries, "maps": maps, "smaps": smaps_fields(lab.pick(4, 32, 32) << 20)}


def smaps_fields(size):
    """What /proc/self/smaps says of a mapping before and after its pages were given back."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for at in range(0, size, mmap.PAGESIZE):
        memory[at] = 1
    before = smaps_of(address)
    memory.madvise(mmap.MADV_DONTNEED)
    return {"before": before, "after": smaps_of(address),
            "status_has_RssAnon": "RssAnon" in kit.proc_fields("/proc/self/status")}


def smaps_of(address):
    fields, inside = {}, False
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if head:
                inside = int(head[1], 16) <= address < int(head[2], 16)
            elif inside and (number := re.match(r"(\w+):\s+(\d+) kB", line)):
                fields[number[1]] = int(number[2])
    return fields


# Verdicts

def went(samples):
    """Did the memory go?  True, False, or None: in part."""
    gone = kit.summary(samples["gone"])
    return True if gone.low >= GONE else False if gone.high <= STAYS else None


def percent(summary):
    return kit.said(summary, "%", lambda x: "%.1f" % (100 * x + 0.0))


def judge(data):
    return [judge_fields(data["smaps"]), judge_dontneed(data["ways"]), judge_libc(data)]


def judge_fields(smaps):
    """Two statements: smaps has RssAnon; MMUPageSize changes.  Refuted if both are wrong."""
    fields = "RssAnon" in smaps["before"]
    changed = smaps["before"].get("MMUPageSize") != smaps["after"].get("MMUPageSize")
    verdict = kit.CONFIRMED if fields and changed else kit.DEPENDS if fields or changed else kit.REFUTED
    return Verdict("K85", verdict, "RssAnon in smaps; MMUPageSize changes",
                   "smaps %s RssAnon (status %s it); MMUPageSize %d kB before and %d kB after, while Anonymous fell from "
                   "%s to %s kB" % ("has" if fields else "lacks", "has" if smaps["status_has_RssAnon"] else "lacks",
                                    smaps["before"].get("MMUPageSize", 0), smaps["after"].get("MMUPageSize", 0),
                                    kit.figure(smaps["before"].get("Anonymous", 0)),
                                    kit.figure(smaps["after"].get("Anonymous", 0))),
                   "Fields that do tell: Anonymous and LazyFree.")


def judge_dontneed(ways):
    gone = {way: kit.summary(ways[way]["gone"]) for way in ("dontneed", "huge-dontneed")}
    right = all(s.low >= 0.99 for s in gone.values())
    return Verdict("K86", kit.CONFIRMED if right else kit.REFUTED, "pages drop at once",
                   "%s gone when the call returns, %s with huge pages" % tuple(percent(s) for s in gone.values()),
                   "Confirmed from 99 % on; what is read afterwards is zero, which the program checks.")


def judge_libc(data):
    """Confirmed: no way of libc's lowers it; refuted: all do."""
    answers = {way: went(data["ways"][way]) for way in LIBC}
    kinds = set(answers.values())
    verdict = kit.CONFIRMED if kinds == {False} else kit.REFUTED if kinds == {True} else kit.DEPENDS
    lists = [", ".join(WAYS[w] for w in LIBC if answers[w] is kind) for kind in (True, False, None)]
    return Verdict("K87", verdict, "the resident set stays", "; ".join(
        "%s: %s" % (what, ways) for what, ways in zip(("leaves", "stays", "in part"), lists) if ways),
        "libc unmaps large blocks and trims the end of its heap; one chunk that lives holds all below it until malloc_trim.")


# Tables and plots

def tables(data):
    ways = data["ways"]
    rows = []
    for way, what in WAYS.items():
        s = {metric: kit.summary(values) for metric, values in ways[way].items()}
        rows.append([what, percent(s["gone"]), percent(s["rss_anon_gone"]), percent(s["lazy"]), kit.said(s["give_ns"]), kit.said(s["again_ns"]),
                     "%.2f" % s["touch_faults"].median, "%.2f" % s["again_faults"].median])
    yield Table("%d MiB touched, given back, touched again" % (data["bytes"] >> 20),
                ["way", "left the core", "left RssAnon", "LazyFree", "giving back, ns a page", "touching again, ns a page",
                 "faults a page, first touch", "again"], rows,
                "Before the first touch a mapping has no page (%s of it resident): every page comes by a fault."
                % percent(kit.summary(ways["munmap"]["mapped"])))
    for value in VALUES:
        rows = [["%s, %s" % (m["store"], m["how"]), m["allocator"], *("%.1f" % (m[s][0] / 2**20) for s in STAGES)]
                for m in data["maps"] if m["value_bytes"] == value]
        yield Table("Resident MiB of a map of %s entries, values of %d bytes" % (kit.figure(data["entries"]), value),
                    ["map, emptied by", "allocator", "full", "emptied", "map tidied", "allocator purged", "map freed",
                     "purged again"], rows)


def plots(data):
    for value in VALUES:
        lines = {}
        for m in data["maps"]:
            if m["how"] == "erase" and m["value_bytes"] == value and m["allocator"] == "glibc":
                full = max(m["filled"][0], 1)
                lines[m["store"]] = [(100 * (1 - left), 100 * resident / full) for left, resident in m["curve"]]
        yield Plot("What stays while entries are erased, values of %d bytes" % value,
                   draw.line(lines, "% of the entries erased, in random order", "% of the memory still resident"),
                   "glibc. Go's map keeps its buckets; a malloc each keeps pages with a single live entry.")
    rows = [("%s, %d B" % (store, value), {m["allocator"]: 100 * m["purged"][0] / max(m["filled"][0], 1)
                                          for m in data["maps"] if (m["store"], m["value_bytes"], m["how"])
                                          == (store, value, "erase")}) for store in STORES for value in VALUES]
    yield Plot("Left after all entries were erased and the allocator purged", draw.bars(rows, "% of the full map's memory"))
