"""Profiles, traces and gctrace: what the articles say is in them, and what is."""
import http.client
import os
import re
import socket
import subprocess
import time
from os.path import join

import kit
from kit import CONFIRMED, DEPENDS, INCONCLUSIVE, REFUTED, Plot, Table, Verdict

TITLE = "What is in Go's profiles and traces of a map?"
ANSWERS = ["K92", "K93", "K94", "K95", "K96", "K100", "K103", "K105", "K111"]
PROGRAMS = []
GO = {"subject": ("go/main.go", kit.CLASSIC_GO)}

# A line of gctrace as the runtime's documentation describes it.
GCTRACE = re.compile(r"gc \d+ @[\d.]+s \d+%: [\d.]+\+[\d.]+\+[\d.]+ ms clock, [\d.+/]+ ms cpu, \d+->\d+->\d+ MB, "
                     r"\d+ MB goal, \d+ MB stacks, \d+ MB globals, \d+ P( \(forced\))?")
FOREIGN = ("scanned", "object", "frame", "generation", "minor", "old gen")  # what the article sees in such lines
SAMPLE = re.compile(r"^(?:\s+\d+)+: [\d ]+$", re.M)  # of pprof -raw: values, then locations
NAMES = ("traceMutexAcquire", "EvBucketMigrateStart", "EvBucketMigrateEnd")
HEAP = range(0xC000000000, 0xC100000000)  # where Go's heap lies on linux/amd64


def pprof(lab, *args, **more):
    done = lab.go("tool", "pprof", *args, toolchain=kit.CLASSIC_GO, **more)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def look_at_heap(lab):
    """The heap profile: both formats, addresses in it, options of pprof."""
    files = [join(lab.scratch, name) for name in ("heap.pb.gz", "heap.txt")]
    about = lab.call("subject", "heap", *files, lab.pick(10000, 100000, 300000))
    binary, text = files
    starts = []
    for path in files:
        with open(path, "rb") as start:
            starts.append(start.read(24))
    raw = pprof(lab, "-raw", binary)["out"]
    addresses = [int(a, 16) for a in re.findall(r"\b0x([0-9a-f]+)\b", raw)]
    top = pprof(lab, "-alloc_space", "-top", binary)
    symbolized = pprof(lab, "-symbolize=exec", "-top", binary)
    manual = pprof(lab, "-help")
    manual = manual["out"] + manual["err"]
    formats = re.findall(r"^    -(\w+)", manual.partition("Output formats")[2].partition("Options:")[0], re.M)
    with subprocess.Popen([kit.tool("go"), "tool", "pprof", binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=kit.go_env(kit.CLASSIC_GO)) as shell:
        commands = shell.communicate("help\nquit\n", timeout=120)[0]
    return {"gzip": starts[0][:2] == b"\x1f\x8b", "text starts": starts[1].decode("ascii", "replace"),
            "text read by pprof": pprof(lab, "-top", text)["code"], "entries": about["entries"],
            "array": about["array"], "addresses": len(addresses), "samples": len(SAMPLE.findall(raw)),
            "in heap": sum(a in HEAP for a in addresses), "is array": addresses.count(about["array"]),
            "top": top["out"].splitlines()[:4], "top code": top["code"], "formats": formats,
            "list code": pprof(lab, "-alloc_space", "-list=main.fill", binary)["code"],
            "exec": [line for line in symbolized["err"].splitlines() if "symboliz" in line][:2],
            "commands": [c for c in ("top", "list", "web") if re.search(r"^\s+%s\b" % c, commands, re.M)],
            "http": serve(binary)}


def serve(profile):
    """HTTP status of pprof's pages."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([kit.tool("go"), "tool", "pprof", "-alloc_space", "-no_browser",
                               "-http=127.0.0.1:%d" % port, profile],
                              env=kit.go_env(kit.CLASSIC_GO), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return {page: fetch(port, page, time.monotonic() + 20) for page in ("/ui/top", "/ui/flamegraph")}
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def fetch(port, page, deadline):
    """Status of a page; waits for the server to listen."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", page)
            return connection.getresponse().status
        except OSError:
            if time.monotonic() > deadline:
                return 0
            time.sleep(0.05)
        finally:
            connection.close()


