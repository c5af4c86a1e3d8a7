#!/usr/bin/env python3
"""plots.py RESULTS.json FOLDER - the pictures of docs/performance.md as SVG, from the results of script/bench.

Plain SVG, no library.  Every implementation has one colour, the same in all pictures; a variant of it (another
hash, another mode) has the same colour and another dash.  Colours are of middle lightness and text is grey, so that
a picture can be read on white and on black.  Lines are named at their right end instead of in a legend; names
that would overlap are pushed apart, with a thin line to the end they belong to.
"""
import json
import math
import os
import sys
from collections import namedtuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 128, 34, 46
INK = "#808080"
GRID = "#808080"
COLOURS = {"gomap": "#d9480f", "boost": "#1c7ed6", "absl": "#2f9e44", "std": "#ae4fd0", "glib": "#b08400",
           "uthash": "#0c8599", "stb_ds": "#7a6a53", "judy": "#c2255c", "go": "#00a8c6", "rust": "#a0522d",
           "hashbrown": "#5c6f2a", "clock": "#868e96"}
DASHES = {"": "", "generic": "2 3", "aes": "7 3", "memory": "7 3", "speed": "2 3"}

Series = namedtuple("Series", "name points")  # points: [(x, y)] in the order of x


def family(name):
    return name.replace("+", "-").split("-", maxsplit=1)[0]


def colour(name):
    return COLOURS.get(family(name), INK)


def dash(name):
    return DASHES.get(name.replace("+", "-").partition("-")[2], "5 2 1 2")


def short(value):
    """1000 -> 1k; tick labels."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= 10 ** power:
            return "%g%s" % (value / 10 ** power, letter)
    return "%g" % value


def duration(ns):
    for least, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "\u00b5s")):
        if ns >= least:
            return "%g %s" % (ns / least, unit)
    return "%g ns" % ns


def one_in(share):
    return "1 in %s" % short(round(1 / share)) if share < 1 else "all"


class Axis:
    """From values to pixels, linear or logarithmic, with ticks at round values."""

    def __init__(self, values, first, last, log=False, zero=False):
        low, high = min(values), max(values)
        if zero and not log:
            low = min(low, 0)
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - 1, high + 1)
        self.log, self.first, self.last = log, first, last
        if log:
            self.low, self.high = math.log10(low), math.log10(high)
        else:
            step = self.step(high - low)
            self.low, self.high = math.floor(low / step) * step, math.ceil(high / step) * step
            if not zero and self.low < low < 0 <= high:
                self.low = low

    @staticmethod
    def step(span):
        """A round distance that divides a span into four to eight."""
        raw = span / 5
        power = 10 ** math.floor(math.log10(raw))
        return min((1, 2, 5, 10), key=lambda f: abs(math.log(f * power / raw))) * power

    def at(self, value):
        share = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        if not self.log:
            step = self.step(self.high - self.low)
            return [self.low + i * step for i in range(int((self.high - self.low) / step + 1.001))]
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        factors = (1,) if self.high - self.low > 2.9 else (1, 2, 5) if self.high - self.low > 0.8 else \
            (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
        ticks = [factor * 10.0 ** d for d in decades for factor in factors]
        return [t for t in ticks if self.low - 1e-9 <= math.log10(t) <= self.high + 1e-9]


def spread_labels(wanted, least, most, gap=14):
    """Heights of labels near the wanted ones, `gap` apart, within [least, most]; in the order given."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    heights = [wanted[i] for i in order]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + gap)
    if heights and heights[-1] > most:
        heights[-1] = most
        for i in range(len(heights) - 2, -1, -1):
            heights[i] = min(heights[i], heights[i + 1] - gap)
    if heights and heights[0] < least:
        heights = [least + gap * i if h < least + gap * i else h for i, h in enumerate(heights)]
    result = [0.0] * len(wanted)
    for place, i in enumerate(order):
        result[i] = heights[place]
    return result


