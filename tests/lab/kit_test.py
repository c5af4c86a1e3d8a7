#!/usr/bin/env python3
"""kit_test.py - statistics, repetitions and counting of lab/kit.py, and the drawings of lab/plots.py."""
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "lab"))
import kit  # noqa: E402
import plots  # noqa: E402


def drawn(samples, draws=20000, seed=1):
    """The bootstrap interval of the median, by drawing."""
    chance = random.Random(seed)
    medians = sorted(statistics.median_low(chance.choices(samples, k=len(samples))) for _ in range(draws))
    return medians[int(0.025 * draws)], medians[int(0.975 * draws)]


class Numbers(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(kit.summary([3, 1, 2]), kit.Summary(2, 1, 3, 1.0, 3))
        self.assertEqual(kit.summary([7]), kit.Summary(7, 7, 7, 0.0, 1))
        self.assertEqual(kit.summary([0, 0]), kit.Summary(0, 0, 0, 0.0, 2))
        self.assertRaises(ValueError, kit.summary, [])

    def test_the_interval_is_that_of_the_bootstrap(self):
        for n in (5, 9, 15, 21, 41):
            samples = list(range(1, n + 1))
            random.Random(n).shuffle(samples)
            s, (low, high) = kit.summary(samples), drawn(samples)
            self.assertLessEqual(abs(s.low - low), 1, n)
            self.assertLessEqual(abs(s.high - high), 1, n)
            self.assertEqual(s.low - 1, n - s.high, "symmetric")

    def test_the_interval_holds_the_true_median_about_as_often_as_it_says(self):
        chance, held, trials = random.Random(5), 0, 2000
        for _ in range(trials):
            s = kit.summary([chance.gauss(100, 10) for _ in range(20)])
            held += s.low <= 100 <= s.high
        self.assertGreater(held / trials, 0.93)
        self.assertLess(held / trials, 0.99)

    def test_ratios_are_taken_within_rounds(self):
        s = kit.ratio([2, 20, 200], [1, 10, 100])
        self.assertEqual((s.median, s.low, s.high), (2, 2, 2))
        self.assertRaises(ValueError, kit.ratio, [1, 2], [1])

    def test_what_is_conclusive(self):
        self.assertTrue(kit.conclusive(kit.summary([100, 101, 102, 101, 100])))
        self.assertFalse(kit.conclusive(kit.summary([100, 150, 102, 60, 100])))
        self.assertFalse(kit.conclusive(kit.summary([100, 100, 100])), "three samples")
        self.assertTrue(kit.conclusive(kit.summary([0] * 5)))
        self.assertTrue(kit.conclusive(kit.summary([-100, -101, -102, -101, -100])))

    def test_above_and_below_look_at_the_whole_interval(self):
        s = kit.summary([1, 2, 3])
        self.assertEqual((kit.above(s, 0.5), kit.above(s, 1.5), kit.below(s, 3.5), kit.below(s, 2.5)),
                         (True, False, True, False))

    def test_text(self):
        self.assertEqual([kit.figure(x) for x in (0.012345, 1.2345, 123.4, 12345, 1234567.8, True, None, "x", 0, -5000)],
                         ["0.0123", "1.23", "123", "12\u202f345", "1\u202f234\u202f568", "yes", "-", "x", "0", "-5\u202f000"])
        self.assertEqual(kit.said(kit.summary([1.5]), "ns"), "1.5 ns")
        self.assertEqual(kit.said(kit.summary([1, 2, 3]), "ns"), "2 ns [1, 3]")


class Rounds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = folder.name
        os.makedirs(os.path.join(self.build, "lab", "name"))

    def lab(self, level):
        return kit.Lab("name", level, self.build)

    def program(self, text):
        path = os.path.join(self.build, "lab", "name", "program")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def test_variants_take_turns(self):
        order = []
        self.lab("quick").rounds({"a": 1, "b": 2}, lambda name, args, n: order.append((name, args, n)) or {"x": 1})
        self.assertEqual(order, [(name, args, n) for n in range(5) for name, args in (("a", 1), ("b", 2))])

    def test_known_medians_take_the_least_number_of_rounds(self):
        for level, least in (("smoke", 1), ("quick", 5), ("full", 20)):
            lab = self.lab(level)
            self.assertEqual(lab.rounds({"a": ()}, lambda *_: {"x": 5}), {"a": {"x": [5] * least}})
            self.assertEqual(lab.repeated, [least])

    def test_noise_is_repeated_up_to_the_most(self):
        noise = lambda name, args, n: {"x": 100 + 80 * (n % 2), "text": "not a number"}  # noqa: E731
        self.assertEqual(len(self.lab("quick").rounds({"a": ()}, noise)["a"]["x"]), 15)
        self.assertEqual(len(self.lab("quick").rounds({"a": ()}, lambda *_: {"x": 1, "text": "t"})["a"]["x"]), 5)

    def test_only_what_decides_is_repeated_for(self):
        both = lambda name, args, n: {"x": 5, "noise": 100 + 80 * (n % 2)}  # noqa: E731
        self.assertEqual(len(self.lab("quick").rounds({"a": ()}, both, decide=["x"])["a"]["x"]), 5)

    def test_noise_ends_with_the_time(self):
        lab = self.lab("quick")
        noise = lambda name, args, n: time.sleep(0.02) or {"x": 100 + 80 * (n % 2)}  # noqa: E731
        self.assertEqual(len(lab.rounds({"a": ()}, noise, seconds=0.01)["a"]["x"]), 5, "never less than the least")
        self.assertLess(len(lab.rounds({"a": ()}, noise, seconds=0.15)["a"]["x"]), 15)

    def test_programs_run_pinned_with_their_environment(self):
        self.program('echo "{\\"arg\\": \\"$1\\", \\"env\\": \\"$LAB_TEST\\"}"')
        self.assertEqual(self.lab("smoke").call("program", 12, env={"LAB_TEST": "yes"}), {"arg": "12", "env": "yes"})
        self.program("grep Cpus_allowed_list /proc/self/status | sed 's/.*:\\s*/{\"cpus\": \"/; s/$/\"}/'")
        self.assertEqual(self.lab("quick").call("program"), {"cpus": str(kit.runner.PINNED_TO)})

    def test_a_program_that_hangs_is_a_failure(self):
        self.program("exec sleep 60")
        lab = self.lab("smoke")
        lab.limits = lab.limits._replace(timeout=0.2)
        with self.assertRaisesRegex(kit.Failed, "program did not end within"):
            lab.call("program")

    def test_a_program_that_is_not_there_is_missing(self):
        lab = self.lab("smoke")
        self.assertFalse(lab.have("other"))
        self.assertRaises(kit.Missing, lab.call, "other")
        lab.missing["program"] = "no toolchain"
        self.program("echo 1")
        self.assertRaisesRegex(kit.Missing, "program: no toolchain", lab.call, "program")

    def test_proc_fields(self):
        self.assertGreater(kit.proc_fields("/proc/self/status")["VmRSS"], 1000)
        self.assertGreater(kit.proc_fields("/proc/self/smaps_rollup")["Rss"], 1000)

    @unittest.skipUnless(shutil.which("valgrind") and shutil.which("cc"), "no valgrind or no compiler")
    def test_counts(self):
        source, path = os.path.join(self.build, "p.c"), os.path.join(self.build, "lab", "name", "program")
        with open(source, "w", encoding="utf-8") as out:
            out.write("""#include <stdio.h>
#include <stdlib.h>
static volatile char a[4 << 20];
__attribute__((noinline)) void measured(int n) { for (int i = 0; i < n; i++) a[i * 64] = 1; }
int main(int c, char **v) { measured(atoi(v[c - 1])); puts("{}"); }
""")
        subprocess.run(["cc", "-O1", "-g", "-o", path, source], check=True)
        lab = self.lab("smoke")
        few, many = (lab.callgrind("program", n, toggle="measured") for n in (1000, 2000))
        self.assertAlmostEqual((many - few) / 1000, 5, delta=3)
        counts = lab.cachegrind("program", 20000, toggle="measured")
        self.assertEqual(set(counts), {"I", "D", "D1m", "LLm"})
        self.assertAlmostEqual(counts["D1m"], 20000, delta=200, msg="every access touches a line of its own")
        with self.assertRaisesRegex(kit.Failed, "counted nothing"):
            lab.callgrind("program", 10, toggle="no_such_function")


class Drawings(unittest.TestCase):
    def check(self, svg):
        return xml.etree.ElementTree.fromstring(plots.titled(svg, "a <title>"))

    def test_they_are_well_formed(self):
        self.check(plots.line({"a & b": [(1, 2), (10, 3)], "c": [(1, 5)], "none": []}, "x", "y", log_x=True))
        self.check(plots.line({"a": [(0, 1), (1, 0)]}, "x", "y"))
        self.check(plots.bars([("first <1>", {"a": 1, "b": (2, 1.5, 2.5)}), ("second", {"a": 0})], "x"))
        self.check(plots.bars([("first", {"a": 1e-3}), ("second", {"a": 1e6})], "x", log=True))
        self.check(plots.bars([("falls", {"a": -3}), ("rises", {"a": 4})], "x"))
        self.check(plots.bars([("nothing", {"a": (0, 0, 5), "b": 0})], "x", log=True))
        self.check(plots.line({"starts at nothing": [(1, 0), (2, 3)], "stays": [(1, 0)]}, "x", "y", log_y=True))
        self.check(plots.heat([[1, 2, None], [0, 5, 100]], "x", "y", log=True))
        self.check(plots.heat([[0]]))

    def test_nothing_draws_nothing(self):
        self.assertEqual([plots.line({}, "x", "y"), plots.bars([], "x"), plots.heat([])], ["", "", ""])

    def test_a_long_legend_stays_in_the_picture(self):
        places = plots.legend(["a name of some length %d" % i for i in range(9)])
        self.assertGreater(places[-1][2], 1)
        self.assertTrue(all(x + 17 + 7 * len(name) <= 800 for name, x, _ in places))

    def test_names_have_colours_of_their_own(self):
        names = ["gomap", "classic", "go", "go1.23", "absl", "a", "b", "c"]
        self.assertEqual(len(set(plots.colours(names).values())), len(names))


if __name__ == "__main__":
    unittest.main()
