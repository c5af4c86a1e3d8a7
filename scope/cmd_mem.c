/* cmd_mem.c - `mapscope mem TARGET [MAP]`: the memory of a process from its maps up to its control group; of one map, where
 * it lies and what of it is in memory.
 *
 *   snapshot of all maps -> smaps, in one read -> the runtime's counters -> the control group -> what gomap handed back
 *
 * These are read one after the other; the level of each is closed in itself (view/waterfall.h).  Pages are looked up only
 * with --resident: pagemap holds the target's mmap lock while it is read, 2 MiB of address space at a time.
 */
#include "cmd.h"

#include "goruntime/gomemstats.h"
#include "model/pieces.h"
#include "reader/cgroup.h"
#include "reader/footprint.h"

#include <stdlib.h>
#include <string.h>

struct memory {
    struct ms_cmd *cmd;
    struct ms_session *s;
    struct ms_snapshot *snap;
    const struct ms_map *map; /* NULL: all */
    struct ms_footprint footprint;
    struct ms_cgroup cgroup;
    struct ms_memory_facts facts;
    struct ms_mem_report report;
    struct ms_piece_memory run[MS_PIECE_KINDS];
    bool gone; /* the target ended while pages were looked up */
};

/* ---- the process ------------------------------------------------------------------------------- */

static struct ms_memory_row row_of(const char *name, const char *title, const struct ms_memory *m) {
    return (struct ms_memory_row){name,   title,   m->mappings, m->size, m->rss,
                                  m->pss, m->swap, m->lazyfree, m->huge};
}

static int read_process(struct memory *w, struct ms_error *err) {
    static const char *const name[MS_MEMORY_CLASSES][2] = {
        [MS_MEMORY_HEAP] = {"heap", "heap"},           [MS_MEMORY_STACK] = {"stack", "first stack"},
        [MS_MEMORY_FILE] = {"file", "files"},          [MS_MEMORY_SHARED] = {"shared", "shared"},
        [MS_MEMORY_SPECIAL] = {"special", "kernel's"}, [MS_MEMORY_RESERVED] = {"reserved", "reserved"}};
    int status = ms_footprint_load(&w->s->process, &w->footprint, err);
    if (status) return status;
    _Static_assert(MS_MEMORY_CLASSES + 1 == MS_MEMORY_ROWS, "a row for each, and their sum");
    for (int i = 0; i < MS_MEMORY_CLASSES; i++)
        w->facts.row[i] = row_of(name[i][0], name[i][1], &w->footprint.of[i]);
    w->facts.row[MS_MEMORY_CLASSES] = row_of("all", "all", &w->footprint.all);
    return MS_OK;
}

static void read_go(struct memory *w) {
    struct ms_gomemstats m;
    w->facts.go_in_use = w->facts.go_free = w->facts.go_released = MS_UNKNOWN;
    if (!w->s->go) return;
    ms_gomemstats_read(w->s->go, &m);
    w->facts.go = true;
    w->facts.go_in_use = m.in_use;
    if (m.known) w->facts.go_free = m.free, w->facts.go_released = m.released;
}

static void read_cgroup(struct memory *w) {
    ms_cgroup_load(&w->s->process, &w->cgroup);
    w->facts.cgroup = w->cgroup.version;
    w->facts.cgroup_current = w->cgroup.current;
    w->facts.cgroup_limit = w->cgroup.limit;
    w->facts.cgroup_swap = w->cgroup.swap;
    w->facts.cgroup_anon = w->cgroup.anon;
    w->facts.cgroup_file = w->cgroup.file;
    w->facts.cgroup_kernel = w->cgroup.kernel;
    w->report.cgroup_path = w->cgroup.path;
    w->report.cgroup_why = w->cgroup.why;
    w->report.cgroup_limited_by = w->cgroup.limited_by;
}

static void add_maps(struct memory *w) {
    struct ms_totals t;
    ms_view_totals(w->snap->map, w->snap->maps, &t);
    w->facts.map_bytes = t.bytes;
    memcpy(w->facts.part, t.part, sizeof w->facts.part);
    w->facts.map_resident = w->facts.map_swapped = MS_UNKNOWN;
    if (!w->cmd->resident) return;
    w->facts.map_resident = w->facts.map_swapped = 0;
    for (size_t i = 0; i < w->snap->maps; i++) {
        if (w->snap->map[i].resident == MS_UNKNOWN) continue;
        w->facts.map_resident = ms_add(w->facts.map_resident, w->snap->map[i].resident);
        w->facts.map_swapped = ms_add(w->facts.map_swapped, w->snap->map[i].swapped);
    }
}

