"""plots.py - diagrams of the lab as SVG text: lines, bars, heat maps.  Axes and lines are those of bench/plots.py.

Grey text and colours of middle lightness: readable on white and on black.  Names known to bench/ keep their colour; others
get one each, in the order they appear.
"""
import importlib.util
import math
import os
from xml.sax.saxutils import escape

_spec = importlib.util.spec_from_file_location(
    "bench_plots", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "plots.py"))
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
Series, short, duration = base.Series, base.short, base.duration

PALETTE = ["#1c7ed6", "#d9480f", "#2f9e44", "#ae4fd0", "#b08400", "#0c8599", "#c2255c", "#7a6a53", "#5c6f2a", "#a0522d"]
FIXED = {"classic": "#1c7ed6", "go1.23.12": "#2f9e44", "go1.27.3": "#ae4fd0"}  # who stands in most pictures
BAR, GAP = 18, 10


def colours(names):
    """{name: colour}: the fixed ones, those of bench/plots.py, and for other names the next of the palette."""
    known = {**base.COLOURS, **FIXED}
    chosen = {name: known[name] for name in names if name in known}
    for name in names:
        if name not in chosen:
            free = [c for c in PALETTE if c not in chosen.values()]
            chosen[name] = free[0] if free else base.INK
    return chosen


def legend(names):
    """[(name, x, row)]: one beside the other, in as many rows as it takes."""
    places, x, row = [], 20.0, 0
    for name in names:
        wide = 34 + 7.2 * len(name)
        if x + wide > base.WIDTH and x > 20:
            x, row = 20.0, row + 1
        places.append((name, x, row))
        x += wide
    return places


def line(series, x_label, y_label, log_x=False, log_y=False, x_tick=short, y_tick=short):
    """Lines over one pair of axes.  series: {name: [(x, y), ...]}, x ascending.  A logarithmic axis has no place for
    what is not above 0."""
    series = [Series(name, [p for p in points if (p[0] > 0 or not log_x) and (p[1] > 0 or not log_y)])
              for name, points in series.items()]
    series = [s for s in series if s.points]
    if not series:
        return ""
    chosen = colours([s.name for s in series])
    picture = base.Picture()
    longest = max(len(s.name) for s in series)
    box = base.LEFT, base.TOP, base.WIDTH - max(40, 24 + 7 * longest), base.HEIGHT - base.BOTTOM
    x = base.Axis([p[0] for s in series for p in s.points], box[0], box[2], log_x)
    y = base.Axis([p[1] for s in series for p in s.points], box[3], box[1], log_y, zero=True)
    picture.axes(box, x, y, x_label, y_label, x_tick, y_tick)
    ends = [(x.at(s.points[-1][0]), y.at(s.points[-1][1])) for s in series]
    heights = base.spread_labels([end[1] for end in ends], box[1] + 4, box[3])
    for s, (end_x, end_y), height in zip(series, ends, heights):
        at = [(x.at(px), y.at(py)) for px, py in s.points]
        picture.add('<path d="M%s" fill="none" stroke="%s" stroke-width="1.8" stroke-linejoin="round"/>',
                    "L".join("%.1f,%.1f" % point for point in at), chosen[s.name])
        for px, py in at if len(at) <= 12 else []:
            picture.add('<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>', px, py, chosen[s.name])
        picture.line(end_x + 2, end_y, box[2] + 10, height, chosen[s.name], 0.5)
        picture.text(box[2] + 13, height + 4, s.name, "start", 12, chosen[s.name])
    return picture.svg()


