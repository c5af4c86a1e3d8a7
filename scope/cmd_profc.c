/* cmd_profc.c - the profile of a C program: what the libraries in it sampled, joined with its maps.
 *
 *   piece (bytes, weight) --of--> map of the snapshot         a sample for all pieces of a map from one bucket, with the
 *         '--- bucket (stack, labels, type)                   map's labels and its share of the map's figures
 *                 '--- what was taken and is gone             a sample without them
 *
 * A map of which nothing was sampled has a sample of its own, without values of allocations.  Frames of the library that are
 * hidden from the program (gomap__...), and what they call, are left out.
 */
#include "cmd_prof.h"

#include "confine.h"
#include "elf/cframes.h"
#include "elf/elfscan.h"
#include "model/samples.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES_MOST = 64, FRAMES_MOST = 64, LABELS_MOST = 32 };

/* ---- names of addresses -------------------------------------------------------------------------------- */

struct naming {
    struct ms_profile *p;
    const uint32_t *place; /* of each address */
};

static void take_frame(void *ctx, size_t address, const char *function, const char *file, unsigned line) {
    const struct naming *n = ctx;
    ms_profile_line(n->p, n->place[address], *function ? function : "?", file, line);
}

/* Places [from, to) lie in one image. */
static void name_image(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p,
                       const struct ms_image *im, const uint32_t *place, size_t n) {
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
    struct ms_prof_mapping m = ms_prof_image(s, p, im);
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    uint64_t *addr = ms_alloc(n * sizeof *addr);
    struct naming naming = {p, place};
    struct ms_table table = {0};
    struct ms_error why = {""};
    size_t lines = p->lines;
    int fd = ms_elf_open(elf, memory, im->start) == MS_ELF_OK ? ms_image_open(&s->process, im) : -1;
    for (size_t i = 0; i < n; i++) addr[i] = p->place[place[i] - 1].addr - elf->bias;
    const struct ms_caddresses wanted = {addr, n};
    if (fd >= 0 && ms_confine_run(ms_cframes, &wanted, fd, &ms_confine_usual, &table, &why) != MS_OK)
        ms_snapshot_note(snap,
                         "the process that reads debug information of %s %s: its functions have no names",
                         im->path, why.line);
    if (table.bytes) ms_cframes_take(table.bytes, table.len, n, take_frame, &naming, &m.lines);
    m.functions = p->lines > lines;
    uint32_t mapping = ms_profile_mapping(p, &m);
    for (size_t i = 0; i < n; i++) p->place[place[i] - 1].mapping = mapping;
    ms_table_free(&table);
    if (fd >= 0) close(fd);
    free(addr);
    free(elf);
}

/* "[libc.so.6]": what nothing else names. */
static void name_by_image(struct ms_profile *p, uint32_t place) {
    uint32_t mapping = p->place[place - 1].mapping;
    const char *file = mapping ? ms_profile_string(p, p->mapping[mapping - 1].file) : "",
               *slash = strrchr(file, '/');
    char *name = ms_asprintf("[%s]", *file ? (slash ? slash + 1 : file) : "?");
    ms_profile_line(p, place, name, "", 0);
    free(name);
}

struct by_addr {
    uint64_t addr;
    uint32_t place;
};

