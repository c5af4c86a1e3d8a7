"""Sizes of maps as metrics: the client library the articles name, and what a scrape parameter does."""
import kit
from kit import CONFIRMED, DEPENDS, REFUTED, Table, Verdict

TITLE = "Can map sizes be exported as a gauge, and does a scrape collect garbage?"
ANSWERS = ["K101"]
PROGRAMS = []
GO = {"metrics": "go/main.go"}


def run(lab):
    data = {"program": lab.call("metrics", pin=False)}
    race = lab.go("run", "-race", "./race", cwd=lab.folder + "/go")
    found = [line.strip() for line in race.stderr.splitlines() if "DATA RACE" in line or "Found" in line]
    # The race detector needs cgo; without a C compiler for it this half is left out.
    data["race"] = {"code": race.returncode, "said": found or [kit.last_line(race.stderr)]}
    return data


def judge(data):
    got, race = data["program"], data["race"]
    exported = got["line"] == 'app_map_size{map_name="users"} 3'
    by_metrics, by_pprof = got["collections by metrics?gc=true"], got["collections by pprof/heap?gc=1"]
    if not by_pprof:
        raise kit.Failed("a forced collection was not counted")
    word = {(True, True): CONFIRMED, (False, False): REFUTED}.get((exported, by_metrics > 0), DEPENDS)
    return [Verdict("K101", word, "GaugeVec of map sizes; parameter gc:true",
                    "GaugeVec gives \"%s\"; /metrics?gc=true forces %d collections, /debug/pprof/heap?gc=1 forces %d" % (
                        got["line"], by_metrics, by_pprof),
                    "len(m) beside a writer, under the race detector: %s" % race["said"][0])]


def tables(data):
    return [Table("What a scrape gets and does", ["what", "value"], list(data["program"].items()))]


def plots(_):
    return []