class Picture:
    def __init__(self, height=HEIGHT):
        self.height, self.parts = height, []

    def add(self, text, *values):
        self.parts.append(text % values)

    def text(self, x, y, what, anchor="middle", size=12, fill=INK, extra=""):
        self.add('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s"%s>%s</text>',
                 x, y, anchor, size, fill, extra, escape(what))

    def line(self, x1, y1, x2, y2, stroke=GRID, opacity=0.25):
        self.add('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-opacity="%.2f"/>',
                 x1, y1, x2, y2, stroke, opacity)

    def svg(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
                'font-family="system-ui, DejaVu Sans, sans-serif">\n%s\n</svg>\n'
                % (WIDTH, self.height, WIDTH, self.height, "\n".join(self.parts)))

    def axes(self, box, x, y, x_label, y_label, x_tick=short, y_tick=short):
        """Grid, ticks and labels; box: left, top, right, bottom."""
        left, top, right, bottom = box
        for value in y.ticks():
            at = y.at(value)
            self.line(left, at, right, at)
            self.text(left - 6, at + 4, y_tick(value), "end", 11)
        last = -math.inf
        for value in x.ticks():
            at = x.at(value)
            self.line(at, bottom, at, bottom + 4, opacity=0.8)
            if at - last >= 34:  # else it would touch the label before
                self.text(at, bottom + 17, x_tick(value), size=11)
                last = at
        self.line(left, bottom, right, bottom, opacity=0.8)
        if x_label:
            self.text((left + right) / 2, bottom + 36, x_label)
        if y_label:
            self.text(left - 44, top - 12, y_label, "start")

    def curves(self, box, x, y, series, names=True):
        left, top, right, bottom = box
        for s in series:
            path = "M" + "L".join("%.1f,%.1f" % (x.at(px), y.at(py)) for px, py in s.points)
            self.add('<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"%s/>', path,
                     colour(s.name), "2.4" if s.name == "gomap" else "1.6",
                     ' stroke-dasharray="%s"' % dash(s.name) if dash(s.name) else "")
            if len(s.points) == 1:
                self.add('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', x.at(s.points[0][0]), y.at(s.points[0][1]),
                         colour(s.name))
        if not names:
            return
        ends = [(x.at(s.points[-1][0]), y.at(s.points[-1][1])) for s in series]
        heights = spread_labels([end[1] for end in ends], top + 4, bottom)
        for s, (ex, ey), height in zip(series, ends, heights):
            self.line(ex + 2, ey, right + 10, height, colour(s.name), 0.5)
            self.text(right + 13, height + 4, s.name, "start", 12, colour(s.name))


def plot(series, x_label, y_label, log_x=True, log_y=False, x_tick=short, y_tick=short):
    """One diagram with all series."""
    series = [s for s in series if s.points]
    picture = Picture()
    box = LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM
    x = Axis([p[0] for s in series for p in s.points], box[0], box[2], log_x)
    y = Axis([p[1] for s in series for p in s.points], box[3], box[1], log_y, zero=True)
    picture.axes(box, x, y, x_label, y_label, x_tick, y_tick)
    picture.curves(box, x, y, series)
    return picture.svg()