def look_at_labels(lab):
    profile = join(lab.scratch, "cpu.pb.gz")
    lab.call("subject", "labels", profile, lab.pick(6, 40, 100), pin=False)
    raw = pprof(lab, "-raw", profile)["out"]
    return {"labelkey": len(re.findall(r"labelkey:\[labelvalue\]", raw)),
            "contextkey": raw.count("contextkey") + raw.count("contextvalue"), "samples": len(SAMPLE.findall(raw))}


def look_at_trace(lab):
    path = join(lab.scratch, "trace")
    lab.call("subject", "trace", path, lab.pick(5000, 100000, 100000), pin=False)
    tool = {kind: lab.go("tool", "trace", "-pprof=" + kind, path, toolchain=kit.CLASSIC_GO)
            for kind in ("goroutine", "net", "sync", "syscall", "sched")}
    events = lab.go("tool", "trace", "-d=2", path, toolchain=kit.CLASSIC_GO).stdout
    kinds = {}
    for kind in re.findall(r"^([A-Z]\w+) ", events, re.M):
        kinds[kind] = kinds.get(kind, 0) + 1
    root = lab.go("env", "GOROOT", toolchain=kit.CLASSIC_GO).stdout.strip()
    return {"pprof": {kind: done.returncode for kind, done in tool.items()},
            "said": kit.last_line(tool["goroutine"].stderr), "kinds": kinds, "sources": occurrences(root)}


def occurrences(root):
    """{name: files of the runtime and of the trace packages that have it}; EvGoBlock shows that the search finds."""
    found = dict.fromkeys((*NAMES, "EvGoBlock"), 0)
    for top in ("runtime", "internal/trace", "cmd/trace", "runtime/trace"):
        for folder, _, names in os.walk(join(root, "src", top)):
            for name in names:
                if name.endswith((".go", ".s")):
                    with open(join(folder, name), encoding="utf-8", errors="replace") as source:
                        text = source.read()
                    for wanted in found:
                        found[wanted] += wanted in text
    return found


def run(lab):
    lab.program("subject")
    gc = lab.run([lab.program("subject"), "collect", lab.pick(10000, 100000, 100000)], {"GODEBUG": "gctrace=1"}, pin=False)
    if gc.returncode:
        raise kit.Failed("collect: " + gc.stderr)
    sizes = lab.pick(20000, 200000, 1000000)

    def sample(_, n, number):
        about = lab.call("subject", "sampling", n)
        return {"bytes per sample": about["bytes"] / max(about["samples"], 1), "rate": about["rate"]}

    data = {"version": kit.go_version(kit.CLASSIC_GO), "gctrace": gc.stderr.splitlines(), "heap": look_at_heap(lab)}
    lab.say("labels")
    data["labels"] = look_at_labels(lab)
    lab.say("trace")
    data["trace"] = look_at_trace(lab)
    data["sampling"] = lab.rounds({"4096": sizes}, sample)["4096"]
    return data


# Judging

def yes_no(holds):
    return CONFIRMED if holds else REFUTED


