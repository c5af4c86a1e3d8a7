/* tableshow.c - one map in full, for people: what it is, where its bytes are, how its table is filled, what
 * comes next, what happened to it.
 *
 * The parts are printed in exact bytes with their sum, and the sum is compared with the allocated bytes in
 * the same line: accounting that does not close would be seen at once.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One line: lead, then `raw`, which is bytes of the target, escaped and cut to the line. */
static void put_named(FILE *f, const struct ms_style *st, const char *lead, const char *raw) {
    char *text = ms_text_escape(raw, st->utf8);
    fputs(lead, f);
    ms_text_cut(f, text, st->width ? st->width - ms_text_width(lead) : 0, st->utf8);
    fputc('\n', f);
    free(text);
}

/* Go's map up to 1.23, or gomap's copy of it: overflow buckets in chains, marks left by deletes. */
static bool is_chained(const struct ms_map *m) {
    return m->kind == MS_KIND_CLASSIC || m->kind == MS_KIND_GO_CLASSIC;
}

static void put_head(FILE *f, const struct ms_style *st, const struct ms_map *m) {
    char id[64], lead[80];
    ms_map_id(m, id);
    snprintf(lead, sizeof lead, "map %s  ", id);
    char *label = ms_map_label(m);
    put_named(f, st, lead, label);
    free(label);
    if (m->type) {
        char *made_from = ms_map_underlying(m);
        char *type = made_from ? ms_asprintf("%s (%s)", m->type->name, made_from) : ms_strdup(m->type->name);
        put_named(f, st, "  type      ", type);
        free(made_from);
        free(type);
        fprintf(f, "            key %u B, value %u B, slot %u B (%u used)\n", m->type->key_size,
                m->type->value_size, m->type->slot_size, m->type->slot_payload);
    }
    if (m->site) put_named(f, st, "  made at   ", m->site);
    if (m->holder) put_named(f, st, "  held by   ", m->holder);
    fprintf(f, "  kind      %s, %s table, header at 0x%" PRIx64 ", certainty %s\n", ms_kind_name(m->kind),
            ms_layout_name(m->layout), m->addr, ms_certainty_name(m->certainty));
    if (m->doubt) fprintf(f, "            %s\n", m->doubt);
    fprintf(f, "  entries   %" PRIu64 " in %" PRIu64 " slots of %" PRIu64 " groups, load %.3f\n", m->entries,
            m->slots, m->groups, m->load);
    if (m->kind == MS_KIND_GO_SYNC)
        fprintf(f, "  overflow  %" PRIu64 " behind others of equal hash\n", m->chained);
    else if (m->kind == MS_KIND_GO_SWISS)
        fprintf(f, "  deleted   %" PRIu64 " slots marked by deletes\n", m->tombstones);
    else if (is_chained(m) && m->tombstones == MS_UNKNOWN)
        fprintf(f, "  overflow  not looked at: the layout of its buckets is not known\n");
    else if (is_chained(m))
        fprintf(f, "  overflow  %" PRIu64 " in chains, %" PRIu64 " slots marked by deletes\n", m->chained,
                m->tombstones);
    else
        fprintf(f, "  overflow  %" PRIu64 " in chains, %" PRIu64 " in the stash\n", m->chained, m->stashed);
}

static void put_retained(FILE *f, const struct ms_detail *d) {
    char human[16];
    if (d->retained_bytes)
        fprintf(f, "  retained %s in %" PRIu64 " objects that only this map leads to, its own included\n",
                ms_text_bytes(d->retained_bytes, human), d->retained_objects);
}

