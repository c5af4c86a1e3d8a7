/* waterfall.c - see waterfall.h.  A level is filled step by step from what is left of its total, so it cannot but add up. */
#include "waterfall.h"

static struct ms_level *begin(struct ms_waterfall *w, const char *name, const char *title, const char *source,
                              uint64_t total) {
    struct ms_level *l = &w->level[w->levels++];
    *l = (struct ms_level){.name = name, .title = title, .source = source, .total = total};
    return l;
}

uint64_t ms_level_sum(const struct ms_level *l) {
    uint64_t sum = 0;
    for (size_t i = 0; i < l->steps; i++) sum += l->step[i].bytes;
    return sum;
}

/* As many of the bytes as are left.  Not known: no step. */
static void step(struct ms_level *l, const char *name, const char *title, uint64_t bytes) {
    if (bytes == MS_UNKNOWN || l->steps + 1 >= MS_STEPS_MOST) return;
    uint64_t left = l->total - ms_level_sum(l), given = ms_min(bytes, left);
    l->cut += bytes - given;
    l->step[l->steps++] = (struct ms_step){name, title, given};
}

static void rest(struct ms_level *l, const char *name, const char *title) {
    l->step[l->steps] = (struct ms_step){name, title, l->total - ms_level_sum(l)};
    l->steps++;
}

static uint64_t less(uint64_t a, uint64_t b) { return a == MS_UNKNOWN ? a : a > b ? a - b : 0; }

static void fill_maps(const struct ms_memory_facts *f, struct ms_waterfall *w) {
    struct ms_level *l = begin(w, "maps", "all maps", "the maps themselves", f->map_bytes);
    for (int p = 0; p < MS_PARTS; p++)
        if (f->part[p]) step(l, ms_part_name(p), ms_part_title(p), f->part[p]);
}

static void fill_heap(const struct ms_memory_facts *f, struct ms_waterfall *w) {
    const struct ms_memory_row *heap = &f->row[0];
    struct ms_level *l = begin(w, "heap", "heap, as mapped", "/proc/PID/smaps, Size", heap->size);
    step(l, "maps", "maps", f->map_bytes);
    if (f->go) {
        step(l, "go_in_use", "other objects and slack of Go's heap", less(f->go_in_use, f->map_bytes));
        step(l, "go_free", "free in Go's heap, kept", f->go_free);
        step(l, "go_released", "free, given back or never used", f->go_released);
    }
    rest(l, "other", f->go ? "other: stacks, runtime, C" : "other: allocated elsewhere, or free");
}

static void fill_pages(const struct ms_memory_facts *f, struct ms_waterfall *w) {
    const struct ms_memory_row *heap = &f->row[0];
    struct ms_level *l =
        begin(w, "pages", "heap, where it is", "the same read: Rss, LazyFree, Swap", heap->size);
    uint64_t kept = less(heap->rss, heap->lazyfree);
    step(l, "maps_resident", "in memory: maps",
         f->map_resident == MS_UNKNOWN ? MS_UNKNOWN : ms_min(f->map_resident, kept));
    step(l, "resident", f->map_resident == MS_UNKNOWN ? "in memory" : "in memory: other",
         f->map_resident == MS_UNKNOWN ? kept : less(kept, f->map_resident));
    step(l, "lazyfree", "in memory, but lazily freed", heap->lazyfree);
    step(l, "swapped", "swapped out", heap->swap);
    rest(l, "absent", "not there: untouched or given back");
}

static void fill_process(const struct ms_memory_facts *f, struct ms_waterfall *w) {
    const struct ms_memory_row *all = &f->row[MS_MEMORY_ROWS - 1];
    struct ms_level *l = begin(w, "process", "resident set (RSS)", "the same read, Rss", all->rss);
    for (int i = 0; i + 1 < MS_MEMORY_ROWS; i++)
        if (f->row[i].rss) step(l, f->row[i].name, f->row[i].title, f->row[i].rss);
    if (ms_level_sum(l) != l->total) rest(l, "other", "other");
}

static void fill_cgroup(const struct ms_memory_facts *f, struct ms_waterfall *w) {
    if (!f->cgroup) return;
    const char *source = f->cgroup == 2 ? "memory.current" : "memory.usage_in_bytes";
    struct ms_level *l = begin(w, "cgroup", "control group", source, f->cgroup_current);
    step(l, "process", "this process, its share (PSS)", f->row[MS_MEMORY_ROWS - 1].pss);
    rest(l, "other", "others, page cache, kernel");
    if (f->cgroup_anon == MS_UNKNOWN) return;
    l = begin(w, "cgroup_kinds", "the same by kind", "memory.stat, read after it", f->cgroup_current);
    step(l, "anon", "without a file", f->cgroup_anon);
    step(l, "file", "page cache, shared memory", f->cgroup_file);
    step(l, "kernel", "kernel", f->cgroup_kernel);
    rest(l, "other", "other");
}

void ms_view_waterfall(const struct ms_memory_facts *f, struct ms_waterfall *out) {
    *out = (struct ms_waterfall){.levels = 0};
    fill_maps(f, out);
    fill_heap(f, out);
    fill_pages(f, out);
    fill_process(f, out);
    fill_cgroup(f, out);
}