/* ---- pages ------------------------------------------------------------------------------------- */

/* Of a run of memory; left alone where it cannot be told. */
static void look_up(struct memory *w, uint64_t addr, uint64_t bytes, uint64_t *resident, uint64_t *swapped) {
    struct ms_reader *r = &w->s->process.reader;
    uint64_t in, away;
    if (!w->cmd->resident || !r->resident || *resident == MS_UNKNOWN) return;
    enum ms_read rc = r->resident(r->ctx, addr, bytes, &in, &away);
    w->gone = w->gone || rc == MS_READ_GONE;
    if (rc != MS_READ_OK) in = away = MS_UNKNOWN;
    *resident = in == MS_UNKNOWN ? in : ms_add(*resident, in);
    *swapped = away == MS_UNKNOWN ? away : ms_add(*swapped, away);
}

static bool take_run(void *ctx, const struct ms_piece *p) {
    struct memory *w = ctx;
    struct ms_piece_memory *run = &w->run[p->kind];
    run->pieces++;
    run->bytes = ms_add(run->bytes, p->len);
    look_up(w, p->addr, p->len, &run->resident, &run->swapped);
    return !w->gone;
}

/* What a range has beside the areas of the table. */
static void take_away(struct ms_piece_memory *from, const struct ms_piece_memory *run) {
    from->bytes -= ms_min(from->bytes, run->bytes);
    if (from->resident == MS_UNKNOWN || run->resident == MS_UNKNOWN) return;
    from->resident -= ms_min(from->resident, run->resident);
    from->swapped -= ms_min(from->swapped, run->swapped);
}

static int read_map(struct memory *w, struct ms_error *err) {
    static const enum ms_piece_kind table[] = {MS_PIECE_METADATA, MS_PIECE_LINKS, MS_PIECE_SLOTS,
                                               MS_PIECE_GROUPS, MS_PIECE_POOL};
    uint64_t unknown = w->cmd->resident && w->s->process.reader.resident ? 0 : MS_UNKNOWN;
    for (int k = 0; k < MS_PIECE_KINDS; k++)
        w->run[k] = (struct ms_piece_memory){
            .name = ms_piece_name(k), .title = ms_piece_title(k), .resident = unknown, .swapped = unknown};
    if (!w->map) return MS_OK;
    int status = ms_map_pieces(&w->s->process.reader, w->snap, w->map, false, take_run, w, err);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (w->run[MS_PIECE_SPARE].pieces) take_away(&w->run[MS_PIECE_SPARE], &w->run[table[i]]);
        if (w->run[MS_PIECE_RESERVED].pieces) take_away(&w->run[MS_PIECE_RESERVED], &w->run[table[i]]);
    }
    return status;
}

/* ---- what gomap handed back -------------------------------------------------------------------- */

struct span {
    uint64_t addr, end;
};

