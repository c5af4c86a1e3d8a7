#!/usr/bin/env python3
"""bench_report.py BENCH_FOLDER - the figures of the benchmarks on their way into tables, JSON, pictures and the page.

No measurement is made here: made-up results go in, and what comes out is compared.
"""
import json
import os
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop(1))
import docs  # noqa: E402
import plots  # noqa: E402
import run_latency  # noqa: E402
import runner  # noqa: E402


def cell(bench, op, n, unit="ns", **medians):
    results = {name: runner.spread([m - 1, m, m + 5]) for name, m in medians.items()}
    return runner.cell(bench, "u64-u64", n, op, results, unit)


def document():
    sizes = (1000, 100000)
    cells = [cell("map", op, n, gomap=20, boost=10) for n in sizes for op in ("insert", "hit", "miss")]
    cells += [cell("map", "miss_churned", n, gomap=25) for n in sizes]
    cells += [cell("memory", "rss_worst", 1000, "bytes", gomap=33.5)]
    cells += [cell("latency", "share_above_%dns" % ns, 1000, "1", gomap=100 / ns) for ns in (100, 1000, 10000)]
    return {"machine": {"processor": "P"}, "benches": {"map": {"rounds": 3}}, "cells": cells}


class Report(unittest.TestCase):
    def test_spread_is_median_least_and_most(self):
        self.assertEqual(runner.spread([5.0, 1.0, 3.0]), {"median": 3.0, "min": 1.0, "max": 5.0})

    def test_ratio_is_taken_within_rounds(self):
        self.assertEqual(runner.ratio([1, 20, 3], [1, 10, 6]), 1)  # not 3 / 6, that of the medians

    def test_a_cell_has_the_fields_readers_go_by(self):
        self.assertEqual(set(cell("map", "hit", 10, gomap=1)), {"bench", "key", "value", "n", "op", "unit", "results"})

    def test_only_inserts_slow_in_several_rounds_are_repeated(self):
        rounds = [{"operations": [[7, 1], [9, 1]]}, {"operations": [[9, 1]]}, {"operations": [[11, 1]]}]
        self.assertEqual(run_latency.repeated(rounds), 1)

    def test_labels_are_apart_and_inside(self):
        heights = plots.spread_labels([100, 101, 99, 300], 10, 300, gap=14)
        ordered = sorted(heights)
        self.assertTrue(all(b - a >= 14 for a, b in zip(ordered, ordered[1:])), heights)
        self.assertTrue(10 <= ordered[0] and ordered[-1] <= 300, heights)
        self.assertLess(heights[2], heights[0])  # in the order of the curves

    def test_axis_keeps_order_and_ends(self):
        axis = plots.Axis([10, 1000], 0, 100, log=True)
        self.assertEqual([axis.at(v) for v in (10, 100, 1000)], [0, 50, 100])
        self.assertTrue(all(10 <= t <= 1000 for t in axis.ticks()))

    def test_pictures_are_xml_with_a_curve_for_each_series(self):
        pictures = dict(plots.pictures(document()))
        self.assertEqual(set(pictures), {"map-u64", "latency"})
        for svg in pictures.values():
            xml.dom.minidom.parseString(svg)
        self.assertEqual(pictures["map-u64"].count("<path"), 6)

    def test_goals_are_judged_by_their_figure(self):
        results = docs.Results(document())
        self.assertEqual(results.churned(), 1.25)
        rows = docs.goals(results).splitlines()
        self.assertIn("33.5 | **no** |", next(r for r in rows if r.startswith("| bytes per entry")))
        self.assertIn("1.25 | yes |", next(r for r in rows if r.startswith("| miss after ten")))
        self.assertIn("not measured | - |", next(r for r in rows if r.startswith("| `mapscope list`")))

    def test_the_page_is_filled_in_and_says_what_is_missing(self):
        results = docs.Results(document())
        results.pictures = ["map-u64"]
        page = docs.fill_in("{{machine processor}} {{picture map-u64 a b}} {{picture no c}} {{value map hit gomap}}", results)
        self.assertEqual(page, "P ![a b](performance/map-u64.svg) (c: not measured) 20")
        with self.assertRaises(runner.Failed):
            docs.fill_in("{{no_such}}", results)

    def test_the_template_asks_only_for_what_there_is(self):
        results = docs.Results({"machine": {}, "benches": {}, "cells": []})
        results.pictures = []
        with open(os.path.join(docs.HERE, "performance.md.in"), encoding="utf-8") as template:
            self.assertNotIn("{{", docs.fill_in(template.read(), results))

    def test_of_two_parts_with_the_same_bench_the_later_counts(self):
        single = {"bench": "memory", "machine": {"processor": "Q"}, "rounds": 7,
                  "cells": [cell("memory", "rss_worst", 1000, "bytes", gomap=30)]}
        whole = docs.Results(docs.join([document(), single]))
        self.assertEqual(whole.one("memory", "rss_worst", "gomap"), 30)
        self.assertEqual(whole.one("map", "hit", "gomap"), 20)
        self.assertEqual(docs.rounds(whole, "memory") + docs.rounds(whole, "map"), "73")

    def test_kept_results_read_back_as_they_were(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            docs.save(document(), path)
            with open(path, encoding="utf-8") as kept:
                self.assertEqual(json.load(kept), document())


if __name__ == "__main__":
    unittest.main()