def judge(data):
    heap, labels, trace = data["heap"], data["labels"], data["trace"]
    rate = kit.summary(data["sampling"]["bytes per sample"])
    default = data["sampling"]["rate"][0]
    if not (heap["gzip"] and heap["samples"] and heap["addresses"]):
        raise kit.Failed("the heap profile was not read")
    if not trace["kinds"].get("GoBlock") or not trace["sources"]["EvGoBlock"]:
        raise kit.Failed("the trace was not read")
    lines = [line for line in data["gctrace"] if line.startswith("gc ")]
    foreign = sorted({word for word in FOREIGN for line in lines if word in line})
    heat = [f for f in heap["formats"] if "heat" in f or "addr" in f]
    tools = {"-top": heap["top code"] == 0, "-list": heap["list code"] == 0, **{c: c in heap["commands"] for c in
             ("top", "list", "web")}, **{page: status == 200 for page, status in heap["http"].items()}}
    map_events = [k for k in trace["kinds"] if "map" in k.lower() or "bucket" in k.lower()]
    found = {name: n for name, n in trace["sources"].items() if name in NAMES}
    # 512 KiB is confirmed if it is the default, and the samples come at that distance, a tenth more or less.
    near = rate.low <= 1.1 * 524288 and rate.high >= 0.9 * 524288
    return [
        Verdict("K92", yes_no(not heap["text starts"].startswith("heap profile:")), "debug=1 gives heap.pb.gz",
                "debug=1 begins with \"%s...\", debug=0 with gzip's magic number" % heap["text starts"][:14],
                "pprof reads that text, too" if heap["text read by pprof"] == 0 else ""),
        Verdict("K93", yes_no(heap["in heap"] > 0), "-raw has bucket addresses",
                "%d addresses in -raw, %d of them in the heap, %d that of the bucket array (%#x)" % (
                    heap["addresses"], heap["in heap"], heap["is array"], heap["array"])),
        Verdict("K94", REFUTED if not heat and heap["exec"] else DEPENDS if not heat else CONFIRMED,
                "--alloc_space draws a heat map; --symbolize=exec",
                "output formats: %s; -alloc_space selects \"%s\"; -symbolize=exec: \"%s\"" % (
                    ", ".join(heap["formats"]), next((t for t in heap["top"] if "Type" in t), "nothing"),
                    (heap["exec"] or ["accepted"])[0])),
        Verdict("K95", CONFIRMED if all(tools.values()) else DEPENDS if any(tools.values()) else REFUTED,
                "-alloc_space, -http, top, list, web", "work: " + ", ".join(t for t, works in tools.items() if works) +
                "".join("; not " + t for t, works in tools.items() if not works)),
        Verdict("K96", yes_no(foreign) if all(GCTRACE.fullmatch(line) for line in lines) and lines else INCONCLUSIVE,
                "scanned objects, stack frames, generations", "%d of %d lines have the documented form, such as \"%s\"; foreign "
                "words: %s" % (sum(bool(GCTRACE.fullmatch(line)) for line in lines), len(lines), lines[-1] if lines else "",
                               ", ".join(foreign) or "none")),
        Verdict("K100", INCONCLUSIVE if not labels["labelkey"] else yes_no(labels["contextkey"]),
                "context.WithValue carries labels", "samples with the label of pprof.Do: %d, with the value of the context: %d" % (
                    labels["labelkey"], labels["contextkey"]),
                "what an article's example does cannot be run; here: whether such a value reaches a profile"),
        Verdict("K103", yes_no(trace["pprof"]["goroutine"] == 0), "-pprof=goroutine", "%s; accepted: %s" % (
            trace["said"], ", ".join(kind for kind, code in trace["pprof"].items() if code == 0))),
        Verdict("K105", yes_no(map_events or any(found.values())), "events of buckets and mutexes",
                "%s events of %d kinds, %s of them about maps; files of the sources with these names: %s" % (
                    kit.figure(sum(trace["kinds"].values())), len(trace["kinds"]), len(map_events),
                    ", ".join("%s %d" % item for item in trace["sources"].items()))),
        Verdict("K111", yes_no(default == 524288 and near) if kit.conclusive(rate, 0.1) else INCONCLUSIVE, "a sample per 512 KB",
                "MemProfileRate is %d; %s a sample" % (default, kit.said(rate, "bytes")),
                "confirmed within a tenth of 524288"),
    ]


def tables(data):
    heap, trace = data["heap"], data["trace"]
    return [Table("The heap profile", ["what", "value"], [
        ("entries of the map", heap["entries"]), ("samples in -raw", heap["samples"]), ("addresses in -raw", heap["addresses"]),
        ("of them in the heap", heap["in heap"]), ("first line of debug=1", heap["text starts"]),
        *(("line of -alloc_space -top", line) for line in heap["top"]),
        *(("status of " + page, status) for page, status in heap["http"].items())]),
            Table("Events of an execution trace while a map grows", ["event", "times"], sorted(trace["kinds"].items())),
            Table("Lines of gctrace", ["line"], [(line,) for line in data["gctrace"]]),
            Table("Bytes per sample", ["round", "bytes"], list(enumerate(data["sampling"]["bytes per sample"], 1)))]


def plots(data):
    import plots as draw
    rounds = list(enumerate(data["sampling"]["bytes per sample"], 1))
    return [Plot("Bytes allocated per recorded sample", draw.line(
        {"measured": rounds, "512 KiB": [(1, 524288), (len(rounds), 524288)]}, "round", "bytes"), "")] if len(rounds) > 1 else []
