"""Commands of tools outside Go that the articles show: bpftrace, delve, redis."""
import json
import os
import re
import shutil
import subprocess
import time
from os.path import join

import kit
from kit import CONFIRMED, DEPENDS, INCONCLUSIVE, REFUTED, Table, Verdict, not_here

TITLE = "Do the commands for bpftrace, delve and redis work?"
ANSWERS = ["K99", "K109", "K110"]
PROGRAMS = ["probed"]
PACKAGES = ["bpftrace", "redis-tools"]
DELVE = "github.com/go-delve/delve/cmd/dlv@v1.27.2"

SHOWN = {"x/40xb": "x/40xb word", "watch -a -v": "watch -a -v word", "eval": "eval m"}  # as the articles have them
REAL = {"examinemem": "examinemem -fmt hex -count 40 -size 1 -x word", "watch -w": "watch -w *word", "print": "print m"}
REDIS_EVENTS = ("bucket_start", "bucket_migrated", "bucket_skipped")


# bpftrace

def probe(lab):
    """Stacks counted at a probe, and how often the program says it called."""
    if os.geteuid() != 0:
        raise kit.Missing("bpftrace needs root")
    calls = lab.pick([142, 89], [14200, 8900], [142000, 89000])
    program = lab.program("probed")
    script = "uprobe:%s:probed_function { @[ustack(perf, 2)] = count(); }" % program
    done = lab.run([kit.tool("bpftrace"), "-f", "json", "-e", script, "-c", "%s %d %d" % (program, *calls)])
    maps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"type": "map"')]
    if not maps:
        raise kit.Missing("bpftrace does not run here: " + kit.last_line(done.stderr + done.stdout))
    counts = [n for counted in maps[-1]["data"].values() for n in counted.values()]
    return {"calls": sorted(calls), "counts": sorted(counts), "version": lab.run(["bpftrace", "--version"]).stdout.strip()}


# delve

def delve(lab):
    """Path of the debugger, built into the build folder by the go command; the smoke run builds none."""
    folder = join(lab.build, "lab", lab.name)
    path = join(folder, "dlv-" + DELVE.rpartition("@")[2])
    if not os.path.exists(path):
        if lab.smoke:
            raise kit.Missing("delve is not built in a smoke run")
        lab.say("building delve")
        done = lab.go("install", DELVE, env={"GOBIN": lab.scratch}, cwd=lab.scratch)
        if done.returncode:
            raise kit.Missing("delve cannot be had: " + kit.last_line(done.stderr))
        shutil.copy(join(lab.scratch, "dlv"), path + ".new")
        os.replace(path + ".new", path)
    return path


def debug(lab):
    """What delve says to each command, at a breakpoint in a function with a map: {command: error, or "accepted"}."""
    dlv, program, said = delve(lab), join(lab.scratch, "debuggee"), {}
    built = lab.go("build", "-gcflags=all=-N -l", "-o", program, ".", cwd=join(lab.folder, "go"))
    if built.returncode:
        raise kit.Failed(built.stderr)
    for name, command in {**SHOWN, **REAL}.items():
        script = join(lab.scratch, "script")
        with open(script, "w", encoding="utf-8") as out:
            out.write("break main.inspect\ncontinue\n%s\nexit\n" % command)
        done = lab.run([dlv, "exec", program, "--allow-non-terminal-interactive=true", "--check-go-version=false", "--init",
                        script], pin=False)
        if "> [Breakpoint 1] main.inspect" not in done.stdout:
            raise kit.Missing("delve cannot debug here: " + kit.last_line(done.stderr + done.stdout))
        error = re.search(r"script:3: (.*)", done.stderr + done.stdout)
        said[name] = error[1] if error else "accepted"
    return {"version": DELVE.rpartition("@")[2], "said": said}


# redis

