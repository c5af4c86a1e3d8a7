/* lib/observe/pprof.c - profile.proto (github.com/google/pprof, proto/profile.proto), gzipped.
 *
 * Protocol buffers need two things only: a varint, and a field that says its length in front.  Compression would need
 * a library: the gzip file consists of stored blocks.
 *
 *   samples come with addresses and texts -> texts and addresses get numbers -> mappings, functions, locations, strings
 */
#define _GNU_SOURCE
#include "observe_internal.h"

#include <time.h>

/* ---- bytes ------------------------------------------------------------------------------------------------ */

struct bytes {
    uint8_t *at;
    size_t n, room;
};

struct pprof {
    struct bytes out;     /* the message, without tables */
    struct bytes strings; /* of the table, each as its field */
    uint32_t nstrings;
    struct entry {
        uint64_t hash;
        uint32_t number; /* from 1; 0: free */
    } * index;           /* of strings, open addressing */
    uint32_t mask;
    uint64_t *pc; /* of each location, by number - 1 */
    uint32_t npc, room_pc;
    struct entry *pcs; /* hash: the address */
    uint32_t pcs_mask;
    bool failed; /* no memory */
};

static bool reserve(struct pprof *p, struct bytes *b, size_t more) {
    if (b->room - b->n >= more) return true;
    size_t room = b->room * 2 + more + 256;
    uint8_t *at = p->failed ? NULL : realloc(b->at, room);
    if (!at) return p->failed = true, false;
    b->at = at, b->room = room;
    return true;
}

static unsigned encode(uint8_t *to, uint64_t v) {
    unsigned n = 0;
    for (; v >= 128; v >>= 7) to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

static void varint(struct pprof *p, struct bytes *b, uint64_t v) {
    if (reserve(p, b, 10)) b->n += encode(b->at + b->n, v);
}

enum { VARINT = 0, LENGTH = 2 };
static void number(struct pprof *p, struct bytes *b, unsigned field, uint64_t v) {
    if (!v) return; /* the default */
    varint(p, b, field << 3 | VARINT);
    varint(p, b, v);
}

static void blob(struct pprof *p, struct bytes *b, unsigned field, const void *data, size_t n) {
    varint(p, b, field << 3 | LENGTH);
    varint(p, b, n);
    if (!reserve(p, b, n)) return;
    if (n) memcpy(b->at + b->n, data, n);
    b->n += n;
}

/* ---- numbers for texts and addresses -------------------------------------------------------------------------- */

static bool widen(struct pprof *p, struct entry **table, uint32_t *mask) {
    uint32_t size = *table ? (*mask + 1) * 2 : 256;
    struct entry *more = p->failed ? NULL : calloc(size, sizeof *more);
    if (!more) return p->failed = true, false;
    for (uint32_t i = 0; *table && i <= *mask; i++) {
        uint32_t at = (uint32_t)(*table)[i].hash & (size - 1);
        if (!(*table)[i].number) continue;
        while (more[at].number) at = (at + 1) & (size - 1);
        more[at] = (*table)[i];
    }
    free(*table);
    *table = more, *mask = size - 1;
    return true;
}

static uint64_t spread(uint64_t v) { return gomap__mum(v ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xe7037ed1a0b428db)); }

/* Texts are alike if their hashes are: 64 secret-free bits for the some thousand names of one program. */
static uint32_t text(struct pprof *p, const char *s) {
    if (!*s) return 0;
    size_t n = strlen(s);
    const uint64_t key[2] = {1, 2};
    uint64_t hash = gomap__siphash13(key, s, n);
    if (p->nstrings * 2 >= p->mask && !widen(p, &p->index, &p->mask)) return 0;
    uint32_t at = (uint32_t)hash & p->mask;
    for (; p->index[at].number; at = (at + 1) & p->mask)
        if (p->index[at].hash == hash) return p->index[at].number;
    blob(p, &p->strings, 6, s, n);
    p->index[at] = (struct entry){hash, ++p->nstrings};
    return p->nstrings;
}

