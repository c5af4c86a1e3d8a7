#!/usr/bin/env python3
"""article_answers.py - docs/go-map.md answers what the articles got wrong: each link from a claim leads to an experiment that
judges this claim, each claim that the committed results refute has one, and none that they confirm is called wrong."""
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "lab"))
import kit  # noqa: E402
import lab  # noqa: E402

DOCS = os.path.join(ROOT, "docs")
EXPERIMENTS = {e.name: e for e in lab.find()}
with open(os.path.join(DOCS, "go-map.md"), encoding="utf-8") as file:
    TEXT = file.read()
USED = set(re.findall(r"\[([NK]\d+)\](?!:)", TEXT))
LINKS = dict(re.findall(r"^\[([NK]\d+)\]: (\S+)$", TEXT, re.M))


def committed():
    """{id: verdicts of the data in the tree}"""
    verdicts = {}
    for experiment in EXPERIMENTS.values():
        if record := experiment.kept():
            for verdict in lab.judge(experiment, record).verdicts:
                verdicts.setdefault(verdict.id, set()).add(verdict.verdict)
    return verdicts


class Links(unittest.TestCase):
    def test_claims_lead_to_an_experiment_that_judges_them(self):
        self.assertGreater(len(USED), 50)
        self.assertEqual(USED, set(LINKS))
        for name, link in LINKS.items():
            found = re.fullmatch(r"\.\./lab/([\w-]+)/README\.md", link)
            self.assertTrue(found and found.group(1) in EXPERIMENTS, "%s: %s" % (name, link))
            self.assertIn(name, EXPERIMENTS[found.group(1)].answers)

    def test_files_that_are_named_exist(self):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT):
            if link != "lab.md" or any(e.kept() for e in EXPERIMENTS.values()):  # lab.md comes with the first results
                self.assertTrue(os.path.exists(os.path.join(DOCS, link)), link)

    def test_chapters_that_are_linked_exist(self):
        heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^## (.+)$", TEXT, re.M)}
        self.assertLessEqual(set(re.findall(r"\]\(#([^)]+)\)", TEXT)), heads)


class Verdicts(unittest.TestCase):
    def setUp(self):
        self.verdicts = committed()
        if not self.verdicts:
            self.skipTest("no results were committed yet")

    def test_every_refuted_claim_is_answered(self):
        refuted = {name for name, all_of_it in self.verdicts.items() if kit.REFUTED in all_of_it}
        self.assertEqual(refuted - USED, set())

    def test_no_confirmed_claim_is_called_wrong(self):
        confirmed = {name for name, all_of_it in self.verdicts.items() if all_of_it == {kit.CONFIRMED}}
        self.assertEqual(confirmed & USED, set())


if __name__ == "__main__":
    unittest.main()