def redis(lab):
    """Does the server know the option, and what events does it tell of while a table of its grows?"""
    server, folder = join(lab.scratch, "redis-server"), lab.scratch
    # The checker of dump files is the server under another name; the package with it starts no service.
    os.symlink(kit.tool("redis-check-rdb"), server)
    base = [server, "--port", "0", "--save", "", "--dir", folder]
    tracking = lab.run([*base, "--enable-tracking", "yes"], timeout=20)
    sock = join(folder, "redis.sock")
    with subprocess.Popen([*base, "--unixsocket", sock, "--enable-debug-command", "yes", "--notify-keyspace-events", "KEA"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            data = listen(lab, sock)
        finally:
            daemon.terminate()
    with open(server, "rb") as program:
        text = program.read()
    return {"version": lab.run([server, "--version"]).stdout.split("sha=")[0].strip(), "code": tracking.returncode,
            "said": next((line for line in (tracking.stdout + tracking.stderr).splitlines() if "Bad directive" in line), ""),
            "names": {name: text.count(name.encode()) for name in (*REDIS_EVENTS, "dictRehash")}, **data}


def listen(lab, sock):
    """Events that a subscriber to everything gets while keys are set and the main table grows."""
    cli = [kit.tool("redis-cli"), "-s", sock]
    deadline = time.monotonic() + 20
    while lab.run([*cli, "ping"]).stdout.strip() != "PONG":
        if time.monotonic() > deadline:
            raise kit.Failed("the redis server does not answer")
        time.sleep(0.05)
    heard, keys = join(lab.scratch, "heard"), join(lab.scratch, "keys")
    n = lab.pick(200, 20000, 100000)
    with open(keys, "w", encoding="utf-8") as out:
        out.writelines("SET key:%d %d\r\n" % (i, i) for i in range(n))
    with open(heard, "w", encoding="utf-8") as out, subprocess.Popen(
            [*cli, "psubscribe", "__key*"], stdin=subprocess.DEVNULL, stdout=out) as listener:
        try:
            while "__key" not in open(heard, encoding="utf-8").read():
                time.sleep(0.02)
                if time.monotonic() > deadline:
                    raise kit.Failed("nobody subscribed")
            with open(keys, encoding="utf-8") as source:
                lab.run([*cli, "--pipe"], stdin=source)
            stats = lab.run([*cli, "debug", "htstats", "0"]).stdout
        finally:
            time.sleep(0.2)
            listener.terminate()
    with open(heard, encoding="utf-8") as lines:
        kinds = re.findall(r"__keyevent@0__:(\w+)", lines.read())
    size = re.search(r"table size: (\d+)", stats)
    return {"keys": n, "table": int(size[1]) if size else 0, "events": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}


def run(lab):
    data = {}
    for name, part in (("bpftrace", probe), ("delve", debug), ("redis", redis)):
        lab.say(name)
        try:
            data[name] = part(lab)
        except kit.Missing as why:
            data[name] = {"missing": str(why)}
    return data


# Judging

def judge_probe(data):
    if "missing" in data:
        return not_here("K99", data["missing"])[0]
    word = CONFIRMED if data["counts"] == data["calls"] else REFUTED if not data["counts"] else DEPENDS
    return Verdict("K99", word, "counts stacks at a probe", "%s: stacks counted %s times, the program called %s times" % (
        data["version"], " and ".join(map(str, data["counts"])), " and ".join(map(str, data["calls"]))))


def judge_delve(data):
    if "missing" in data:
        return not_here("K109", data["missing"])[0]
    said = data["said"]
    broken = [name for name in REAL if said[name] != "accepted"]
    works = [name for name in SHOWN if said[name] == "accepted"]
    word = INCONCLUSIVE if broken else CONFIRMED if len(works) == len(SHOWN) else DEPENDS if works else REFUTED
    return Verdict("K109", word, "x/40xb, watch -a -v, eval", "delve %s: %s; accepted: %s" % (
        data["version"], "; ".join("%s: %s" % (name, said[name]) for name in SHOWN),
        ", ".join(name for name in REAL if name not in broken)))


def judge_redis(data):
    if "missing" in data:
        return not_here("K110", data["missing"])[0]
    if not data["events"].get("set") or data["table"] < data["keys"] or not data["names"]["dictRehash"]:
        raise kit.Failed("the redis server told of nothing, or did not grow its table")
    rehash = [e for e in data["events"] if "rehash" in e or "bucket" in e] + [e for e in REDIS_EVENTS if data["names"][e]]
    option = data["code"] == 0 or not data["said"]
    return Verdict("K110", CONFIRMED if option and rehash else DEPENDS if option or rehash else REFUTED,
                   "--enable-tracking, events of rehashing", "%s: --enable-tracking: %s; while its table grew to %s for %s "
                   "keys: %s; names of such events in the program: %d" % (
                       data["version"], data["said"] or "accepted", kit.figure(data["table"]), kit.figure(data["keys"]),
                       ", ".join("%s %s" % (kit.figure(n), e) for e, n in data["events"].items()),
                       sum(data["names"][e] for e in REDIS_EVENTS)))


def judge(data):
    return [judge_probe(data["bpftrace"]), judge_delve(data["delve"]), judge_redis(data["redis"])]


def tables(data):
    rows = [("bpftrace", "version", data["bpftrace"].get("version", data["bpftrace"].get("missing")))]
    if "said" in data["delve"]:
        rows += [("delve", {**SHOWN, **REAL}[name], said) for name, said in data["delve"]["said"].items()]
    if "events" in data["redis"]:
        rows += [("redis", "event " + event, n) for event, n in data["redis"]["events"].items()]
        rows += [("redis", "name in the program: " + name, n) for name, n in data["redis"]["names"].items()]
    return [Table("What the tools said", ["tool", "what", "answer"], rows)]


def plots(_):
    return []