static uint32_t location(struct pprof *p, uint64_t pc) {
    uint64_t hash = spread(pc);
    if (p->npc * 2 >= p->pcs_mask && !widen(p, &p->pcs, &p->pcs_mask)) return 0;
    uint32_t at = (uint32_t)hash & p->pcs_mask;
    for (; p->pcs[at].number; at = (at + 1) & p->pcs_mask)
        if (p->pcs[at].hash == hash) return p->pcs[at].number;
    if (p->npc == p->room_pc) {
        uint64_t *more = realloc(p->pc, (p->room_pc = 2 * p->room_pc + 256) * sizeof *more);
        if (!more) return p->failed = true, 0;
        p->pc = more;
    }
    p->pc[p->npc++] = pc;
    p->pcs[at] = (struct entry){hash, p->npc};
    return p->npc;
}

/* ---- the profile ---------------------------------------------------------------------------------------------- */

static void value_type(struct pprof *p, unsigned field, const char *type, const char *unit) {
    uint8_t m[16];
    unsigned n = 0;
    m[n++] = 1 << 3, n += encode(m + n, text(p, type));
    m[n++] = 2 << 3, n += encode(m + n, text(p, unit));
    blob(p, &p->out, field, m, n);
}

struct pprof *gomap__pprof_new(void) {
    static const char *const types[VALUES][2] = {
        {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"},
        {"map_entries", "count"},   {"map_waste", "bytes"},   {"map_resident", "bytes"},  {"map_lazyfree", "bytes"}};
    struct pprof *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    blob(p, &p->strings, 6, "", 0); /* string 0 is the empty one */
    for (int i = 0; i < VALUES; i++) value_type(p, 1, types[i][0], types[i][1]);
    return p;
}

void gomap__pprof_free(struct pprof *p) {
    if (!p) return;
    free(p->out.at), free(p->strings.at), free(p->index), free(p->pc), free(p->pcs);
    free(p);
}

void gomap__pprof_sample(struct pprof *p, const uint64_t *pc, unsigned frames, const int64_t values[VALUES],
                         const char *const *labels) {
    uint8_t ids[STACK_MAX * 10], m[64];
    unsigned n = 0;
    struct bytes s = {0};
    for (unsigned i = 0; i < frames; i++) n += encode(ids + n, location(p, pc[i]));
    blob(p, &s, 1, ids, n);
    n = 0;
    uint8_t packed[VALUES * 10];
    for (int i = 0; i < VALUES; i++) n += encode(packed + n, (uint64_t)values[i]);
    blob(p, &s, 2, packed, n);
    for (; *labels; labels += 2) {
        n = 0;
        m[n++] = 1 << 3, n += encode(m + n, text(p, labels[0]));
        m[n++] = 2 << 3, n += encode(m + n, text(p, labels[1]));
        blob(p, &s, 3, m, n);
    }
    blob(p, &p->out, 2, s.at, s.n);
    free(s.at);
}

static void mapping(struct pprof *p, unsigned id, const struct image *im) {
    struct bytes m = {0};
    number(p, &m, 1, id);
    number(p, &m, 2, im->start);
    number(p, &m, 3, im->end);
    number(p, &m, 4, im->offset);
    number(p, &m, 5, text(p, im->path));
    number(p, &m, 6, text(p, im->build_id));
    number(p, &m, 7, im->named);
    blob(p, &p->out, 3, m.at, m.n);
    free(m.at);
}

/* A function has the number of its name: two of one name are one. */
static void function(struct pprof *p, uint32_t name) {
    struct bytes m = {0};
    number(p, &m, 1, name);
    number(p, &m, 2, name);
    number(p, &m, 3, name);
    blob(p, &p->out, 5, m.at, m.n);
    free(m.at);
}

static void place(struct pprof *p, uint64_t id, uint64_t pc, size_t in_mapping, uint32_t name) {
    struct bytes m = {0}, line = {0};
    number(p, &m, 1, id);
    number(p, &m, 2, in_mapping);
    number(p, &m, 3, pc);
    if (name) {
        number(p, &line, 1, name);
        blob(p, &m, 4, line.at, line.n);
    }
    blob(p, &p->out, 4, m.at, m.n);
    free(m.at), free(line.at);
}

static int by_address(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_new(uint8_t *seen, uint32_t number) {
    bool was = seen[number / 8] >> number % 8 & 1;
    seen[number / 8] |= (uint8_t)(1 << number % 8);
    return !was;
}

/* Locations [from, to) of the sorted addresses, all in one image, or in none. */
static void place_run(struct pprof *p, struct images *im, size_t image, const uint64_t *pc, size_t n, uint8_t *seen) {
    char **name = calloc(n, sizeof *name);
    if (!name) p->failed = true;
    if (name && image < im->count) gomap__symbols(&im->image[image], pc, n, name);
    for (size_t i = 0; name && i < n; i++) {
        uint32_t at = name[i] ? text(p, name[i]) : 0;
        if (at) im->image[image].named = true;
        if (at && is_new(seen, at)) function(p, at);
        place(p, location(p, pc[i]), pc[i], image < im->count ? image + 1 : 0, at);
        free(name[i]);
    }
    free(name);
}

static void places(struct pprof *p) {
    struct images im;
    gomap__images_load(&im);
    if (im.failed) p->failed = true;
    uint64_t *pc = malloc((p->npc + 1) * sizeof *pc);
    /* a name for each location at most, beside the texts there are */
    uint8_t *seen = calloc((p->nstrings + p->npc) / 8 + 2, 1);
    if (!pc || !seen) p->failed = true;
    if (!p->failed && p->npc) {
        memcpy(pc, p->pc, p->npc * sizeof *pc);
        qsort(pc, p->npc, sizeof *pc, by_address);
        for (size_t at = 0, image = 0, to; at < p->npc; at = to) {
            while (image < im.count && im.image[image].end <= pc[at]) image++;
            bool in = image < im.count && im.image[image].start <= pc[at];
            uint64_t end = in ? im.image[image].end : image < im.count ? im.image[image].start : UINT64_MAX;
            for (to = at + 1; to < p->npc && pc[to] < end; to++) continue;
            place_run(p, &im, in ? image : im.count, pc + at, to - at, seen);
        }
    }
    for (size_t i = 0; i < im.count; i++) mapping(p, (unsigned)i + 1, &im.image[i]);
    free(pc), free(seen);
    gomap__images_free(&im);
}

/* ---- gzip --------------------------------------------------------------------------------------------------------- */

static uint32_t crc32(const uint8_t *p, size_t n) {
    uint32_t table[256], crc = ~UINT32_C(0);
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] & 1 ? UINT32_C(0xedb88320) ^ table[i] >> 1 : table[i] >> 1;
    }
    for (size_t i = 0; i < n; i++) crc = table[(crc ^ p[i]) & 255] ^ crc >> 8;
    return ~crc;
}

