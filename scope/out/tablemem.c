/* tablemem.c - the memory of a process for people: levels of bars, each with its sum; then how the kernel counts it.
 *
 *   heap, as mapped                                        /proc/PID/smaps, Size
 *     maps                                    273042432   65.1% ████████████▍
 *     other: allocated elsewhere, or free     146341888   34.9% ██████▋
 *     sum                                     419384320
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TITLE = 36, BAR = 20 };

/* bytes of the target, safe and cut to the line. */
static void put_text(FILE *f, const struct ms_style *st, int used, const char *raw) {
    char *text = ms_text_escape(raw, st->utf8);
    ms_text_cut(f, text, st->width ? st->width - used : 0, st->utf8);
    free(text);
}

static void put_level(FILE *f, const struct ms_style *st, const struct ms_level *l) {
    fprintf(f, "\n%-*s  (%s)\n", TITLE, l->title, l->source);
    for (size_t i = 0; i < l->steps; i++) {
        double share = l->total ? (double)l->step[i].bytes / (double)l->total : 0;
        fprintf(f, "  %-*s%14" PRIu64 " %5.1f%% ", TITLE - 2, l->step[i].title, l->step[i].bytes,
                100 * share);
        ms_text_bar(f, st, share, BAR);
        fputc('\n', f);
    }
    fprintf(f, "  %-*s%14" PRIu64 "\n", TITLE - 2, ms_level_sum(l) == l->total ? "sum" : "NOT the sum",
            l->total);
    char human[16];
    if (l->cut)
        fprintf(f, "  %s more were claimed than there is: the figures are of different moments\n",
                ms_text_bytes(l->cut, human));
}

static void put_rows(FILE *f, const struct ms_memory_facts *facts) {
    char b[7][16];
    fprintf(f, "\n%-14s%9s%9s%9s%9s%14s%12s\n", "mappings", "size", "RSS", "PSS", "swap", "lazily freed",
            "huge pages");
    for (int i = 0; i < MS_MEMORY_ROWS; i++) {
        const struct ms_memory_row *r = &facts->row[i];
        if (!r->mappings) continue;
        fprintf(f, "  %-12s%9s%9s%9s%9s%14s%12s\n", r->title, ms_text_bytes(r->size, b[0]),
                ms_text_bytes(r->rss, b[1]), ms_text_bytes(r->pss, b[2]), ms_text_bytes(r->swap, b[3]),
                ms_text_bytes(r->lazyfree, b[4]), ms_text_bytes(r->huge, b[5]));
    }
}

static void put_lazy(FILE *f, const struct ms_memory_facts *facts) {
    const struct ms_memory_row *all = &facts->row[MS_MEMORY_ROWS - 1];
    char a[16], b[16];
    if (!all->lazyfree) return;
    fprintf(
        f, "\nMADV_FREE hides %s: given back, but counted until the kernel takes it; RSS\nwithout it is %s\n",
        ms_text_bytes(all->lazyfree, a),
        ms_text_bytes(all->rss > all->lazyfree ? all->rss - all->lazyfree : 0, b));
}

static void put_cgroup(FILE *f, const struct ms_style *st, const struct ms_mem_report *r) {
    char a[16], b[16];
    if (!r->facts->cgroup) {
        fprintf(f, "\ncontrol group  none to be seen: %s\n", r->cgroup_why);
        return;
    }
    fprintf(f, "\ncontrol group  version %d, ", r->facts->cgroup);
    put_text(f, st, 26, r->cgroup_path);
    if (r->facts->cgroup_limit == MS_UNKNOWN) {
        fputs("\n               no limit\n", f);
        return;
    }
    double share =
        r->facts->cgroup_limit ? (double)r->facts->cgroup_current / (double)r->facts->cgroup_limit : 1;
    fprintf(f, "\n               %s of %s, %.1f%%, limited by ", ms_text_bytes(r->facts->cgroup_current, a),
            ms_text_bytes(r->facts->cgroup_limit, b), 100 * share);
    put_text(f, st, 52, r->cgroup_limited_by);
    fputc('\n', f);
}

static void put_madvise(FILE *f, const struct ms_madvise *m, const char *whose) {
    char a[16], b[16];
    if (!m->calls) return;
    fprintf(f, "\nhanded back by gomap  %s in %" PRIu64 " madvise call%s of %s", ms_text_bytes(m->bytes, a),
            m->calls, m->calls == 1 ? "" : "s", whose);
    fputc('\n', f);
    if (!m->events) return; /* long ago, or the range is no more */
    fprintf(f, "  the last %" PRIu64 " about %s of address space", m->events, ms_text_bytes(m->covered, a));
    if (m->resident == MS_UNKNOWN)
        fprintf(f, ": --resident tells what of it is in memory\n");
    else
        fprintf(f, ", of which %s is in memory again\n", ms_text_bytes(m->resident, b));
}

static void put_map(FILE *f, const struct ms_style *st, const struct ms_mem_report *r) {
    char id[64], a[16], b[16];
    char *label = ms_map_label(r->map);
    ms_map_id(r->map, id);
    int used = fprintf(f, "map %s  ", id);
    put_text(f, st, used, label);
    free(label);
    fprintf(f, "\n\n%-*s%14s%12s%12s\n", TITLE, "where it lies", "bytes", "in memory", "swapped");
    for (size_t i = 0; i < r->runs; i++) {
        const struct ms_piece_memory *p = &r->run[i];
        if (!p->pieces || !p->bytes) continue;
        bool known = p->resident != MS_UNKNOWN;
        fprintf(f, "  %-*s%14" PRIu64 "%12s%12s\n", TITLE - 2, p->title, p->bytes,
                known ? ms_text_bytes(p->resident, a) : "-", known ? ms_text_bytes(p->swapped, b) : "-");
    }
    uint64_t far = r->map->part[MS_PART_CELLS] + r->map->part[MS_PART_STRINGS] +
                   r->map->part[MS_PART_OVERFLOW] + r->map->part[MS_PART_SLACK];
    if (far)
        fprintf(f, "  %-*s%14" PRIu64 "%12s%12s\n", TITLE - 2, "cells, strings, nodes, their slack", far, "-",
                "-");
}

void ms_table_mem(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                  const struct ms_mem_report *r) {
    (void)s;
    if (r->map) {
        put_map(f, st, r);
        put_madvise(f, &r->madvise, "this map");
        return;
    }
    for (size_t i = 0; i < r->fall->levels; i++) {
        if (strcmp(r->fall->level[i].name, "cgroup") == 0) put_cgroup(f, st, r);
        put_level(f, st, &r->fall->level[i]);
    }
    if (!r->facts->cgroup) put_cgroup(f, st, r);
    put_rows(f, r->facts);
    put_lazy(f, r->facts);
    put_madvise(f, &r->madvise, "maps that live");
}