def bars(rows, x_label, log=False, tick=short):
    """Horizontal bars in groups.  rows: [(label, {name: value or (median, low, high)})]; an interval is drawn as a
    whisker.  One colour per name; with several names there is a legend below."""
    rows = [(label, {n: v if isinstance(v, (tuple, list)) else (v, v, v) for n, v in values.items()})
            for label, values in rows if values]
    if not rows:
        return ""
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    chosen = colours(names)
    left = min(300, 20 + 7 * max(len(label) for label, _ in rows))
    top, height = 16, sum(len(values) * BAR + GAP for _, values in rows)
    places = legend(names) if len(names) > 1 else []
    picture = base.Picture(top + height + 50 + (places[-1][2] * 18 + 24 if places else 0))
    everything = [x for _, values in rows for v in values.values() for x in v[:3]]
    axis = base.Axis([x for x in everything if x > 0] or [1] if log else everything + [0], left, base.WIDTH - 80, log,
                     zero=True)
    zero = left if log else axis.at(0)

    def place(value):
        return axis.at(value) if value > 0 or not log else left

    for value in axis.ticks():
        picture.line(axis.at(value), top, axis.at(value), top + height)
        picture.text(axis.at(value), top + height + 16, tick(value), size=11)
    y = top
    for label, values in rows:
        picture.text(left - 8, y + len(values) * BAR / 2 + 3, label, "end")
        for name, (middle, low, high) in values.items():
            end = place(middle)
            picture.add('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s" fill-opacity="0.75"/>',
                        min(zero, end), y + 2, max(abs(end - zero), 0.5), BAR - 4, chosen[name])
            edge = end
            if high > low:
                picture.line(place(low), y + BAR / 2, place(high), y + BAR / 2, base.INK, 1)
                edge = max(end, place(high))
            picture.text(edge + 5, y + BAR / 2 + 4, "%.3g" % middle if abs(middle) < 1000 else "%.0f" % middle, "start", 11)
            y += BAR
        y += GAP
    picture.text((left + base.WIDTH - 80) / 2, top + height + 36, x_label)
    for name, x, row in places:
        below = top + height + 50 + 18 * row
        picture.add('<rect x="%.1f" y="%d" width="12" height="12" fill="%s" fill-opacity="0.75"/>', x, below, chosen[name])
        picture.text(x + 17, below + 10, name, "start")
    return picture.svg()


def heat(matrix, x_label="", y_label="", x_names=None, y_names=None, log=False):
    """A rectangle of cells; darker is more.  matrix: rows from top to bottom, None for a cell that does not exist."""
    if not matrix or not matrix[0]:
        return ""
    columns, left, top = max(len(row) for row in matrix), 70, 16
    step = min(28.0, (base.WIDTH - left - 20) / columns)
    tall = step if len(matrix) * step <= 600 else max(2.0, 600 / len(matrix))
    bottom = top + tall * len(matrix)
    picture = base.Picture(int(bottom) + 66)
    scale = (lambda v: math.log1p(v)) if log else (lambda v: v)
    present = [v for row in matrix for v in row if v is not None]
    most = max(map(scale, present), default=0) or 1
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if value is not None:
                picture.add('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#d9480f" fill-opacity="%.2f"/>',
                            left + j * step, top + i * tall, step - 0.4, tall - 0.4, 0.04 + 0.96 * scale(value) / most)
    every = max(1, math.ceil(34 / step))
    for j in range(0, columns, every):
        picture.text(left + (j + 0.5) * step, bottom + 14, str(x_names[j] if x_names else j), size=10)
    every = max(1, math.ceil(12 / tall))
    for i in range(0, len(matrix), every):
        picture.text(left - 5, top + (i + 0.5) * tall + 4, str(y_names[i] if y_names else i), "end", 10)
    picture.text(left + columns * step / 2, bottom + 32, x_label)
    picture.text(4, 11, y_label, "start", 11)
    picture.text(left, bottom + 52, "0", "end", 10)
    for k in range(20):
        picture.add('<rect x="%d" y="%.1f" width="8" height="10" fill="#d9480f" fill-opacity="%.2f"/>', left + 6 + 8 * k,
                    bottom + 43, 0.04 + 0.96 * k / 19)
    picture.text(left + 172, bottom + 52, short(max(present, default=0)) + (", logarithmic" if log else ""), "start", 10)
    return picture.svg()


def titled(svg, title):
    """The same picture with a title that screen readers read."""
    return svg.replace(">\n", '>\n<title>%s</title>\n' % escape(title), 1)