static void little(uint8_t *to, uint64_t v, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) to[i] = (uint8_t)(v >> 8 * i);
}

static gomap_err write_gzip(const struct pprof *p, FILE *out) {
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    enum { BLOCK = 65535 };
    bool ok = fwrite(head, sizeof head, 1, out) == 1;
    for (size_t at = 0, n; ok; at += n) {
        uint8_t block[5];
        n = p->out.n - at < BLOCK ? p->out.n - at : BLOCK;
        block[0] = at + n == p->out.n; /* the last one */
        little(block + 1, n, 2), little(block + 3, ~n, 2);
        ok = fwrite(block, sizeof block, 1, out) == 1 && (!n || fwrite(p->out.at + at, n, 1, out) == 1);
        if (block[0]) break;
    }
    uint8_t tail[8];
    little(tail, crc32(p->out.at, p->out.n), 4), little(tail + 4, p->out.n, 4);
    return ok && fwrite(tail, sizeof tail, 1, out) == 1 && fflush(out) == 0 ? GOMAP_OK : GOMAP_ENOMEM;
}

gomap_err gomap__pprof_write(struct pprof *p, FILE *out, uint64_t rate) {
    struct timespec t;
    places(p);
    clock_gettime(CLOCK_REALTIME, &t);
    number(p, &p->out, 7, text(p, "gomap__.*")); /* frames with such names, and what they call, are not shown */
    number(p, &p->out, 9, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
    value_type(p, 11, "space", "bytes");
    number(p, &p->out, 12, rate);
    number(p, &p->out, 14, text(p, "inuse_space"));
    if (p->strings.n && reserve(p, &p->out, p->strings.n)) memcpy(p->out.at + p->out.n, p->strings.at, p->strings.n);
    if (p->failed) return GOMAP_ENOMEM;
    p->out.n += p->strings.n;
    return write_gzip(p, out);
}
