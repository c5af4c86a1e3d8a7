/* tablecheck.c - the report of `check`, and the lines of `watch`, for people. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static const char *put_value(const struct ms_filter *f, size_t term, double v, char buf[32]) {
    char n[16];
    if (v < 0)
        snprintf(buf, 32, "unknown");
    else if (ms_filter_is_bytes(f, term))
        snprintf(buf, 32, "%s", ms_text_bytes((uint64_t)v, n));
    else if (v < 10 && v != (double)(uint64_t)v)
        snprintf(buf, 32, "%.2f", v);
    else
        snprintf(buf, 32, "%s", ms_text_count(v < 1e18 ? (uint64_t)v : UINT64_MAX, n));
    return buf;
}

static void put_line(FILE *f, const struct ms_style *st, char *raw) {
    char *line = ms_text_escape(raw, st->utf8);
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
    free(line);
    free(raw);
}

static void put_budget(FILE *f, const struct ms_style *st, const struct ms_budget *b) {
    char value[32], when[32], first[32];
    const char *field = ms_filter_field(&b->limit, b->term);
    put_line(f, st, ms_asprintf("  %-6s  %s", !b->seen ? "unseen" : b->broken ? "BROKEN" : "kept", b->text));
    if (!b->seen) return;
    put_value(&b->limit, b->term, b->worst, value);
    ms_text_duration(b->worst_ns, when);
    ms_text_duration(b->first_ns, first);
    char *who = b->label ? ms_asprintf(": %s", b->label) : ms_strdup("");
    if (b->broken)
        put_line(f, st,
                 ms_asprintf("          first after %s; %s %s at the worst, after %s%s", first, field, value,
                             when, who));
    else
        put_line(f, st, ms_asprintf("          %s %s at the most, after %s%s", field, value, when, who));
    free(who);
}

void ms_table_check(FILE *f, const struct ms_style *st, const struct ms_checked *c) {
    char time[32], entries[16], bytes[16], waste[16], when[32];
    char *end =
        c->signal ? ms_asprintf("by signal %d", c->signal) : ms_asprintf("with exit code %d", c->code);
    put_line(
        f, st,
        ms_asprintf("mapscope check: %s ended %s after %s", c->program, end, ms_text_duration(c->ns, time)));
    free(end);
    fprintf(f, "  looks   %" PRIu64 "%s\n", c->looks,
            !c->looks    ? ""
            : c->at_exit ? ", the last when it was about to end"
                         : "; what it had at its end was not seen");
    fprintf(f, "  peak    %" PRIu64 " maps, %s entries, waste %s, %s after %s\n", c->maps,
            ms_text_count(c->entries, entries), ms_text_bytes(c->waste, waste),
            ms_text_bytes(c->bytes, bytes), ms_text_duration(c->bytes_ns, when));
    if (c->looks && c->made != MS_UNKNOWN)
        fprintf(f, "  freed   %" PRIu64 " of %" PRIu64 " maps made; those between two looks were not seen\n",
                c->freed, c->made);
    for (size_t i = 0; i < c->budgets; i++) put_budget(f, st, &c->budget[i]);
}

void ms_table_event(FILE *f, const struct ms_style *st, const struct ms_map *m, int64_t seconds) {
    char id[64], entries[16], bytes[16], waste[16], clock[32] = "";
    time_t t = (time_t)seconds;
    struct tm tm;
    char *label = ms_map_label(m);
    if (localtime_r(&t, &tm)) strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    ms_map_id(m, id);
    put_line(f, st,
             ms_asprintf("%s  %s  entries %s  bytes %s  waste %s  load %.2f  %s", clock, id,
                         ms_text_count(m->entries, entries), ms_text_bytes(m->bytes, bytes),
                         ms_text_bytes(m->waste, waste), m->load, label));
    free(label);
}
