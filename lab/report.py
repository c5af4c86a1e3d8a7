"""report.py - from outcomes of experiments to a page (HTML) and a summary (Markdown).  Nothing is measured here.

Both have one table of all numbers and claims, with what was claimed beside what was measured, and a part per
experiment.  The page is one file: its style and its plots are in it, and it has no scripts.
"""
import os
import re
from html import escape

import articles
import kit
import plots

SHOWN = (*kit.VERDICTS, "not measured")

STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5f6670;--line:#d9dde2;--page:#fff;--card:#f6f7f9;--link:#1864ab}
@media (prefers-color-scheme:dark){:root{--ink:#e4e6ea;--soft:#9aa2ad;--line:#363b42;--page:#16181b;--card:#1f2226;
--link:#74c0fc}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page)}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.3rem;margin:2.5rem 0 .5rem}h3{font-size:1rem;margin:1.5rem 0 .4rem}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
p,.soft{max-width:52rem}.soft{color:var(--soft);font-size:.875rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll{overflow-x:auto}figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.875rem}
figure svg{max-width:100%;min-width:36rem;height:auto}
.chip{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.8rem;font-weight:600;white-space:nowrap;
color:#fff}
.confirmed{background:#2b8a3e}.refuted{background:#c92a2a}.depends{background:#a05a00}.inconclusive{background:#5f3dc4}
.not{background:#5c636b}.failed{background:#000;outline:1px solid #c92a2a}
.pair{white-space:nowrap;margin-right:.6rem}.counts{display:flex;flex-wrap:wrap;gap:.5rem 1rem;margin:1rem 0}.counts b{margin-left:.3rem}
.id{font-weight:600;white-space:nowrap}.id small{display:block;font-weight:400;color:var(--soft)}
section{border-top:3px solid var(--line);margin-top:2rem}
.error{border-left:4px solid #c92a2a;padding:.3rem .8rem;background:var(--card);overflow-wrap:anywhere}
@media (max-width:44rem){
.all thead{display:none}.all,.all tbody,.all tr,.all td{display:block;width:100%}
.all tr{background:var(--card);border-radius:.5rem;margin:0 0 .8rem;padding:.5rem .3rem}
.all td{border:0;padding:.15rem .6rem}.all td:empty{display:none}
.all td[data-of]:not(:empty)::before{content:attr(data-of) ": ";color:var(--soft)}
.id small{display:inline;margin-left:.5rem}}
"""


def overall(verdicts):
    """One word for several experiments on the same line: what was measured counts, differing results depend."""
    words = [v.verdict for v in verdicts]
    for weak in (kit.NOT_HERE, kit.INCONCLUSIVE):
        words = [w for w in words if w != weak] or words
    if not words:
        return "not measured"
    return words[0] if len(set(words)) == 1 else kit.DEPENDS


def rows(outcomes):
    """(entry, [(experiment, verdict)], reason) for every number and claim."""
    found, late = {}, {}
    for outcome in outcomes:
        for v in outcome.verdicts:
            found.setdefault(v.id, []).append((outcome.experiment, v))
        if outcome.error:
            for name in outcome.experiment.answers:
                late.setdefault(name, []).append("%s: %s" % (outcome.experiment.name, outcome.error))
    for entry in articles.ALL:
        answers = found.get(entry.id, [])
        reason = articles.NOT_ANSWERED.get(entry.id, "") if not answers else ""
        if reason:
            answers = [(None, kit.Verdict(entry.id, kit.NOT_HERE, "", "", reason))]
        yield entry, answers, late.get(entry.id, [])


def counts(outcomes):
    """{word: how many numbers and claims}."""
    words = [overall([v for _, v in answers]) for _, answers, _ in rows(outcomes)]
    return {word: words.count(word) for word in SHOWN if word in words}


def machines(outcomes):
    """Each machine that measured, in one line."""
    lines = []
    for o in outcomes:
        if o.record:
            m = o.record["machine"]
            line = "%s, %d cores, %d MiB; Linux %s, %s; %s; %s; %s" % (
                m["processor"], m["cores"], m["memory_mib"], m["kernel"], m["libc"], m["compiler"], m["go"], m["valgrind"])
            if line not in lines:
                lines.append(line)
    return lines


def origin(record):
    """Level, repetitions, date and duration of a record."""
    text = "level %s" % record["level"]
    if record.get("rounds"):
        low, high = record["rounds"]
        text += ", %s" % ("1 round" if high == 1 else "%d rounds" % low if low == high else "%d to %d rounds" % (low, high))
    return "%s, %s, %s s" % (text, record["when"], kit.figure(record["seconds"]))


def readme(experiment):
    """What an experiment's README says first: the paragraph after its heading and its list of ids."""
    try:
        with open(os.path.join(experiment.folder, "README.md"), encoding="utf-8") as text:
            parts = [part.strip() for part in text.read().split("\n\n")]
    except OSError:
        return ""
    first = " ".join(next((p for p in parts if p and not re.match(r"#|\**Answers", p)), "").split())
    return re.sub(r" \**Answers:?\** [NK]\d.*$", "", first)  # the ids stand beside it anyway


# HTML

def chip(word):
    return '<span class="chip %s">%s</span>' % (word.split()[0], escape(word))


def prose(text):
    """Markdown's bold and code, as far as the READMEs have them in their first paragraph."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)


def cell(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "<td%s>%s</td>" % (' class="n"' if number else "", escape(kit.figure(value)))


def table(t):
    head = "".join("<th>%s</th>" % escape(str(c)) for c in t.columns)
    body = "".join("<tr>%s</tr>\n" % "".join(map(cell, row)) for row in t.rows)
    note = '<p class="soft">%s</p>' % escape(t.note) if t.note else ""
    return '<h3>%s</h3><div class="scroll"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>%s' % (
        escape(t.title), head, body, note)


def figure(plot):
    if not plot.svg:
        return ""
    return '<h3>%s</h3><figure><div class="scroll">%s</div><figcaption>%s</figcaption></figure>' % (
        escape(plot.title), plots.titled(plot.svg, plot.title), escape(plot.caption))


def state_of(late):
    """The word for an id without verdict: its experiment failed, or nobody measured yet."""
    return "failed" if any("not measured" not in text for text in late) else "not measured"


def tested(entry, v):
    """What an experiment says it tests, unless most of its words stand in the article's line anyway."""
    words = re.findall(r"[\w.]+", v.claimed.lower())
    known = set(re.findall(r"[\w.]+", entry.claim.lower()))
    return v.claimed if sum(word not in known for word in words) * 3 >= len(words) > 0 else ""


def line(entry, answers, late):
    """The rows of one id in the big table, the first with its anchor: one per experiment that answers."""
    row = ('<tr%s><td class="id">%s<small>%s</small></td><td>%s</td><td>%s%s</td><td data-of="measured">%s%s</td>'
           '<td data-of="by">%s</td></tr>\n')
    anchor, soft = ' id="%s"' % entry.id, '<div class="soft">%s</div>'
    for experiment, v in answers:
        link = '<a href="#%s">%s</a>' % (experiment.name, experiment.name) if experiment else ""
        extra = tested(entry, v)
        yield row % (anchor, entry.id, escape(entry.article), chip(v.verdict), escape(entry.claim),
                     soft % escape("tested: " + extra) if extra else "", escape(v.measured),
                     soft % escape(v.note) if v.note else "", link)
        anchor = ""
    if not answers:
        yield row % (anchor, entry.id, escape(entry.article), chip(state_of(late)), escape(entry.claim), "",
                     escape("; ".join(late)), "", "")


def section(outcome):
    e = outcome.experiment
    parts = ['<section id="%s"><h2>%s</h2>' % (e.name, escape(e.title)), "<p>%s</p>" % prose(readme(e))]
    if outcome.error:
        parts.append('<p class="error">%s</p>' % escape(outcome.error))
    if outcome.record:
        left_out = outcome.record.get("not_built", {})
        parts.append('<p class="soft">%s: %s.%s</p>' % (
            e.name, escape(origin(outcome.record)),
            escape("".join(" Left out: %s (%s)." % item for item in left_out.items()))))
    parts.append("<p>%s</p>" % " ".join(
        '<span class="pair"><a href="#%s">%s</a> %s</span>' % (v.id, v.id, chip(v.verdict)) for v in outcome.verdicts))
    parts += [figure(p) for p in outcome.plots] + [table(t) for t in outcome.tables]
    return "\n".join(parts) + "</section>"


def html(outcomes):
    """The page, whole."""
    tally = "".join("<span>%s<b>%d</b></span>" % (chip(word), n) for word, n in counts(outcomes).items())
    body = "".join(text for entry, answers, late in rows(outcomes) for text in line(entry, answers, late))
    return """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Go maps: what the articles say, and what is</title><style>%s</style></head><body>
<h1>Go maps: what the articles say, and what is</h1>
<p>Five articles describe the map Go had up to version 1.23, with %d numbers and %d claims. Each is put to the test here:
on a copy of that map in C, on gomap, and on Go itself where it is about Go. Figures are medians with the
interval in which the median lies with 95 %% confidence.</p>
<p><a href="#N01">Numbers</a> · <a href="#K01">Claims</a> · <a href="#experiments">Experiments</a></p>
<div class="counts">%s</div>
%s
<h2>Numbers and claims</h2>
<table class="all"><thead><tr><th>id</th><th>verdict</th><th>claimed</th><th>measured</th><th>experiment</th></tr></thead><tbody>
%s</tbody></table>
<h2 id="experiments">Experiments</h2>
<p>%s</p>
%s
</body></html>
""" % (STYLE, sum(e.id[0] == "N" for e in articles.ALL), sum(e.id[0] == "K" for e in articles.ALL), tally,
       "".join('<p class="soft">%s</p>' % escape(m) for m in machines(outcomes)), body,
       " · ".join('<a href="#%s">%s</a>' % (o.experiment.name, o.experiment.name) for o in outcomes),
       "\n".join(map(section, outcomes)))


# Markdown

def md(text):
    """Text for a table cell."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")


def markdown(outcomes):
    """The summary kept in docs/."""
    out = ["# The lab: what articles say about Go maps, and what is", "",
           "Written by `script/lab --report` from the data in `lab/*/data.json`; no figure is typed by hand. "
           "[lab/README.md](../lab/README.md) says how they come about and how to read a verdict. "
           "`lab/report.html`, which the same command makes, also has the plots.", ""]
    tally = counts(outcomes)
    out += ["| %s |" % " | ".join(tally), "|%s" % ("---:|" * len(tally)), "| %s |" % " | ".join(map(str, tally.values())), ""]
    out += ["Measured on:", ""] + ["* " + md(m) for m in machines(outcomes)] + [""]
    out += ["Figures are medians; in brackets the interval in which the median lies with 95 % confidence.", ""]
    for letter, title in (("N", "Numbers"), ("K", "Claims")):
        out += ["## " + title, "", "| id | article | verdict | claimed | measured | experiment |", "|---|---|---|---|---|---|"]
        for entry, answers, late in rows(outcomes):
            if entry.id[0] != letter:
                continue
            for e, v in answers:
                claimed = "; tested: ".join(part for part in (entry.claim, tested(entry, v)) if part)
                measured = "; ".join(part for part in (v.measured, v.note) if part)
                out.append("| %s | %s | **%s** | %s | %s | %s |" % (
                    entry.id, md(entry.article), v.verdict, md(claimed), md(measured),
                    "[%s](#%s)" % (e.name, e.name) if e else ""))
            if not answers:
                out.append("| %s | %s | %s | %s | %s | |" % (entry.id, md(entry.article), state_of(late), md(entry.claim),
                                                            md("; ".join(late))))
        out.append("")
    out += ["## Experiments", ""]
    for outcome in outcomes:
        e = outcome.experiment
        state = outcome.error or origin(outcome.record)
        out += ["### %s" % e.name, "", "**%s** %s *(%s; `script/lab %s`, [folder](../lab/%s))*" % (
            e.title, readme(e), md(state), e.name, e.name), ""]
    return "\n".join(out)