def panels(groups, x_label, y_label):
    """Small diagrams of equal kind, two a row; groups: [(title, [Series])].  One list of names below."""
    rows, height = (len(groups) + 1) // 2, 210
    names = list(dict.fromkeys(s.name for _, series in groups for s in series))
    picture = Picture(rows * height + 56)
    for i, (title, series) in enumerate(groups):
        left, top = 56 + i % 2 * 392, 34 + i // 2 * height
        box = left, top, left + 330, top + height - 66
        x = Axis([p[0] for s in series for p in s.points], box[0], box[2], True)
        y = Axis([p[1] for s in series for p in s.points], box[3], box[1], True)
        picture.text(box[0] + 165, top - 12, title, size=13)
        picture.axes(box, x, y, x_label if i // 2 == rows - 1 or i + 2 >= len(groups) else "", "")
        picture.text(box[0] - 44, top - 12, y_label, "start", 11)
        picture.curves(box, x, y, series, names=False)
    at = 40.0
    for name in names:
        y = rows * height + 38
        picture.add('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-width="%s"%s/>', at, y - 4, at + 24,
                    y - 4, colour(name), "2.4" if name == "gomap" else "1.6",
                    ' stroke-dasharray="%s"' % dash(name) if dash(name) else "")
        picture.text(at + 29, y, name, "start", 12, colour(name))
        at += 46 + 7.2 * len(name)
    return picture.svg()


# From results to series

def cells_of(document, bench, **wanted):
    return [c for c in document["cells"] if c["bench"] == bench and all(c[k] == v for k, v in wanted.items())]


def by_size(cells, names=None):
    """A series per implementation: medians over n."""
    found = {}
    for cell in sorted(cells, key=lambda c: c["n"]):
        for name, result in cell["results"].items():
            if names is None or name in names:
                found.setdefault(name, []).append((cell["n"], result["median"]))
    return [Series(name, points) for name, points in found.items()]


MAIN = ["gomap", "boost+aes", "boost", "absl", "std", "go", "hashbrown"]
PANELS = [("insert", "insert, growth included"), ("hit", "lookup of a present key"), ("miss", "lookup of an absent key"),
          ("erase", "erase"), ("churn", "erase one, insert another"), ("iterate", "iterate, per entry")]


def map_pictures(document):
    for kind, name in ((("u64", "u64"), "u64"), (("string of 16-32 bytes", "u64"), "strings")):
        groups = []
        for op, title in PANELS:
            series = by_size(cells_of(document, "map", key=kind[0], value=kind[1], op=op, unit="ns"), MAIN)
            if series:
                groups.append((title, series))
        if groups:
            yield "map-%s" % name, panels(groups, "entries", "ns")


def sweep_pictures(document):
    for op in ("insert", "hit", "miss", "erase"):
        series = by_size(cells_of(document, "sweep", key="u64", op=op), ["gomap", "boost+aes", "boost", "absl"])
        if series:
            yield "sweep-%s" % op, plot(series, "entries", "%s, ns" % op)


def latency_pictures(document):
    """Share of inserts that took longer than so much; both axes logarithmic, so that the tail is seen."""
    curves = {}
    cells = [c for c in cells_of(document, "latency") if c["op"].startswith("share_above_")]
    for cell in sorted(cells, key=lambda c: int(c["op"][len("share_above_"):-2])):
        for name, result in cell["results"].items():
            if result["median"] * cell["n"] >= 1 and name != "gomap-speed":
                curves.setdefault(name, []).append((int(cell["op"][len("share_above_"):-2]), result["median"]))
    if curves:
        series = [Series(name, points) for name, points in curves.items()]
        yield "latency", plot(series, "time of one insert", "share of the inserts that took longer", log_y=True,
                              x_tick=duration, y_tick=one_in)


def memory_pictures(document):
    cells = [c for c in cells_of(document, "memory", op="rss_per_entry") if c["n"] >= 100000]
    if cells:
        yield "memory", plot(by_size(cells), "entries", "resident bytes per entry of 16 bytes")
    cells = cells_of(document, "memory", op="rss_per_map")
    if cells:
        series = by_size(cells)
        yield "memory-small", plot([Series(s.name, [p for p in s.points if p[0] <= 15]) for s in series],
                                   "entries in each of 10^6 maps", "resident bytes per map", log_x=False)


def pictures(document):
    """(name, SVG) of all pictures that the results are there for."""
    for make in (map_pictures, sweep_pictures, latency_pictures, memory_pictures):
        yield from make(document)


def write(document, folder):
    os.makedirs(folder, exist_ok=True)
    names = []
    for name, svg in pictures(document):
        with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as out:
            out.write(svg)
        names.append(name)
    return names


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: plots.py RESULTS.json FOLDER")
    with open(sys.argv[1], encoding="utf-8") as source:
        print("\n".join(write(json.load(source), sys.argv[2])))
