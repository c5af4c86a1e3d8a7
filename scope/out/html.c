/* html.c - reports in one file: no script, no network, readable offline, dark where the reader's system is.
 *
 * The report of a map embeds its heat map as inline SVG.  A content security policy in the page forbids
 * everything but its own style, so that even a hole in escaping could load nothing.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_head(FILE *f, const char *title) {
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          f);
    ms_text_xml(f, title);
    fputs("</title>\n<style>\n"
          ":root{color-scheme:light dark}body{font:14px/1.45 system-ui,sans-serif;margin:2em "
          "auto;max-width:75em;"
          "padding:0 1em}\ntable{border-collapse:collapse;margin:.5em 0 1.5em}\n"
          "th,td{padding:.2em .7em;text-align:left;border-bottom:1px solid #8884}\n"
          "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
          ".bar{display:inline-block;height:.8em;background:#21908d}\nsvg{max-width:100%;height:auto}\n"
          "</style></head><body>\n",
          f);
}

static void put_target(FILE *f, const struct ms_snapshot *s) {
    char rss[16], age[32];
    fprintf(f, "<p>process %d (", s->target.pid);
    ms_text_xml(f, s->target.comm ? s->target.comm : "");
    fprintf(f, ")");
    if (s->target.core) {
        fputs(", core file ", f);
        ms_text_xml(f, s->target.core);
        if (s->target.signal) fprintf(f, ", signal %d", s->target.signal);
    }
    if (s->target.rss_bytes) fprintf(f, ", RSS %s", ms_text_bytes(s->target.rss_bytes, rss));
    if (s->target.age_ns) fprintf(f, ", up %s", ms_text_duration(s->target.age_ns, age));
    fprintf(f, "</p>\n");
    for (size_t i = 0; i < s->notes; i++) {
        fputs("<p><strong>", f);
        ms_text_xml(f, s->note[i]);
        fputs("</strong></p>\n", f);
    }
}

static void put_number(FILE *f, uint64_t n) {
    if (n == MS_UNKNOWN)
        fputs("<td class=\"n\">&ndash;</td>", f);
    else
        fprintf(f, "<td class=\"n\">%" PRIu64 "</td>", n);
}

void ms_html_list(FILE *f, const struct ms_snapshot *s, const struct ms_totals *t, const struct ms_map *maps,
                  size_t n) {
    char bytes[16], waste[16], gain[16];
    put_head(f, "maps of a process");
    fputs("<h1>Maps</h1>\n", f);
    put_target(f, s);
    fprintf(f, "<p>%" PRIu64 " maps, %" PRIu64 " entries, %s, waste %s, rebuild gain %s</p>\n", t->maps,
            t->entries, ms_text_bytes(t->bytes, bytes), ms_text_bytes(t->waste, waste),
            ms_text_bytes(t->rebuild_gain, gain));
    fputs("<table><tr><th>id</th><th>map</th><th>type</th><th>made at</th><th class=\"n\">entries</th>"
          "<th class=\"n\">load</th><th class=\"n\">bytes</th><th class=\"n\">waste</th><th "
          "class=\"n\">resident</th>"
          "<th>growth</th><th>certainty</th></tr>\n",
          f);
    for (size_t i = 0; i < n; i++) {
        const struct ms_map *m = &maps[i];
        bool ok = m->certainty != MS_DAMAGED;
        char id[64], *label = ms_map_label(m);
        ms_map_id(m, id);
        fprintf(f, "<tr><td>%s</td><td>", id);
        ms_text_xml(f, label);
        fputs("</td><td>", f);
        ms_text_xml(f, m->type ? m->type->name : "?");
        fputs("</td><td>", f);
        ms_text_xml(f, m->site ? m->site : "");
        fputs("</td>", f);
        put_number(f, ok ? m->entries : MS_UNKNOWN);
        fprintf(f, "<td class=\"n\">%.2f</td>", m->load);
        put_number(f, ok ? m->bytes : MS_UNKNOWN);
        put_number(f, ok ? m->waste : MS_UNKNOWN);
        put_number(f, m->resident);
        fprintf(f, "<td>%s</td><td>%s</td></tr>\n", ms_walk_name(m->walk), ms_certainty_name(m->certainty));
        free(label);
    }
    fputs("</table></body></html>\n", f);
}

static void put_bars(FILE *f, const char *title, const char *unit, const uint64_t *count, size_t n) {
    uint64_t most = 1;
    for (size_t i = 0; i < n; i++) most = count[i] > most ? count[i] : most;
    fprintf(f, "<h2>%s</h2><table><tr><th class=\"n\">%s</th><th class=\"n\">count</th><th></th></tr>\n",
            title, unit);
    for (size_t i = 0; i < n; i++) {
        if (count[i] == 0) continue;
        fprintf(f,
                "<tr><td class=\"n\">%zu</td><td class=\"n\">%" PRIu64 "</td><td><span class=\"bar\" "
                "style=\"width:%.1fem\"></span></td></tr>\n",
                i, count[i], 20.0 * (double)count[i] / (double)most);
    }
    fputs("</table>\n", f);
}

void ms_html_show(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d,
                  const struct ms_picture *p) {
    const struct ms_map *m = &d->map;
    uint64_t sum = ms_map_sum(m);
    char *label = ms_map_label(m);
    put_head(f, label);
    fputs("<h1>", f);
    ms_text_xml(f, label);
    free(label);
    fputs("</h1>\n", f);
    put_target(f, s);
    fprintf(f,
            "<p>%" PRIu64 " entries in %" PRIu64 " slots, load %.3f, %" PRIu64 " chained, %" PRIu64
            " in the stash, certainty %s</p>\n",
            m->entries, m->slots, m->load, m->chained, m->stashed, ms_certainty_name(m->certainty));
    fputs("<h2>Bytes</h2><table>\n", f);
    for (int i = 0; i < MS_PARTS; i++)
        fprintf(
            f,
            "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td><td><span class=\"bar\" style=\"width:%.1fem\">"
            "</span></td></tr>\n",
            ms_part_title((enum ms_part)i), m->part[i], sum ? 20.0 * (double)m->part[i] / (double)sum : 0.0);
    fprintf(f,
            "<tr><th>sum of parts</th><td class=\"n\">%" PRIu64
            "</td><td>%s allocated bytes</td></tr></table>\n",
            sum, sum == m->bytes ? "equals" : "differs from");
    fputs("<h2>Occupancy</h2>\n", f);
    if (p) ms_svg_heat(f, p);
    put_bars(f, "Groups by live slots", "slots", d->occupancy, 17);
    put_bars(f, "Quads by entries in their chain", "entries", d->chain, MS_CHAIN_BUCKETS);
    fputs("<h2>Counters</h2><table>\n", f);
    for (size_t i = 0; i < d->counters; i++)
        fprintf(f, "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td></tr>\n", d->counter[i].name,
                d->counter[i].value);
    fputs("</table>\n<h2>Events</h2><table><tr><th>event</th><th class=\"n\">ns since boot</th><th "
          "class=\"n\">a</th>"
          "<th class=\"n\">b</th></tr>\n",
          f);
    for (size_t i = 0; i < d->events; i++)
        fprintf(f,
                "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
                "</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
                ms_event_name(d->event[i].kind), d->event[i].time_ns, d->event[i].a, d->event[i].b);
    fputs("</table></body></html>\n", f);
}
