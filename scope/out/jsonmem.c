/* jsonmem.c - the document of `mem`, schema mapscope/1. */
#include "out.h"

static void put_level(struct ms_json *j, const struct ms_level *l) {
    ms_json_object(j, NULL);
    ms_json_text(j, "name", l->name);
    ms_json_text(j, "source", l->source);
    ms_json_number(j, "total_bytes", l->total);
    ms_json_array(j, "steps");
    for (size_t i = 0; i < l->steps; i++) {
        ms_json_object(j, NULL);
        ms_json_text(j, "name", l->step[i].name);
        ms_json_number(j, "bytes", l->step[i].bytes);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
    ms_json_number(j, "cut_bytes", l->cut);
    ms_json_close(j, '}');
}

static void put_row(struct ms_json *j, const struct ms_memory_row *r) {
    ms_json_object(j, NULL);
    ms_json_text(j, "name", r->name);
    ms_json_number(j, "mappings", r->mappings);
    ms_json_number(j, "size_bytes", r->size);
    ms_json_number(j, "rss_bytes", r->rss);
    ms_json_number(j, "pss_bytes", r->pss);
    ms_json_number(j, "swap_bytes", r->swap);
    ms_json_number(j, "lazyfree_bytes", r->lazyfree);
    ms_json_number(j, "huge_bytes", r->huge);
    ms_json_close(j, '}');
}

static void put_go(struct ms_json *j, const struct ms_memory_facts *f) {
    if (!f->go) {
        ms_json_text(j, "go_heap", NULL);
        return;
    }
    ms_json_object(j, "go_heap");
    ms_json_known(j, "in_use_bytes", f->go_in_use);
    ms_json_known(j, "free_bytes", f->go_free);
    ms_json_known(j, "released_bytes", f->go_released);
    ms_json_close(j, '}');
}

static void put_cgroup(struct ms_json *j, const struct ms_mem_report *r) {
    ms_json_object(j, "cgroup");
    ms_json_known(j, "version", r->facts->cgroup ? (uint64_t)r->facts->cgroup : MS_UNKNOWN);
    ms_json_text(j, "path", r->cgroup_path);
    ms_json_text(j, "why", r->cgroup_why);
    ms_json_known(j, "current_bytes", r->facts->cgroup_current);
    ms_json_known(j, "limit_bytes", r->facts->cgroup_limit);
    ms_json_text(j, "limited_by", r->cgroup_limited_by);
    ms_json_known(j, "swap_bytes", r->facts->cgroup_swap);
    ms_json_close(j, '}');
}

static void put_madvise(struct ms_json *j, const struct ms_madvise *m) {
    ms_json_object(j, "madvise");
    ms_json_number(j, "maps", m->maps);
    ms_json_number(j, "calls", m->calls);
    ms_json_number(j, "bytes", m->bytes);
    ms_json_number(j, "events", m->events);
    ms_json_number(j, "event_bytes", m->event_bytes);
    ms_json_number(j, "covered_bytes", m->covered);
    ms_json_known(j, "resident_bytes", m->resident);
    ms_json_known(j, "swapped_bytes", m->swapped);
    ms_json_close(j, '}');
}

static void put_runs(struct ms_json *j, const struct ms_mem_report *r) {
    ms_json_array(j, "runs");
    for (size_t i = 0; r->map && i < r->runs; i++) {
        const struct ms_piece_memory *p = &r->run[i];
        if (!p->pieces || !p->bytes) continue;
        ms_json_object(j, NULL);
        ms_json_text(j, "name", p->name);
        ms_json_number(j, "bytes", p->bytes);
        ms_json_known(j, "resident_bytes", p->resident);
        ms_json_known(j, "swapped_bytes", p->swapped);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

void ms_json_mem(FILE *f, const struct ms_snapshot *s, const struct ms_mem_report *r) {
    struct ms_json j;
    ms_json_head(&j, f, "mem");
    ms_json_target(&j, "target", s);
    ms_json_array(&j, "levels");
    for (size_t i = 0; i < r->fall->levels; i++) put_level(&j, &r->fall->level[i]);
    ms_json_close(&j, ']');
    ms_json_array(&j, "memory");
    for (int i = 0; i < MS_MEMORY_ROWS; i++) put_row(&j, &r->facts->row[i]);
    ms_json_close(&j, ']');
    put_go(&j, r->facts);
    put_cgroup(&j, r);
    put_madvise(&j, &r->madvise);
    ms_json_array(&j, "maps");
    if (r->map) ms_json_map(&j, r->map);
    ms_json_close(&j, ']');
    put_runs(&j, r);
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
