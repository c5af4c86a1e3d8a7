/* cmd_profgo.c - the profile of a Go program: what its runtime sampled, joined with its maps.
 *
 *   record (stack, size) <--- sampled object ---lies in---> piece of a map
 *        |                         |                            |
 *   a sample for each map of whose memory it sampled some, with the labels of the map and its share of the map's figures;
 *   one for the rest of the record.  Both together are what Go's own profile has for that record.
 *
 * A map of several sampled pieces has its figures given out by their bytes.  A map of which nothing was sampled, as most of
 * those below half a megabyte, has a sample of its own without values of allocations.
 */
#include "cmd_prof.h"

#include "goruntime/goprofile.h"
#include "model/pieces.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_MOST = 1 << 22, FRAMES_MOST = 1024 };

struct span {
    uint64_t start, end;
    uint32_t map;
};

/* So many sampled objects of a record are memory of a map. */
struct share {
    uint32_t map, record;
    uint64_t objects;
};

struct join {
    struct ms_session *s;
    struct ms_snapshot *snap;
    struct ms_profile *p;
    struct ms_goprofile go;
    struct span *span;
    size_t spans, span_room;
    struct share *share; /* by record and map */
    size_t shares, share_room;
    double *bytes, *given; /* by map: sampled bytes, share given out so far */
    uint32_t mapping;
    uint32_t map; /* whose pieces are told */
};

/* ---- which memory is whose --------------------------------------------------------------------------- */

static bool take_piece(void *ctx, const struct ms_piece *piece) {
    struct join *j = ctx;
    if (!piece->len || piece->len > j->snap->map[j->map].bytes)
        return true; /* of what it was when it was listed, it is none */
    if (j->spans >= PIECES_MOST) return false;
    MS_ROOM(j->span, j->spans, j->span_room);
    j->span[j->spans++] = (struct span){piece->addr, piece->addr + piece->len, j->map};
    return true;
}

