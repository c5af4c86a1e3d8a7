#!/usr/bin/env python3
"""bench_runner.py BENCH_FOLDER - how the benchmark's scripts run programs, and what they do when one fails.

The programs here are shell scripts that print made-up results: nothing is measured.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
BENCH = sys.argv.pop(1)
sys.path.insert(0, BENCH)
import runner  # noqa: E402

GOOD = """echo "$0 $4" >>"${0%/*}/order"
printf '{"type":"%s","n":%s,"results":{"hit":[VALUE,10],"miss":[4,10]}}\\n' "$1" "$2"
"""


class Runner(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = folder.name
        os.mkdir(os.path.join(self.build, "bench"))
        for program in ("gomap", "gomap_generic", "std", "std_aes"):
            self.program(program, GOOD.replace("VALUE", "2"))
        self.program("boost_aes", GOOD.replace("VALUE", "4"))

    def program(self, name, text):
        path = os.path.join(self.build, "bench", "bench_" + name)
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def run_map(self, *args):
        return subprocess.run([os.path.join(BENCH, "run_map.py"), self.build, "--sizes", "1000", "--rounds", "2",
                               "--ops", "hit,miss", "--types", "u64-u64", *args],
                              capture_output=True, text=True, check=False)

    def test_programs_take_turns_within_a_round(self):
        self.assertEqual(self.run_map("--impl", "gomap,boost+aes").returncode, 0)
        with open(os.path.join(self.build, "bench", "order"), encoding="utf-8") as lines:
            order = [os.path.basename(line).split() for line in lines]
        self.assertEqual(order, [["bench_gomap", "1"], ["bench_boost_aes", "1"],
                                 ["bench_gomap", "2"], ["bench_boost_aes", "2"]])

    def test_tables_and_json_hold_what_the_programs_said(self):
        path = os.path.join(self.build, "out.json")
        done = self.run_map("--json", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as text:
            document = json.load(text)
        hit = [c for c in document["cells"] if c["op"] == "hit"]
        self.assertEqual([c["results"]["boost+aes"] for c in hit], [{"median": 4, "min": 4, "max": 4}])
        ratio = [r["ratio"] for r in document["ratios"] if r["op"] == "hit" and r["to"] == "boost+aes"]
        self.assertEqual(ratio, [0.5])
        self.assertRegex(done.stdout, r"(?m)^boost\+aes +4\.00 +4\.00$")

    def test_rivals_that_are_not_there_are_named(self):
        done = self.run_map()
        self.assertIn("skipped: absl+aes, absl (needs libabsl-dev)", done.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_program_that_fails_ends_the_run_with_its_name(self):
        self.program("boost_aes", "echo a key that was put is not found >&2; exit 1\n")
        done = self.run_map()
        self.assertEqual(done.returncode, 1)
        self.assertIn("boost+aes failed at u64-u64, 1000 entries (exit code 1): a key that was put is not found",
                      done.stderr)

    def test_output_that_is_no_result_is_a_failure_too(self):
        for text in ("", "echo hello", "echo '{}'", "echo '[1]'", "kill -9 $$"):
            self.program("gomap", text + "\n")
            self.assertEqual(self.run_map().returncode, 1, text)

    def test_gomap_itself_must_be_there(self):
        os.remove(os.path.join(self.build, "bench", "bench_gomap"))
        self.assertEqual(self.run_map().returncode, 1)

    def test_unknown_names_and_sizes_are_refused(self):
        for bad in (["--impl", "nonsense"], ["--sizes", "12x"], ["--sizes", "0"], ["--rounds", "0"], ["--ops", ""]):
            self.assertEqual(self.run_map(*bad).returncode, 2, bad)

    def test_numbers_fit_their_column(self):
        for x in (0, 0.001, 9.994, 9.996, 99.94, 99.96, 999.6, 99999):
            self.assertLessEqual(len(runner.number(x)), 6, x)


if __name__ == "__main__":
    unittest.main()