static void put_parts(FILE *f, const struct ms_style *st, const struct ms_map *m) {
    char human[16];
    uint64_t sum = ms_map_sum(m);
    fprintf(f, "\nbytes\n");
    for (int p = 0; p < MS_PARTS; p++) {
        if (m->part[p] == 0) continue;
        double share = sum ? (double)m->part[p] / (double)sum : 0;
        fprintf(f, "  %-24s %14" PRIu64 " %5.1f%% ", ms_part_title(p), m->part[p], 100 * share);
        ms_text_bar(f, st, share, 24);
        fputc('\n', f);
    }
    fprintf(f, "  %-24s %14" PRIu64 " = allocated bytes %s\n", "sum of parts", sum,
            sum == m->bytes ? "exactly" : "NOT: the figures contradict each other");
    fprintf(f, "  waste %s (carries no entry)", ms_text_bytes(m->waste, human));
    fprintf(f, "; a rebuild would free %s\n", ms_text_bytes(m->rebuild_gain, human));
    if (m->reserved) fprintf(f, "  address space reserved %s\n", ms_text_bytes(m->reserved, human));
    if (m->resident != MS_UNKNOWN) {
        fprintf(f, "  resident %s of header, side record and table", ms_text_bytes(m->resident, human));
        fprintf(f, "; swapped %s; lazily freed n/a\n", ms_text_bytes(m->swapped, human));
    }
}

static void put_histogram(FILE *f, const struct ms_style *st, const char *unit, const uint64_t *count,
                          size_t n, bool last_is_more) {
    uint64_t most = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (count[i] > most) most = count[i];
        sum += count[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (count[i] == 0) continue;
        fprintf(f, "  %2zu%s %s %12" PRIu64 " %5.1f%% ", i, last_is_more && i == n - 1 ? "+" : " ", unit,
                count[i], 100.0 * (double)count[i] / (double)sum);
        ms_text_bar(f, st, (double)count[i] / (double)most, 24);
        fputc('\n', f);
    }
}

static void put_histograms(FILE *f, const struct ms_style *st, const struct ms_detail *d) {
    fprintf(f, "\ngroups by live slots%s\n", d->two_arrays ? " (both arrays of the walk)" : "");
    put_histogram(f, st, "slots  ", d->occupancy, 17, false);
    bool classic = is_chained(&d->map), chains = d->map.kind != MS_KIND_GO_SWISS && d->map.kind != MS_KIND_GO_SYNC;
    if (chains) {
        fprintf(f, "%s by entries in their chain\n", classic ? "groups" : "quads");
        put_histogram(f, st, "entries", d->chain, MS_CHAIN_BUCKETS, true);
    }
    if (!chains)
        ; /* a Swiss map has none */
    else if (classic)
        fprintf(f, "  %" PRIu64 " groups with overflow buckets\n", d->overflowed_groups);
    else
        fprintf(f, "  %" PRIu64 " groups with an overflow mark, %" PRIu64 " quads with entries in the stash\n",
                d->overflowed_groups, d->stash_quads);
    if (!d->histograms_complete)
        fprintf(f, "  incomplete: the table changed too fast, or its chains are damaged\n");
    if (d->error_bound)
        fprintf(f, "  error bound: %" PRIu64 " entries came, went or moved while it was read\n",
                d->error_bound);
}

static void put_growth(FILE *f, const struct ms_map *m) {
    char a[16], b[16];
    fprintf(f, "\ngrowth\n");
    if (m->walk == MS_WALK_NONE)
        fprintf(f, "  now       none\n");
    else
        fprintf(f, "  now       %s, %" PRIu64 " of %" PRIu64 " %s (%.1f%%)\n",
                m->walk == MS_WALK_GROW ? "growing" : "shrinking", m->walk_done, m->walk_total,
                is_chained(m) ? "old groups evacuated" : "quads done",
                m->walk_total ? 100.0 * (double)m->walk_done / (double)m->walk_total : 0.0);
    if (m->grow_at == MS_UNKNOWN) {
        fprintf(f, "  next      not known\n");
        return;
    }
    fprintf(f, "  next      at %" PRIu64 " entries (%" PRIu64 " more)", m->grow_at,
            m->grow_at > m->entries ? m->grow_at - m->entries : 0);
    if (m->grow_groups) fprintf(f, ", to %" PRIu64 " groups", m->grow_groups);
    if (m->grow_bytes != MS_UNKNOWN)
        fprintf(f, "\n            table then %s, at most %s on the way", ms_text_bytes(m->grow_bytes, a),
                ms_text_bytes(m->grow_peak, b));
    fputc('\n', f);
}