static int by_address(const void *a, const void *b) {
    const struct by_addr *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

int ms_prof_symbols(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p,
                    struct ms_error *err) {
    struct ms_images images;
    size_t n = 0, at = 0, looked = 0;
    struct by_addr *sorted = ms_alloc((p->places + 1) * sizeof *sorted);
    uint32_t *place = ms_alloc((p->places + 1) * sizeof *place);
    for (size_t i = 0; i < p->places; i++)
        if (!p->place[i].lines) sorted[n++] = (struct by_addr){p->place[i].addr, (uint32_t)i + 1};
    if (n) qsort(sorted, n, sizeof *sorted, by_address);
    for (size_t i = 0; i < n; i++) place[i] = sorted[i].place;
    int status = ms_images_load(&s->process, &images, err);
    for (size_t i = 0; status == MS_OK && i < images.count && looked < IMAGES_MOST;
         i++) { /* by address, as the places are */
        const struct ms_image *im = &images.image[i];
        while (at < n && sorted[at].addr < im->start) at++;
        size_t from = at;
        while (at < n && sorted[at].addr < im->end) at++;
        if (at > from) name_image(s, snap, p, im, place + from, at - from), looked++;
    }
    ms_images_free(&images);
    for (size_t i = 0; i < n; i++)
        if (!p->place[place[i] - 1].lines) name_by_image(p, place[i]);
    free(sorted);
    free(place);
    return status;
}

/* ---- stacks ----------------------------------------------------------------------------------------------- */

struct join {
    struct ms_snapshot *snap;
    struct ms_profile *p;
    struct ms_samples *in;
    uint32_t *place;       /* of each address of in->pc */
    size_t *by_id;         /* maps of the snapshot by copy and id */
    double *bytes, *given; /* by map: sampled bytes, share given out so far */
    double (*left)[2];     /* by bucket: what was taken, less what maps hold */
};

static bool of_library(const struct ms_profile *p, uint32_t place) {
    const struct ms_prof_place *at = &p->place[place - 1];
    for (uint32_t i = 0; i < at->lines; i++)
        if (strncmp(ms_profile_string(p, p->function[p->line[at->line + i].function - 1].name), "gomap__",
                    7) == 0)
            return true;
    return false;
}

static struct ms_prof_sample *add_sample(struct join *j, const struct ms_sample_bucket *b) {
    const uint32_t *place = j->place + b->pc;
    size_t skip = b->frames;
    while (skip && !of_library(j->p, place[skip - 1])) skip--;
    if (skip == b->frames) skip = 0; /* no caller is known */
    return ms_profile_sample(j->p, place + skip, b->frames - skip);
}

static void add_labels(struct join *j, const struct ms_sample_bucket *b) {
    const char *at = j->in->text + b->label, *end = at + b->bytes;
    for (int i = 0; i < LABELS_MOST && b->bytes && at < end; i++) {
        const char *value = at + strlen(at) + 1;
        if (value >= end) return;
        ms_profile_label(j->p, at, value);
        at = value + strlen(value) + 1;
    }
}

/* ---- maps --------------------------------------------------------------------------------------------------- */

static int compare_ids(uint32_t copy, uint64_t id, const struct ms_map *m) {
    if (copy != m->copy) return copy < m->copy ? -1 : 1;
    return (id > m->id) - (id < m->id);
}

static int by_id(const void *a, const void *b, void *maps) {
    const struct ms_map *m = maps;
    const struct ms_map *x = &m[*(const size_t *)a];
    return compare_ids(x->copy, x->id, &m[*(const size_t *)b]);
}

/* The map of the snapshot that a piece is of; SIZE_MAX: it came or went meanwhile. */
static size_t map_of(const struct join *j, const struct ms_sample_piece *piece) {
    size_t low = 0, high = j->snap->maps;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = compare_ids(piece->copy, piece->map, &j->snap->map[j->by_id[mid]]);
        if (order == 0) return j->by_id[mid];
        if (order > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return SIZE_MAX;
}

static int64_t whole(double x) { return x > 0 ? (x < 9e18 ? (int64_t)(x + 0.5) : INT64_MAX) : 0; }

static void label_type(struct join *j, const struct ms_sample_bucket *b) {
    char *name = b->site ? ms_asprintf("%s@%s", b->type_name, b->site) : ms_strdup(b->type_name);
    ms_profile_label(j->p, "map", name);
    ms_profile_label(j->p, "type", b->type_name);
    ms_profile_label(j->p, "site", b->site);
    free(name);
}

/* What a map holds from one bucket. */
static void put_held(struct join *j, size_t map, uint32_t bucket, const double held[2]) {
    const struct ms_sample_bucket *b = &j->in->bucket[bucket];
    struct ms_prof_sample *s = add_sample(j, b);
    s->value[MS_PROF_ALLOC_OBJECTS] = s->value[MS_PROF_INUSE_OBJECTS] = whole(held[0]);
    s->value[MS_PROF_ALLOC_SPACE] = s->value[MS_PROF_INUSE_SPACE] = whole(held[1]);
    j->left[bucket][0] -= held[0], j->left[bucket][1] -= held[1];
    if (map != SIZE_MAX) {
        double share = j->bytes[map] > 0 ? held[1] / j->bytes[map] : 1;
        ms_profile_values_of(&j->snap->map[map], j->given[map], share, s->value);
        j->given[map] += share;
        ms_profile_labels_of(j->p, &j->snap->map[map]);
    } else {
        label_type(j, b);
    }
    add_labels(j, b);
}

static int by_map_and_bucket(const void *a, const void *b) {
    const struct ms_sample_piece *x = a, *y = b;
    if (x->copy != y->copy) return x->copy < y->copy ? -1 : 1;
    if (x->map != y->map) return x->map < y->map ? -1 : 1;
    return (x->bucket > y->bucket) - (x->bucket < y->bucket);
}

static void put_pieces(struct join *j) {
    struct ms_samples *in = j->in;
    if (in->pieces) qsort(in->piece, in->pieces, sizeof *in->piece, by_map_and_bucket);
    for (size_t i = 0; i < in->pieces; i++) {
        size_t map = map_of(j, &in->piece[i]);
        if (map != SIZE_MAX) j->bytes[map] += in->piece[i].weight * (double)in->piece[i].bytes;
    }
    for (size_t i = 0, to; i < in->pieces; i = to) {
        double held[2] = {0, 0};
        for (to = i; to < in->pieces && by_map_and_bucket(&in->piece[i], &in->piece[to]) == 0; to++)
            held[0] += in->piece[to].weight, held[1] += in->piece[to].weight * (double)in->piece[to].bytes;
        put_held(j, map_of(j, &in->piece[i]), in->piece[i].bucket, held);
    }
}

/* What buckets took, and nobody has any more. */
static void put_gone(struct join *j) {
    for (size_t i = 0; i < j->in->buckets; i++) {
        int64_t objects = whole(j->left[i][0]), bytes = whole(j->left[i][1]);
        if (!objects && !bytes) continue;
        struct ms_prof_sample *s = add_sample(j, &j->in->bucket[i]);
        s->value[MS_PROF_ALLOC_OBJECTS] = objects, s->value[MS_PROF_ALLOC_SPACE] = bytes;
        label_type(j, &j->in->bucket[i]);
        add_labels(j, &j->in->bucket[i]);
    }
}

static void put_all(struct join *j) {
    size_t maps = j->snap->maps;
    j->by_id = ms_alloc((maps + 1) * sizeof *j->by_id);
    j->bytes = ms_alloc((maps + 1) * sizeof *j->bytes);
    j->given = ms_alloc((maps + 1) * sizeof *j->given);
    j->left = ms_alloc((j->in->buckets + 1) * sizeof *j->left);
    for (size_t i = 0; i < maps; i++) j->by_id[i] = i;
    for (size_t i = 0; i < j->in->buckets; i++) memcpy(j->left[i], j->in->bucket[i].taken, sizeof j->left[i]);
    if (maps) qsort_r(j->by_id, maps, sizeof *j->by_id, by_id, j->snap->map);
    put_pieces(j);
    put_gone(j);
    for (size_t i = 0; i < maps; i++)
        if (j->bytes[i] == 0 && !ms_map_of_go(&j->snap->map[i])) ms_profile_held(j->p, &j->snap->map[i]);
    free(j->by_id), free(j->bytes), free(j->given), free(j->left);
}

static void note(const struct ms_samples *in, struct ms_snapshot *snap) {
    if (in->changing || in->damaged) snap->uncertain = true;
    if (in->changing)
        ms_snapshot_note(
            snap, "samples came or went each time they were read: their figures are of different moments");
    if (in->damaged)
        ms_snapshot_note(
            snap, "the program's lists of samples lead to what can be none: those behind are not shown");
    if (in->dropped)
        ms_snapshot_note(snap, "the program had no memory for %llu samples", (unsigned long long)in->dropped);
}

static const char *why_none(const struct ms_samples *in) {
    if (!in->tables) return "the program's library takes no samples";
    if (in->rate) return "the program has sampled nothing yet";
    return "the program does not sample (GOMAP_CONF=profile_bytes:524288 turns it on)";
}

int ms_prof_c(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p, struct ms_error *err) {
    struct ms_samples in;
    struct join j = {.snap = snap, .p = p, .in = &in};
    int status = ms_samples_load(&s->process.reader, snap, &in, err);
    j.place = ms_alloc((in.pcs + 1) * sizeof *j.place);
    for (size_t i = 0; i < in.pcs; i++) j.place[i] = ms_profile_place(p, in.pc[i], &(bool){false});
    if (status == MS_OK) status = ms_prof_symbols(s, snap, p, err);
    if (status == MS_OK) put_all(&j);
    if (!s->go) p->period = in.rate;
    if (!s->go && !in.buckets) p->sampled = why_none(&in); /* of Go it is known already */
    note(&in, snap);
    free(j.place);
    ms_samples_free(&in);
    return status;
}
