#!/usr/bin/env python3
"""gdb_session.py [--update] PROGRAM SCRIPT DOCUMENT - gdb with gomap-gdb.py says what docs/debugging.md says it does.

Runs the commands of the document's ```gdb blocks in one session on PROGRAM (tests/abi/debuggee.c) and compares, command by
command: each line of the document must come in gdb's answer, in that order; addresses and line numbers are not
compared, of a backtrace only the functions; a line `...` stands for any lines. --update writes the document anew with what gdb says.

Then, on the live process and on a core file that gdb makes of it: in every map, however it is built (a growth in place and
one between two blocks, both half done; chain, stash and list of a clump), the script finds exactly the entries that the
header counts, each key once with its value. And what is no map, or is gone, gets one line.

TAP; exit code 77 with a reason where there is no gdb, or none that may trace.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

COUNT = '''
for at, kind in registered():
    t = Table(at)
    slots = list(t.slots())
    keys = {str(t.key(s)): str(t.value(s)) for s in slots}
    wrong = [k for k, v in keys.items() if t.name and int(v) != (int(k) ** 2 if t.name == "squares" else int(k))]
    print("map %s: %d entries, %d slots, %d keys, %d wrong values, walk %d, chained %d, stash %d" % (
        t.label, t.m.count, len(set(slots)), len(keys), len(wrong), t.side.walk, t.side.chained, t.side.stash != 0))
'''
MAP = re.compile(r"^map (.*): (\d+) entries, (\d+) slots, (\d+) keys, (\d+) wrong values, walk (\d), chained (\d+), stash (\d)", re.M)


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


def gdb(arguments, commands):
    """What gdb says to each command."""
    full = ["gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set width 0", "-iex", "set debuginfod enabled off"]
    for i, c in enumerate(commands):
        full += ["-ex", "echo \\n@@%d\\n" % i, "-ex", c]
    run = subprocess.run(full + arguments, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C.UTF-8", GOMAP_CONF=""))
    if re.search(r"ptrace: Operation not permitted|Could not trace the inferior|Cannot PTRACE", run.stdout):
        skip("gdb may not trace processes here")
    parts = re.split(r"^@@\d+\n", run.stdout, flags=re.M)[1:]
    return [p.rstrip("\n") for p in parts] + [""] * (len(commands) - len(parts))


def same(line):
    """A line without what differs between machines and builds."""
    frame = re.match(r"#\d+ .*?(\w+) \(.*\) at .*?([\w]+\.c):\d+$", line)
    if frame:
        return "frame %s in %s" % frame.groups()
    line = re.sub(r"line \d+", "line", re.sub(r"0x[0-9a-f]+", "0x", line))
    line = re.sub(r"(?:\.\./|/)[\w./-]*?((?:lib|tests/\w+|include/gomap)/\w+\.[ch])", r"\1", line)
    return re.sub(r"\.([ch]):\d+", r".\1:", re.sub(r"\s+", " ", line)).strip()


def blocks(document):
    """[(command, [lines expected])] of all gdb blocks."""
    found = []
    for block in re.findall(r"^```gdb\n(.*?)^```$", document, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("(gdb) "):
                found.append((line[6:], []))
            elif found:
                found[-1][1].append(line)
    return found


def missing(expected, said):
    """The first expected line that does not come, or None."""
    lines = iter([same(x) for x in said.splitlines()])
    for want in expected:
        if want.strip() not in ("", "...") and not any(same(want) == have for have in lines):
            return want
    return None


# Lines that say nothing about the program, and functions of the library whose names are its own affair.
CHATTER = re.compile(r"^(\[Thread debugging|Using host libthread|warning:|$)")
INSIDE = re.compile(r"^#\d+ .* at \S*lib/\w+\.c:\d+$|^#\d+ (0x\w+ in )?squares_\w+ \(")


def update(path, document, answers):
    """The document with the answers that gdb gave."""
    answer = iter(answers)

    def renew(match):
        out = []
        for line in match[1].splitlines():
            if not line.startswith("(gdb) "):
                continue
            out.append(line)
            left_out = False
            for said in next(answer).splitlines():
                said = re.sub(r"(?:\.\./|/)[\w./-]*?((?:lib|tests/\w+)/\w+\.[ch])", r"\1", said)
                if CHATTER.match(said):
                    continue
                if INSIDE.match(said):
                    if not left_out:
                        out.append("...")
                    left_out = True
                    continue
                left_out = False
                out.append(said)
        return "```gdb\n" + "\n".join(out) + "\n```"

    with open(path, "w", encoding="utf-8") as out:
        out.write(re.sub(r"^```gdb\n(.*?)^```$", renew, document, flags=re.M | re.S))


class Tap:
    def __init__(self, n):
        self.n = self.failed = 0
        print("1..%d" % n)

    def point(self, what, wrong):
        self.n += 1
        self.failed += bool(wrong)
        print("%sok %d - %s" % ("not " if wrong else "", self.n, what))
        for line in str(wrong or "").splitlines():
            print("#   " + line)


def check_count(tap, where, said):
    maps = {m[0]: tuple(map(int, m[1:])) for m in MAP.findall(said)}
    wrong = ["%s: %s" % m for m in maps.items() if not m[1][0] == m[1][1] == m[1][2] or m[1][3]]
    states = [any(m[4] == 1 for n, m in maps.items() if n == name) for name in ("in place", "two blocks")]
    clump = maps.get("clump", (0,) * 7)
    if len(maps) != 5 or not all(states) or not clump[5] or not clump[6]:
        wrong.append("the maps are not in the states they were made for: %s\n%s" % (maps, said))
    tap.point("%s: every entry of every map is found once" % where, "\n".join(wrong))


def main():
    arguments = sys.argv[1:]
    renew = arguments[0] == "--update" and bool(arguments.pop(0))
    program, script, path = arguments
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    if "no python" in gdb([], ["python print(1)" ])[0] or "not supported" in gdb([], ["python print(1)"])[0]:
        skip("gdb was built without Python")
    with open(path, encoding="utf-8") as f:
        document = f.read()
    session = blocks(document)
    commands = ["source " + script if c.startswith("source ") else c for c, _ in session]
    with tempfile.TemporaryDirectory() as folder:
        count, core = folder + "/count.py", folder + "/core"
        with open(count, "w", encoding="utf-8") as f:
            f.write(COUNT)
        more = ["source " + count, "gomap-group clump 4000000000", "gomap-group", "gomap-watch-growth nothing", "print (gomap *)&main",
                "print (gomap *)16", "gcore " + core]
        answers = gdb([program], commands + more)
        if renew:
            update(path, document, answers[:len(session)])
            return
        tap = Tap(len(session) + 9)
        for (command, expected), said in zip(session, answers):
            line = missing(expected, said)
            tap.point(command, line and "does not come:\n%s\ngdb says:\n%s\nif that is right: gdb_session.py --update" % (line, said))
        rest = answers[len(session):]
        check_count(tap, "live", rest[0])
        for said, want in zip(rest[1:6], ("clump has groups 0 to", "usage: gomap-group MAP N", 'No symbol "nothing"',
                                         "not a live map", "cannot be read")):
            tap.point("one line: " + want, "" if want in said and len(said.splitlines()) == 1 and "Traceback" not in said else said)
        tap.point("a core file is made", "" if os.path.exists(core) else rest[6])
        after = gdb([program, core], ["source " + script, "up", "source " + count, "print *square"])
        check_count(tap, "core", after[2])
        tap.point("core: print", "" if "= gomap squares, uint64_t->uint64_t@" in after[3] and "] = 81" in after[3] else after[3])
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