static int by_start(const void *a, const void *b) {
    const struct span *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int load_pieces(struct join *j, struct ms_error *err) {
    struct ms_snapshot *snap = j->snap;
    for (j->map = 0; j->map < snap->maps && j->go.sampleds; j->map++) {
        const struct ms_map *m = &snap->map[j->map];
        if (!ms_map_of_go(m)) continue;
        int status = ms_map_pieces(&j->s->process.reader, snap, m, false, take_piece, j, err);
        if (status == MS_GONE) return status; /* of a map that is damaged, or gone, nothing is told */
    }
    if (j->spans) qsort(j->span, j->spans, sizeof *j->span, by_start);
    return MS_OK;
}

/* The piece that lies in an object: an allocation may begin with its type, then the map's array. */
static const struct span *span_of(const struct join *j, uint64_t addr, uint64_t size) {
    size_t low = 0, high = j->spans;
    while (low < high) { /* the first piece behind the object's start */
        size_t mid = low + (high - low) / 2;
        if (j->span[mid].start < addr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < j->spans && j->span[low].start - addr < size) return &j->span[low];
    return low && j->span[low - 1].end > addr ? &j->span[low - 1] : NULL;
}

static int by_record(const void *a, const void *b) {
    const struct share *x = a, *y = b;
    if (x->record != y->record) return x->record < y->record ? -1 : 1;
    return (x->map > y->map) - (x->map < y->map);
}

/* Sampled objects that are memory of maps, those alike as one. */
static void load_shares(struct join *j) {
    size_t n = 0;
    for (size_t i = 0; i < j->go.sampleds; i++) {
        const struct ms_gosampled *o = &j->go.sampled[i];
        uint64_t size = j->go.record[o->record].size;
        const struct span *span = span_of(j, o->addr, size);
        if (!span || span->end - span->start < size / 2) continue; /* none, or a field of something larger */
        MS_ROOM(j->share, j->shares, j->share_room);
        j->share[j->shares++] = (struct share){span->map, o->record, 1};
        j->bytes[span->map] += (double)size;
    }
    if (j->shares) qsort(j->share, j->shares, sizeof *j->share, by_record);
    for (size_t i = 0; i < j->shares; i++)
        if (n && by_record(&j->share[n - 1], &j->share[i]) == 0)
            j->share[n - 1].objects++;
        else
            j->share[n++] = j->share[i];
    j->shares = n;
}

/* ---- stacks ------------------------------------------------------------------------------------------------ */

static uint32_t place_of(struct join *j, uint64_t pc) {
    char name[MS_GO_TEXT], file[MS_GO_TEXT];
    unsigned line;
    bool is_new;
    uint32_t place = ms_profile_place(j->p, pc - 1, &is_new);
    if (!is_new) return place;
    ms_goprofile_symbol(j->s->go, pc, name, file, &line);
    ms_profile_line(j->p, place, *name ? name : "?", file, line);
    if (pc - 1 - j->p->mapping[j->mapping - 1].start <
        j->p->mapping[j->mapping - 1].end - j->p->mapping[j->mapping - 1].start)
        j->p->place[place - 1].mapping = j->mapping;
    return place;
}

static bool of_runtime(const struct ms_profile *p, uint32_t place) {
    const char *name = ms_profile_string(p, p->function[p->line[p->place[place - 1].line].function - 1].name);
    return strncmp(name, "runtime.", 8) == 0 || strncmp(name, "internal/runtime/", 17) == 0;
}

/* As Go's own profile has it: without the allocator's frames, unless there are no others. */
static size_t stack_of(struct join *j, const struct ms_gorecord *r, uint32_t place[FRAMES_MOST]) {
    size_t n = 0, skip = 0;
    for (; n < r->pcs && n < FRAMES_MOST; n++) place[n] = place_of(j, j->go.pc[r->pc + n]);
    while (skip < n && of_runtime(j->p, place[skip])) skip++;
    if (skip == n) skip = 0;
    memmove(place, place + skip, (n - skip) * sizeof *place);
    return n - skip;
}

/* ---- samples ------------------------------------------------------------------------------------------------ */

/* The part of a record that is so many of its sampled objects, of which so many are still counted as in use. */
static void put_map(struct join *j, const struct ms_gorecord *r, const struct share *x, uint64_t allocs,
                    uint64_t in_use, const uint32_t *place, size_t n, int64_t rest[MS_PROF_VALUES]) {
    const struct ms_map *m = &j->snap->map[x->map];
    struct ms_prof_sample *s = ms_profile_sample(j->p, place, n);
    double share = (double)x->objects * (double)r->size / j->bytes[x->map];
    ms_goprofile_scale(j->go.rate, allocs, r->size, &s->value[MS_PROF_ALLOC_OBJECTS],
                       &s->value[MS_PROF_ALLOC_SPACE]);
    ms_goprofile_scale(j->go.rate, in_use, r->size, &s->value[MS_PROF_INUSE_OBJECTS],
                       &s->value[MS_PROF_INUSE_SPACE]);
    for (int i = 0; i <= MS_PROF_INUSE_SPACE; i++) rest[i] -= s->value[i];
    ms_profile_values_of(m, j->given[x->map], share, s->value);
    j->given[x->map] += share;
    ms_profile_labels_of(j->p, m);
    ms_profile_number(j->p, "bytes", (int64_t)ms_min(r->size, INT64_MAX), "bytes");
}

/* All of a record; returns how many of the shares are its. */
static size_t put_record(struct join *j, uint32_t number, const struct share *share, size_t shares) {
    const struct ms_gorecord *r = &j->go.record[number];
    uint32_t place[FRAMES_MOST];
    int64_t rest[MS_PROF_VALUES] = {0};
    uint64_t allocs = r->allocs, in_use = r->allocs > r->frees ? r->allocs - r->frees : 0;
    size_t n = stack_of(j, r, place), used = 0;
    ms_goprofile_scale(j->go.rate, r->allocs, r->size, &rest[MS_PROF_ALLOC_OBJECTS],
                       &rest[MS_PROF_ALLOC_SPACE]);
    ms_goprofile_scale(j->go.rate, in_use, r->size, &rest[MS_PROF_INUSE_OBJECTS], &rest[MS_PROF_INUSE_SPACE]);
    for (; used < shares && share[used].record == number; used++) {
        uint64_t of_allocs = ms_min(share[used].objects, allocs),
                 of_use = ms_min(share[used].objects, in_use);
        put_map(j, r, &share[used], of_allocs, of_use, place, n, rest);
        allocs -= of_allocs, in_use -= of_use;
    }
    bool all = used && !allocs && !in_use; /* then what was rounded away belongs to the last */
    struct ms_prof_sample *s = all ? &j->p->sample[j->p->samples - 1] : ms_profile_sample(j->p, place, n);
    for (int i = 0; i <= MS_PROF_INUSE_SPACE; i++) s->value[i] += rest[i] > 0 ? rest[i] : 0;
    if (!all) ms_profile_number(j->p, "bytes", (int64_t)ms_min(r->size, INT64_MAX), "bytes");
    return used;
}

static void put_all(struct join *j) {
    size_t at = 0;
    for (uint32_t i = 0; i < j->go.records; i++) at += put_record(j, i, j->share + at, j->shares - at);
    for (uint32_t i = 0; i < j->snap->maps; i++)
        if (j->bytes[i] == 0 && ms_map_of_go(&j->snap->map[i])) ms_profile_held(j->p, &j->snap->map[i]);
}

static int load_mapping(struct join *j, struct ms_error *err) {
    struct ms_images images;
    struct ms_prof_mapping m = {.file = ms_profile_text(j->p, j->snap->target.exe)};
    int status = ms_images_load(&j->s->process, &images, err);
    const struct ms_image *program = status == MS_OK ? ms_session_program(j->s, &images) : NULL;
    if (program) m = ms_prof_image(j->s, j->p, program);
    m.functions = m.lines = true;
    j->mapping = ms_profile_mapping(j->p, &m);
    ms_images_free(&images);
    return status;
}

int ms_prof_go(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p, struct ms_error *err) {
    struct join j = {.s = s, .snap = snap, .p = p};
    j.bytes = ms_alloc((snap->maps + 1) * sizeof *j.bytes);
    j.given = ms_alloc((snap->maps + 1) * sizeof *j.given);
    int status = ms_goprofile_read(s->go, &j.go, err);
    if (status == MS_OK) status = load_mapping(&j, err);
    if (status == MS_OK) status = load_pieces(&j, err);
    if (status == MS_OK) load_shares(&j), put_all(&j);
    p->sampled = j.go.off;
    p->period = j.go.off ? 0 : j.go.rate;
    if (!j.go.off && !j.go.rate_known)
        ms_snapshot_note(snap,
                         "nothing tells how often the program samples: once in 512 KiB, the usual, is taken");
    if (j.go.cut) {
        snap->uncertain = true;
        ms_snapshot_note(snap,
                         "the program's list of samples ends in what is none: those behind are not shown");
    }
    ms_goprofile_free(&j.go);
    free(j.span), free(j.share), free(j.bytes), free(j.given);
    return status;
}
