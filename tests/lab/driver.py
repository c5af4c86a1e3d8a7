#!/usr/bin/env python3
"""driver.py - what script/lab's driver does with experiments: that run, fail, are interrupted, or lack something."""
import json
import os
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake import FakeLab  # noqa: E402

INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


class Driver(FakeLab):
    def test_a_run_writes_the_page_and_nothing_else_into_the_tree(self):
        self.experiment("one", ["N01"])
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"one +[\d.]+ s +1 confirmed")
        page = self.read("lab/report.html")
        self.assertTrue(page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>"))
        self.assertIn("What one is about.", page)
        self.assertIn("a table &lt;&amp;", page)
        self.assertNotIn("<script", page)
        self.assertFalse(self.exists("docs/lab.md") or self.exists("lab/one/data.json"))
        self.assertEqual(done.stderr, "", "progress is for terminals")

    def test_what_was_measured_is_kept_until_a_source_changes(self):
        self.experiment("one", ["N01"])
        self.experiment("two", ["N02"])
        self.assertEqual(self.lab().returncode, 0)
        self.assertRegex(self.lab().stdout, r"one +kept")
        self.assertEqual((self.runs("one"), self.runs("two")), (1, 1))
        self.write("lab/two/extra.c", "/* changed */\n")
        self.lab()
        self.assertEqual((self.runs("one"), self.runs("two")), (1, 2))
        self.write("lib/engine.c", "/* the library changed */\n")
        self.lab()
        self.assertEqual((self.runs("one"), self.runs("two")), (2, 3))
        self.lab("--fresh", "two")
        self.assertEqual((self.runs("one"), self.runs("two")), (2, 4))
        self.lab("--full", "one")
        self.assertEqual(self.runs("one"), 3, "levels have results of their own")

    def test_a_changed_readme_or_result_changes_nothing(self):
        self.experiment("one", ["N01"])
        self.lab("--keep")
        self.write("lab/one/README.md", "# one\n\nOther words.\n")
        self.lab()
        self.assertEqual(self.runs("one"), 1)

    def test_an_interrupted_run_goes_on_where_it_was(self):
        self.experiment("a-done", ["N01"])
        self.experiment("b-broken-off", ["N02"], run=INTERRUPT)
        self.experiment("c-later", ["N03"])
        self.write("lab/report.html", "the page before\n")
        done = self.lab("--keep")
        self.assertEqual(done.returncode, 130)
        self.assertEqual(self.read("lab/report.html"), "the page before\n")
        self.assertFalse(self.exists("docs/lab.md") or self.exists("lab/a-done/data.json"))
        self.assertEqual((self.runs("a-done"), self.runs("c-later")), (1, 0))
        self.assertEqual(self.leftovers(), [])
        self.experiment("b-broken-off", ["N02"])
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"a-done +kept")
        self.assertEqual((self.runs("a-done"), self.runs("b-broken-off"), self.runs("c-later")), (1, 1, 1))

    def test_a_damaged_result_is_measured_again(self):
        self.experiment("one", ["N01"])
        self.lab()
        path = "build/lab-results/quick/one.json"
        self.write(path, self.read(path)[:20])
        self.assertEqual(self.lab().returncode, 0)
        self.assertEqual(self.runs("one"), 2)

    def test_a_failed_program_is_reported_and_the_others_run(self):
        for program, says in (("echo a key was lost >&2; exit 1", "exit code 1: a key was lost"),
                              ("kill -9 $$", "exit code -9"), ("echo hello", "did not print one JSON document")):
            self.experiment("bad", ["N01"], program)
            self.experiment("good", ["N02"])
            done = self.lab("--keep")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"bad +FAILED +program.*%s" % says)
            self.assertRegex(done.stdout, r"good +")
            page = self.read("lab/report.html")
            self.assertIn('<span class="chip failed">failed</span>', page)
            self.assertIn(says, page)
            self.assertTrue(self.exists("lab/good/data.json"))
            self.assertFalse(self.exists("lab/bad/data.json"))
            self.assertIn("| N01 |", self.read("docs/lab.md"))

    def test_a_failure_is_tried_again_the_next_time(self):
        self.experiment("bad", ["N01"], "exit 1")
        self.lab()
        self.lab()
        self.assertEqual(self.runs("bad"), 2)

    def test_verdicts_are_checked(self):
        for judge, says in (
                ("return []", "verdicts on , though it answers N01"),
                ('return [kit.Verdict("N02", kit.CONFIRMED, "", "1")]', "verdicts on N02, though it answers N01"),
                ('return [kit.Verdict("N01", "maybe", "", "1")]', "no such verdict: 'maybe'"),
                ('return [kit.Verdict("N01", kit.NOT_HERE, "", "")]', "no reason given"),
                ('return [kit.Verdict("N01", kit.REFUTED, "1", "")]', "without a measured figure"),
                ('return [kit.Verdict("N01", kit.REFUTED, "1", data["y"])]', "KeyError: 'y' (experiment.py:")):
            self.experiment("one", ["N01"], judge=judge)
            done = self.lab()
            self.assertEqual(done.returncode, 1, judge)
            self.assertIn(says, done.stdout)

    def test_a_program_that_was_not_built_makes_its_verdicts_unanswerable(self):
        self.experiment("one", ["N01", "K01"], program=None)
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("2 not answerable here", done.stdout)
        self.assertIn("program was not built: a package it needs is not there", self.read("lab/report.html"))

    def test_without_go_an_experiment_says_so(self):
        self.experiment("one", ["N01"], go={"inner": "go/main.go"}, run='return {"x": lab.call("inner")["x"]}')
        self.experiment("half", ["N02"], go={"inner": "go/main.go"},
                        run='return {"x": lab.call("program")["x"] if not lab.have("inner") else 0}')
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"one .*1 not answerable here")
        self.assertRegex(done.stdout, r"half .*1 confirmed")
        self.assertIn("inner: go is not installed", self.read("lab/report.html"))
        self.assertIn("Left out: inner (go is not installed)", self.read("lab/report.html"))

    def test_another_toolchain_than_asked_for_is_none(self):
        self.write("tools/go", "#!/bin/sh\necho go1.30.1\n", 0o755)
        self.experiment("one", ["N01"], go={"inner": ("go/main.go", "go1.23.12")}, run='return {"x": lab.call("inner")["x"]}')
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("the Go toolchain go1.23.12 cannot be had", self.read("lab/report.html"))

    def test_a_go_module_out_of_reach_is_no_failure(self):
        self.write("tools/go", "#!/bin/sh\n[ $1 = env ] && echo go1.30.1 && exit\necho dial tcp: no such host >&2\nexit 1\n", 0o755)
        self.experiment("one", ["N01"], go={"inner": "go/main.go"}, run='return {"x": lab.call("inner")["x"]}')
        self.write("lab/one/go/main.go", "package main\n")
        done = self.lab()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("a Go module cannot be had: dial tcp: no such host", self.read("lab/report.html"))

    @unittest.skipUnless(shutil.which("go"), "no go command")
    def test_a_go_program_that_does_not_compile_is_a_failure(self):
        self.experiment("one", ["N01"], go={"inner": "go/main.go"}, run='return {"x": lab.call("inner")["x"]}')
        self.write("lab/one/go/go.mod", "module m\n\ngo 1.21\n")
        self.write("lab/one/go/main.go", "package main\n\nfunc main() { nothing() }\n")
        done = self.lab(path=os.environ["PATH"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("inner does not build", done.stdout)
        self.write("lab/one/go/main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(`{\"x\": 1}`) }\n")
        done = self.lab(path=os.environ["PATH"])
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_kept_data_make_the_same_reports_without_a_run(self):
        self.experiment("one", ["N01"])
        self.experiment("two", ["N02"])
        self.assertEqual(self.lab("--full", "--keep").returncode, 0)
        page, text = self.read("lab/report.html"), self.read("docs/lab.md")
        record = json.loads(self.read("lab/one/data.json"))
        self.assertEqual((record["level"], record["data"]), ("full", {"x": 7}))
        self.assertIn("; tested: 1 | 7 | [one](#one) |", text)
        done = self.lab("--report")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual((self.read("lab/report.html"), self.read("docs/lab.md")), (page, text))
        self.assertEqual(self.runs("one"), 1)

    def test_data_that_can_no_longer_be_judged_is_an_error_of_the_report(self):
        self.experiment("one", ["N01"])
        self.lab("--keep")
        self.experiment("one", ["N01"], judge='return [kit.Verdict("N01", kit.CONFIRMED, "", str(data["other"]))]')
        self.assertEqual(self.lab("--report").returncode, 1)
        self.assertIn("judging failed: KeyError", self.read("docs/lab.md"))

    def test_smoke_leaves_the_tree_alone(self):
        self.experiment("one", ["N01"])
        self.assertEqual(self.lab("--smoke").returncode, 0)
        self.assertEqual(self.lab("--smoke").returncode, 0)
        self.assertEqual(self.runs("one"), 2, "it asks whether things still run")
        self.assertFalse(self.exists("lab/report.html"))
        self.assertTrue(self.exists("build/lab-results/smoke.html"))

    def test_bad_usage(self):
        self.experiment("one", ["N01"])
        for args in (["nonsense"], ["--smoke", "--full"], ["--smoke", "--keep"], ["--nonsense"], ["--report", "--list"]):
            done = self.lab(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertNotIn("Traceback", done.stderr)
        self.assertIn("no experiment 'nonsense'; there are: one", self.lab("nonsense").stderr)

    def test_list_fails_while_an_id_has_no_experiment_and_no_reason(self):
        self.experiment("one", ["N01"])
        done = self.lab("--list")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^N01 +one ")
        self.assertRegex(done.stdout, r"(?m)^N02 +(NOBODY|-) ")


if __name__ == "__main__":
    unittest.main()