static void put_counters(FILE *f, const struct ms_detail *d) {
    fprintf(f, "\ncounters\n ");
    int column = 1;
    for (size_t i = 0; i < d->counters; i++) {
        int need = snprintf(NULL, 0, " %s %" PRIu64, d->counter[i].name, d->counter[i].value);
        if (column + need > 78) fprintf(f, "\n "), column = 1;
        column += fprintf(f, " %s %" PRIu64, d->counter[i].name, d->counter[i].value);
    }
    fprintf(f, "%s\n", d->counters ? "" : " none: the map has no side record yet");
}

static const char *short_time(uint64_t ns, char buf[32]) {
    const char *unit = ns < 1000000 ? "us" : ns < 1000000000 ? "ms" : "s";
    double n = (double)ns / (ns < 1000000 ? 1e3 : ns < 1000000000 ? 1e6 : 1e9);
    snprintf(buf, 32, "%.*f%s", n < 10 ? 2 : n < 100 ? 1 : 0, n, unit);
    return buf;
}

/* Of a map that grew often, growths would hide all else. */
enum { SLOW_SHOWN = 3 };

static void put_times(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d) {
    char a[32], b[32], c[32];
    uint64_t wall = d->map.copy < s->copies ? s->copy[d->map.copy].wall_minus_mono_ns : 0, counted = 0;
    unsigned shown[MS_TIMES] = {0};
    for (unsigned i = 0; i < MS_TIMES; i++) counted += d->time[i].count;
    if (!counted) return;
    fprintf(f, "\ndurations (all maps of the process)       half within  99%% within     longest\n");
    for (unsigned i = 0; i < MS_TIMES; i++)
        if (d->time[i].count)
            fprintf(f, "  %-6s %20" PRIu64 " times %14s %11s %11s\n", ms_time_name(i), d->time[i].count,
                    short_time(d->time[i].half, a), short_time(d->time[i].most_of, b), short_time(d->time[i].longest, c));
    for (size_t i = 0; i < d->slow_count; i++)
        if (shown[d->slow[i].what]++ < SLOW_SHOWN)
            fprintf(f, "  %s  %-6s %8s at %" PRIu64 " entries\n", ms_text_wall(d->slow[i].time_ns + wall, a),
                ms_time_name(d->slow[i].what), short_time(d->slow[i].ns, b), d->slow[i].entries);
}

static void put_history(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d) {
    put_counters(f, d);
    put_times(f, s, d);
    fprintf(f, "\nevents (flight recorder, oldest first, UTC)\n");
    size_t from = d->events > 32 ? d->events - 32 : 0;
    if (from) fprintf(f, "  %zu older ones: -o json shows all\n", from);
    for (size_t i = from; i < d->events; i++) {
        const struct ms_event *e = &d->event[i];
        char when[32];
        uint64_t wall = e->copy < s->copies ? s->copy[e->copy].wall_minus_mono_ns : 0;
        fprintf(f, "  %s  %-12s", ms_text_wall(e->time_ns + wall, when), ms_event_name(e->kind));
        if (strncmp(ms_event_name(e->kind), "grow_", 5) == 0 ||
            strncmp(ms_event_name(e->kind), "shrink_", 7) == 0)
            fprintf(f, " groups %" PRIu64 " -> %" PRIu64, e->a, e->b);
        else if (strcmp(ms_event_name(e->kind), "madvise") == 0 || strcmp(ms_event_name(e->kind), "retire") == 0)
            fprintf(f, " %" PRIu64 " bytes at 0x%" PRIx64, e->b, e->a);
        else if (strcmp(ms_event_name(e->kind), "free") == 0)
            fprintf(f, " %" PRIu64 " entries", e->a);
        else if (e->a || e->b)
            fprintf(f, " %" PRIu64 " %" PRIu64, e->a, e->b);
        fputc('\n', f);
    }
    if (d->events == 0) fprintf(f, "  none of this map in the last events of the process\n");
}

void ms_table_show(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                   const struct ms_detail *d) {
    put_head(f, st, &d->map);
    put_parts(f, st, &d->map);
    put_retained(f, d);
    if (!d->figures_only) put_histograms(f, st, d);
    put_growth(f, &d->map);
    if (d->figures_only) return;
    if (!ms_map_of_go(&d->map))
        put_history(f, s, d);
    else if (d->counters)
        put_counters(f, d);
}