static int by_addr(const void *a, const void *b) {
    const struct span *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* Address space that is in several events counts once, as it is now. */
static void look_up_spans(struct memory *w, struct span *span, size_t n) {
    struct ms_madvise *m = &w->report.madvise;
    if (n) qsort(span, n, sizeof *span, by_addr);
    for (size_t i = 0, k; i < n; i = k) {
        uint64_t end = span[i].end;
        for (k = i + 1; k < n && span[k].addr <= end; k++) end = end > span[k].end ? end : span[k].end;
        m->covered = ms_add(m->covered, end - span[i].addr);
        look_up(w, span[i].addr, end - span[i].addr, &m->resident, &m->swapped);
    }
}

static bool is_wanted(const struct memory *w, const struct ms_map *m) {
    return m->kind == MS_KIND_GOMAP && (!w->map || w->map == m);
}

/* By the counters of maps that have a range: others hand nothing back. */
static int count_calls(struct memory *w, struct ms_error *err) {
    for (size_t i = 0; i < w->snap->maps; i++) {
        struct ms_detail d;
        uint64_t calls = 0, bytes = 0;
        const struct ms_map *map = &w->snap->map[i];
        if (!is_wanted(w, map) || map->layout < MS_LAYOUT_BLOCK) continue;
        int status = ms_map_detail_head(&w->s->process.reader, map, &d, err);
        for (size_t k = 0; status == MS_OK && k < d.counters; k++) {
            if (strcmp(d.counter[k].name, "madvise_calls") == 0) calls = d.counter[k].value;
            if (strcmp(d.counter[k].name, "madvise_bytes") == 0) bytes = d.counter[k].value;
        }
        if (status == MS_OK) ms_detail_free(&d);
        if (status == MS_GONE && ms_process_check(&w->s->process, err)) return MS_GONE;
        err->line[0] = 0; /* a map that was freed meanwhile */
        w->report.madvise.maps += calls != 0;
        w->report.madvise.calls += calls;
        w->report.madvise.bytes = ms_add(w->report.madvise.bytes, bytes);
    }
    return MS_OK;
}

/* The range of the map that the event is about still has that memory. */
static bool is_alive(const struct memory *w, const struct ms_event *e) {
    for (size_t i = 0; i < w->snap->maps; i++)
        if (w->snap->map[i].id == e->map_id && w->snap->map[i].copy == e->copy &&
            is_wanted(w, &w->snap->map[i]))
            return w->snap->map[i].layout == MS_LAYOUT_RANGE;
    return false;
}

static int read_madvise(struct memory *w, struct ms_error *err) {
    struct ms_madvise *m = &w->report.madvise;
    struct span *span = NULL;
    size_t spans = 0, room = 0;
    int status = count_calls(w, err);
    m->resident = m->swapped = w->cmd->resident && w->s->process.reader.resident ? 0 : MS_UNKNOWN;
    for (uint32_t copy = 0; copy < w->snap->copies && status == MS_OK; copy++) {
        struct ms_event *event = NULL;
        size_t n = 0;
        status = ms_gomap_ring(&w->s->process.reader, &w->snap->copy[copy], copy, 0, &event, &n, err);
        for (size_t i = 0; i < n; i++) {
            if (!ms_event_madvise(&event[i]) || !is_alive(w, &event[i]) ||
                event[i].a + event[i].b < event[i].a)
                continue;
            MS_ROOM(span, spans, room);
            span[spans++] = (struct span){event[i].a, event[i].a + event[i].b};
            m->events++;
            m->event_bytes = ms_add(m->event_bytes, event[i].b);
        }
        free(event);
    }
    look_up_spans(w, span, spans);
    free(span);
    return status;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static int read_all(struct memory *w, struct ms_error *err) {
    int status = w->cmd->map ? ms_view_find(w->snap, w->cmd->map, &w->map, err) : MS_OK;
    if (status == MS_OK) status = read_process(w, err);
    if (status) return status;
    add_maps(w);
    read_go(w);
    read_cgroup(w);
    status = read_map(w, err);
    if (status == MS_OK) status = read_madvise(w, err);
    if (w->gone) status = ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
    return status;
}

static void put(struct memory *w) {
    struct ms_waterfall fall;
    ms_view_waterfall(&w->facts, &fall);
    w->report.fall = &fall;
    w->report.facts = &w->facts;
    w->report.map = w->map;
    w->report.run = w->run;
    w->report.runs = MS_PIECE_KINDS;
    w->cmd->documented = w->cmd->json;
    if (w->cmd->json) {
        ms_json_mem(w->cmd->out, w->snap, &w->report);
    } else {
        ms_table_target(w->cmd->out, &w->cmd->style, w->snap);
        ms_table_mem(w->cmd->out, &w->cmd->style, w->snap, &w->report);
    }
}

int ms_cmd_mem(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct memory w = {.cmd = cmd, .s = &s, .snap = &snap};
    ms_snapshot_init(&snap);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK && s.rec) status = ms_rec_lacks(s.rec, "the memory of the process", NULL, err);
    if (status == MS_OK && s.process.core)
        status =
            ms_fail(err, MS_USAGE, "mem: a core file does not tell what was in memory: it is for processes");
    if (status == MS_OK) status = ms_session_look(cmd, &s, cmd->resident, &snap, err);
    if (status == MS_OK) status = read_all(&w, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (status == MS_OK || status == MS_GONE) {
        struct ms_error why = *err;
        if (s.process.mem_fd >= 0 && ms_process_check(&s.process, &why)) status = MS_GONE, *err = why;
    }
    if (status == MS_OK) {
        put(&w);
        status = ms_session_verdict(cmd, &snap, err);
    }
    ms_cgroup_free(&w.cgroup);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
