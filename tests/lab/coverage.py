#!/usr/bin/env python3
"""coverage.py - the experiments in the tree: every number and claim is answered or has a reason, folders are whole, and
what was committed can still be judged and reported."""
import copy
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "lab"))
import articles  # noqa: E402
import kit  # noqa: E402
import lab  # noqa: E402
import report  # noqa: E402

EXPERIMENTS = lab.find()


class Ids(unittest.TestCase):
    def test_the_list_is_whole(self):
        self.assertEqual([e.id for e in articles.ALL],
                         ["N%02d" % n for n in range(1, 43)] + ["K%02d" % n for n in range(1, 112)])
        for entry in articles.ALL:
            self.assertTrue(entry.article and entry.claim, entry.id)

    def test_every_id_is_answered_or_has_a_reason(self):
        answered = {name for e in EXPERIMENTS for name in e.answers}
        alone = [e.id for e in articles.ALL if e.id not in answered and not articles.NOT_ANSWERED.get(e.id)]
        self.assertEqual(alone, [])

    def test_nothing_else_is_answered(self):
        for e in EXPERIMENTS:
            self.assertLessEqual(set(e.answers), set(articles.BY_ID), e.name)
            self.assertEqual(len(e.answers), len(set(e.answers)), e.name)


class Folders(unittest.TestCase):
    def test_each_has_a_readme_that_begins_with_its_question(self):
        for e in EXPERIMENTS:
            with open(os.path.join(e.folder, "README.md"), encoding="utf-8") as text:
                lines = text.read().splitlines()
            self.assertLessEqual(len(lines), 40, e.name)
            self.assertTrue(lines[0].startswith("# "), e.name)
            self.assertGreater(len(report.readme(e)), 20, e.name)
            self.assertTrue(e.title, e.name)

    def test_c_programs_are_built(self):
        with open(os.path.join(ROOT, "lab", "meson.build"), encoding="utf-8") as text:
            listed = set(re.findall(r"'([\w-]+)'", text.read()))
        for e in EXPERIMENTS:
            built = os.path.exists(os.path.join(e.folder, "meson.build"))
            self.assertEqual(built, e.name in listed, e.name)
            for program in getattr(e.code, "PROGRAMS", []):
                self.assertTrue(built, "%s: %s" % (e.name, program))

    def test_go_programs_are_modules(self):
        for e in EXPERIMENTS:
            for program, about in e.go.items():
                source = about if isinstance(about, str) else about[0]
                folder = os.path.join(e.folder, os.path.dirname(source))
                self.assertTrue(os.path.exists(os.path.join(folder, "go.mod")), "%s: %s" % (e.name, program))

    def test_folders_without_experiment_are_none(self):
        for name in os.listdir(kit.LAB):
            shared = "lab/" + name in lab.SHARED
            if os.path.isdir(os.path.join(kit.LAB, name)) and not shared and not name.startswith((".", "__")):
                self.assertIn(name, [e.name for e in EXPERIMENTS])


class Committed(unittest.TestCase):
    def setUp(self):
        self.kept = [(e, record) for e in EXPERIMENTS if (record := e.kept())]

    def test_data_are_those_of_a_real_run(self):
        for e, record in self.kept:
            self.assertEqual(record["experiment"], e.name)
            self.assertIn(record["level"], ("quick", "full"), e.name)
            self.assertFalse(record.get("missing"), e.name)
            self.assertEqual(set(record["machine"]), set(kit.machine()), e.name)

    def test_all_can_be_judged_and_judging_does_not_change_them(self):
        for e, record in self.kept:
            before = copy.deepcopy(record)
            first, again = lab.judge(e, record), lab.judge(e, record)
            self.assertEqual(first.error, "", e.name)
            self.assertEqual(record, before, e.name)
            self.assertEqual([tuple(v) for v in first.verdicts], [tuple(v) for v in again.verdicts], e.name)
            self.assertEqual(first.plots, again.plots, e.name)

    def test_the_summary_is_that_of_the_data(self):
        path = os.path.join(ROOT, "docs", "lab.md")
        if not self.kept and not os.path.exists(path):
            self.skipTest("nothing was committed yet")
        with open(path, encoding="utf-8") as text:
            self.assertEqual(text.read(), report.markdown(lab.kept_outcomes(EXPERIMENTS)), "run script/lab --report")


if __name__ == "__main__":
    unittest.main()
