/* feed.c - what is new in a moment, said to the scribe.
 *
 * Of each map of the segment the feed keeps what it said last: identity, texts, figures.  Maps come in the same order look
 * after look, so the next one is nearly always the one that followed last time; a table by id finds the rest.
 *
 *   a map of the snapshot --> known by id? --no--> a number, MAP, LOOK
 *                               | yes
 *                             same type, name, holder, place? --no--> the old number is GONE, as a new one
 *                               | yes
 *                             same figures? --no--> LOOK
 *   known, and not met in this moment --> GONE
 *
 * A keyframe forgets everything and begins again with number 0.  The target is hostile and its texts are bytes: they go as
 * they are.
 */
#include "schema.h"

#include "../view/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct known {
    uint64_t identity[MS_REC_IDENTITY_COUNT], figure[MS_REC_FIGURE_COUNT];
    char *name, *holder;
    uint64_t type, place, doubt; /* numbers; MS_UNKNOWN: none */
    uint64_t seen;               /* the moment */
    uint32_t at;                 /* its place in the order of that moment */
    uint64_t detail;             /* the moment it was last chosen; 0: never, or said to be no longer */
    uint8_t *packed;             /* the detail said last */
    size_t packed_len;
};

/* Open addressing by a hash: number + 1, 0 free. */
struct table {
    uint32_t *slot;
    size_t slots;
};

/* Which type a pointer of this moment's snapshot is; two of one place push each other out. */
enum { POINTERS = 1024 };
struct pointer {
    const struct ms_type *type; /* NULL: free */
    size_t number;
};

struct ms_feed {
    struct ms_scribe *scribe;
    uint8_t out[1 << 18];
    size_t at;
    bool broken;
    uint64_t moment, base, base_ns, moments_since, segment_bytes;
    size_t keyframe_rows, rows_since;
    struct known *known;
    size_t count, room;
    struct table by_id, by_text, by_type;
    uint32_t *order, *next_order; /* numbers as the maps came in the last moment, and as they come now */
    size_t ordered, order_room, next_ordered, next_room, cursor;
    struct ms_type *type; /* with texts of their own */
    size_t types, type_room;
    struct pointer pointer[POINTERS];
    char **text;
    size_t texts, text_room;
};

/* ---- the wire ---------------------------------------------------------------------------------- */

static void flush(struct ms_feed *f) {
    for (size_t sent = 0; sent < f->at && !f->broken;) {
        ssize_t n = send(f->scribe->fd, f->out + sent, f->at - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        f->broken = n <= 0; /* it has ended; its reply may still be there */
        sent += n > 0 ? (size_t)n : 0;
    }
    f->at = 0;
}

static void put(struct ms_feed *f, const void *from, size_t len) {
    while (len) {
        if (f->at == sizeof f->out) flush(f);
        size_t some = sizeof f->out - f->at < len ? sizeof f->out - f->at : len;
        memcpy(f->out + f->at, from, some);
        f->at += some, len -= some;
        from = (const char *)from + some;
    }
}

static void put_byte(struct ms_feed *f, uint8_t byte) { put(f, &byte, 1); }

static void put_number(struct ms_feed *f, uint64_t n) {
    put_byte(f, n == MS_UNKNOWN ? MS_REC_NULL : n == 0 ? MS_REC_ZERO : MS_REC_NUMBER);
    if (n != MS_UNKNOWN && n != 0) put(f, &n, sizeof n);
}

static void put_numbers(struct ms_feed *f, const uint64_t *n, size_t count) {
    for (size_t i = 0; i < count; i++) put_number(f, n[i]);
}

static void put_bytes(struct ms_feed *f, enum ms_rec_tag tag, const void *bytes, size_t len) {
    uint32_t cut = (uint32_t)ms_min(len, MS_REC_VALUE_MOST);
    put_byte(f, (uint8_t)tag);
    put(f, &cut, sizeof cut);
    put(f, bytes, cut);
}

static void put_text(struct ms_feed *f, const char *s) {
    if (s)
        put_bytes(f, MS_REC_STRING, s, strlen(s));
    else
        put_byte(f, MS_REC_NULL);
}

/* ---- numbers for texts, types and maps ---------------------------------------------------------- */

static uint64_t mixed(uint64_t h) {
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static uint64_t hash_text(const char *s) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    while (*s) h = (h ^ (uint8_t)*s++) * UINT64_C(0x100000001b3);
    return mixed(h);
}

static uint64_t hash_type(const struct ms_type *t) {
    return mixed(hash_text(t->name) + hash_text(t->site ? t->site : "") + t->addr);
}

static uint64_t hash_of(const struct ms_feed *f, const struct table *t, size_t n) {
    if (t == &f->by_text) return hash_text(f->text[n]);
    return t == &f->by_type ? hash_type(&f->type[n]) : mixed(f->known[n].identity[0]);
}

static void enter(const struct ms_feed *f, struct table *t, size_t n) {
    size_t at = hash_of(f, t, n) & (t->slots - 1);
    while (t->slot[at]) at = (at + 1) & (t->slots - 1);
    t->slot[at] = (uint32_t)n + 1;
}

/* n is the number of entries after this one. */
static void add_to(const struct ms_feed *f, struct table *t, size_t n) {
    if (2 * (n + 1) > t->slots) {
        t->slots = t->slots ? 2 * t->slots : 1024;
        free(t->slot);
        t->slot = ms_alloc(t->slots * sizeof *t->slot);
        for (size_t i = 0; i < n; i++) enter(f, t, i);
    }
    enter(f, t, n);
}

static uint64_t text_number(struct ms_feed *f, const char *s) {
    if (!s) return MS_UNKNOWN;
    struct table *t = &f->by_text;
    for (size_t at = t->slots ? hash_text(s) & (t->slots - 1) : 0; t->slots && t->slot[at];
         at = (at + 1) & (t->slots - 1))
        if (strcmp(f->text[t->slot[at] - 1], s) == 0) return t->slot[at] - 1;
    MS_ROOM(f->text, f->texts, f->text_room);
    f->text[f->texts] = ms_strdup(s);
    add_to(f, t, f->texts);
    put_byte(f, MS_REC_TEXT);
    put_number(f, f->base);
    put_number(f, f->texts);
    put_text(f, s);
    return f->texts++;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_type(const struct ms_type *a, const struct ms_type *b) {
    uint64_t na[MS_REC_TYPE_COUNT], nb[MS_REC_TYPE_COUNT];
    if (!same_text(a->name, b->name) || !same_text(a->key, b->key) || !same_text(a->value, b->value) ||
        !same_text(a->site, b->site))
        return false;
    ms_rec_get(ms_rec_type, MS_REC_TYPE_COUNT, a, na);
    ms_rec_get(ms_rec_type, MS_REC_TYPE_COUNT, b, nb);
    return memcmp(na, nb, sizeof na) == 0;
}

static uint64_t add_type(struct ms_feed *f, const struct ms_type *t) {
    uint64_t number[MS_REC_TYPE_COUNT];
    MS_ROOM(f->type, f->types, f->type_room);
    struct ms_type *k = &f->type[f->types];
    *k = *t;
    k->name = ms_strdup(t->name);
    k->key = t->key ? ms_strdup(t->key) : NULL;
    k->value = t->value ? ms_strdup(t->value) : NULL;
    k->site = t->site ? ms_strdup(t->site) : NULL;
    add_to(f, &f->by_type, f->types);
    ms_rec_get(ms_rec_type, MS_REC_TYPE_COUNT, t, number);
    put_byte(f, MS_REC_TYPE_ROW);
    put_number(f, f->base);
    put_number(f, f->types);
    put_text(f, t->name);
    put_text(f, t->key);
    put_text(f, t->value);
    put_text(f, t->site);
    put_numbers(f, number, MS_REC_TYPE_COUNT);
    return f->types++;
}

static uint64_t find_type(struct ms_feed *f, const struct ms_type *t) {
    const struct table *k = &f->by_type;
    for (size_t at = k->slots ? hash_type(t) & (k->slots - 1) : 0; k->slots && k->slot[at];
         at = (at + 1) & (k->slots - 1))
        if (same_type(&f->type[k->slot[at] - 1], t)) return k->slot[at] - 1;
    return add_type(f, t);
}

static uint64_t type_number(struct ms_feed *f, const struct ms_type *t) {
    if (!t) return MS_UNKNOWN;
    struct pointer *p = &f->pointer[mixed((uintptr_t)t) % POINTERS];
    if (p->type != t) *p = (struct pointer){t, find_type(f, t)};
    return p->number;
}

/* ---- maps -------------------------------------------------------------------------------------- */

static bool same_map(const struct ms_feed *f, uint32_t n, const uint64_t *identity) {
    return n < f->count && memcmp(f->known[n].identity, identity, 3 * sizeof *identity) == 0;
}

/* Its number by id, address and copy, which are the first three; UINT32_MAX: none.  The newest of several. */
static uint32_t find_map(struct ms_feed *f, const uint64_t *identity) {
    if (f->cursor < f->ordered && same_map(f, f->order[f->cursor], identity)) return f->order[f->cursor++];
    const struct table *t = &f->by_id;
    uint32_t found = UINT32_MAX;
    for (size_t at = t->slots ? mixed(identity[0]) & (t->slots - 1) : 0; t->slots && t->slot[at];
         at = (at + 1) & (t->slots - 1))
        if (same_map(f, t->slot[at] - 1, identity) && (found == UINT32_MAX || t->slot[at] - 1 > found))
            found = t->slot[at] - 1;
    if (found != UINT32_MAX && f->known[found].at < f->ordered && f->order[f->known[found].at] == found)
        f->cursor = f->known[found].at + 1;
    return found;
}

static void put_look(struct ms_feed *f, uint32_t n, const struct ms_map *m) {
    const struct known *k = &f->known[n];
    uint8_t packed[MS_REC_FIGURE_COUNT * MS_REC_PACKED_MOST];
    size_t len = ms_rec_pack_numbers(k->figure, MS_REC_FIGURE_COUNT, packed);
    put_byte(f, MS_REC_LOOK);
    put_numbers(f, (uint64_t[]){f->moment, n, k->doubt, m->entries, m->slots, m->bytes, m->waste}, 7);
    put_bytes(f, MS_REC_BLOB, packed, len);
    f->rows_since++;
}

static void put_detail(struct ms_feed *f, uint32_t n, const uint8_t *packed, size_t len) {
    put_byte(f, MS_REC_DETAIL);
    put_number(f, f->moment);
    put_number(f, n);
    if (packed)
        put_bytes(f, MS_REC_BLOB, packed, len);
    else
        put_byte(f, MS_REC_NULL);
}

/* From here on it has none. */
static void end_detail(struct ms_feed *f, uint32_t n) {
    if (f->known[n].detail) put_detail(f, n, NULL, 0);
    f->known[n].detail = 0;
}

static void put_gone(struct ms_feed *f, uint32_t n) {
    put_byte(f, MS_REC_GONE);
    put_number(f, f->moment);
    put_number(f, n);
    end_detail(f, n);
    f->rows_since++;
}

static uint32_t add_map(struct ms_feed *f, const struct ms_map *m, const struct known *like) {
    uint32_t n = (uint32_t)f->count;
    MS_ROOM(f->known, f->count, f->room);
    struct known *k = &f->known[n];
    *k = *like;
    k->name = m->name ? ms_strdup(m->name) : NULL;
    k->holder = m->holder ? ms_strdup(m->holder) : NULL;
    f->count++;
    add_to(f, &f->by_id, n);
    put_byte(f, MS_REC_MAP);
    put_number(f, f->base);
    put_number(f, n);
    put_number(f, k->type);
    put_text(f, k->name);
    put_text(f, k->holder);
    put_number(f, k->place);
    put_numbers(f, k->identity, MS_REC_IDENTITY_COUNT);
    return n;
}

static bool same_identity(const struct known *k, const struct known *now, const struct ms_map *m) {
    return memcmp(k->identity, now->identity, sizeof k->identity) == 0 && k->type == now->type &&
           k->place == now->place && same_text(k->name, m->name) && same_text(k->holder, m->holder);
}

static uint64_t place_number(struct ms_feed *f, const char *place, const struct known *last) {
    if (last && last->place < f->texts && place && strcmp(f->text[last->place], place) == 0)
        return last->place;
    return text_number(f, place);
}

static void put_map(struct ms_feed *f, const struct ms_map *m) {
    struct known now = {.seen = f->moment};
    ms_rec_get(ms_rec_identity, MS_REC_IDENTITY_COUNT, m, now.identity);
    ms_rec_get(ms_rec_figure, MS_REC_FIGURE_COUNT, m, now.figure);
    uint32_t n = find_map(f, now.identity);
    struct known *k = n == UINT32_MAX ? NULL : &f->known[n];
    now.type = type_number(f, m->type);
    now.place = place_number(f, m->place, k);
    now.doubt = text_number(f, m->doubt);
    if (k && k->seen == f->moment) return; /* twice in a moment: hostile, or of a list that changed */
    if (k && !same_identity(k, &now, m)) {
        if (k->seen == f->moment - 1) put_gone(f, n);
        k->seen = 0;
        k = NULL;
    }
    if (!k) {
        n = add_map(f, m, &now);
        put_look(f, n, m);
    } else if (k->seen != f->moment - 1 || k->doubt != now.doubt ||
               memcmp(k->figure, now.figure, sizeof now.figure) != 0) {
        memcpy(k->figure, now.figure, sizeof now.figure);
        k->doubt = now.doubt;
        put_look(f, n, m);
    }
    MS_ROOM(f->next_order, f->next_ordered, f->next_room);
    f->known[n].seen = f->moment;
    f->known[n].at = (uint32_t)f->next_ordered;
    f->next_order[f->next_ordered++] = n;
}

/* ---- a moment ---------------------------------------------------------------------------------- */

static void forget_all(struct ms_feed *f) {
    for (size_t i = 0; i < f->count; i++) {
        free(f->known[i].name);
        free(f->known[i].holder);
        free(f->known[i].packed);
    }
    for (size_t i = 0; i < f->types; i++) {
        free(f->type[i].name);
        free(f->type[i].key);
        free(f->type[i].value);
        free(f->type[i].site);
    }
    for (size_t i = 0; i < f->texts; i++) free(f->text[i]);
    free(f->by_id.slot);
    free(f->by_text.slot);
    free(f->by_type.slot);
    f->by_id = f->by_text = f->by_type = (struct table){0};
    f->count = f->types = f->texts = f->ordered = 0;
}

static bool keyframe_is_due(const struct ms_feed *f, uint64_t wall_ns) {
    const struct ms_rec_bounds *b = &f->scribe->bounds;
    size_t rows = f->keyframe_rows > MS_REC_SEGMENT_ROWS ? f->keyframe_rows : MS_REC_SEGMENT_ROWS;
    return f->base == 0 || f->rows_since >= rows || f->moments_since >= MS_REC_SEGMENT_MOMENTS ||
           (b->most_bytes && f->segment_bytes >= b->most_bytes / MS_REC_RING_PARTS) ||
           (b->keep_ns && wall_ns > f->base_ns && wall_ns - f->base_ns >= b->keep_ns / MS_REC_RING_PARTS);
}

static void put_recording(struct ms_feed *f, const struct ms_snapshot *s) {
    const struct ms_target *t = &s->target;
    put_byte(f, MS_REC_RECORDING);
    put_number(f, (uint64_t)t->pid);
    put_number(f, t->uid);
    put_text(f, t->comm);
    put_text(f, t->exe);
    put_text(f, s->runtime);
    put_text(f, t->core);
    put_number(f, (uint64_t)t->signal);
    put_number(f, t->threads);
    put_text(f, "mapscope");
}

static void put_moment(struct ms_feed *f, const struct ms_snapshot *s, uint64_t wall_ns) {
    const struct ms_target *t = &s->target;
    struct ms_totals sum;
    ms_view_totals(s->map, s->maps, &sum);
    put_byte(f, MS_REC_MOMENT);
    put_numbers(f,
                (uint64_t[]){f->moment, f->base, wall_ns, t->age_ns, t->rss_bytes, t->mode, t->pause_ns,
                             t->late, t->images, t->mappings, s->uncertain},
                11);
    size_t len = 0;
    char *notes = NULL;
    FILE *text = open_memstream(&notes, &len);
    for (size_t i = 0; text && i < s->notes; i++) fprintf(text, "%s%s", i ? "\n" : "", s->note[i]);
    if (text) fclose(text);
    put_text(f, s->notes ? notes : NULL);
    free(notes);
    put_numbers(f, (uint64_t[]){sum.maps, sum.entries, sum.bytes, sum.waste, sum.rebuild_gain}, 5);
}

static void put_libraries(struct ms_feed *f, const struct ms_snapshot *s) {
    for (size_t i = 0; i < s->copies; i++) {
        const struct ms_copy *c = &s->copy[i];
        put_byte(f, MS_REC_LIBRARY);
        put_numbers(f, (uint64_t[]){f->moment, i, c->root}, 3);
        put_text(f, c->image);
        put_text(f, c->version);
        put_numbers(f,
                    (uint64_t[]){c->maps_made, c->maps_freed, c->unregistered, c->wall_minus_mono_ns,
                                 c->started, c->readable},
                    6);
    }
}

static void put_gones(struct ms_feed *f) {
    for (size_t i = 0; i < f->ordered; i++)
        if (f->known[f->order[i]].seen == f->moment - 1) put_gone(f, f->order[i]);
    uint32_t *order = f->order;
    size_t room = f->order_room;
    f->order = f->next_order, f->ordered = f->next_ordered, f->order_room = f->next_room;
    f->next_order = order, f->next_ordered = 0, f->next_room = room;
}

void ms_feed_begin(struct ms_feed *f, const struct ms_snapshot *s, uint64_t wall_ns) {
    bool keyframe = keyframe_is_due(f, wall_ns);
    f->moment++;
    put_byte(f, keyframe ? MS_REC_BEGIN_SEGMENT : MS_REC_BEGIN);
    if (keyframe) {
        forget_all(f);
        f->base = f->moment;
        f->base_ns = wall_ns;
        f->moments_since = f->rows_since = 0;
    }
    if (f->moment == 1) put_recording(f, s);
    memset(f->pointer, 0, sizeof f->pointer); /* a snapshot later the same place may be another type */
    f->cursor = 0;
    put_moment(f, s, wall_ns);
    put_libraries(f, s);
    for (size_t i = 0; i < s->maps; i++) put_map(f, &s->map[i]);
    put_gones(f);
    if (keyframe) f->keyframe_rows = f->rows_since, f->rows_since = 0;
    f->moments_since++;
}

/* ---- details ----------------------------------------------------------------------------------- */

void ms_feed_detail(struct ms_feed *f, const struct ms_map *m, const struct ms_rec_detail *d) {
    uint64_t identity[MS_REC_IDENTITY_COUNT];
    ms_rec_get(ms_rec_identity, MS_REC_IDENTITY_COUNT, m, identity);
    f->cursor = f->ordered; /* the order is that of maps, not of details */
    uint32_t n = find_map(f, identity);
    if (n == UINT32_MAX || f->known[n].seen != f->moment) return;
    struct known *k = &f->known[n];
    uint8_t *packed;
    size_t len = ms_rec_pack(d, &packed);
    bool same = k->detail && k->packed_len == len && memcmp(k->packed, packed, len) == 0;
    if (!same) put_detail(f, n, packed, len);
    free(k->packed);
    k->packed = packed, k->packed_len = len;
    k->detail = f->moment;
}

/* A map that is not chosen any more has none from here on. */
static void end_details(struct ms_feed *f) {
    for (size_t i = 0; i < f->ordered; i++)
        if (f->known[f->order[i]].detail != f->moment) end_detail(f, f->order[i]);
}

int ms_feed_end(struct ms_feed *f, struct ms_rec_reply *reply, struct ms_error *err) {
    ssize_t n;
    end_details(f);
    put_byte(f, MS_REC_END);
    flush(f);
    do {
        n = recv(f->scribe->fd, reply, sizeof *reply, MSG_WAITALL);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *reply)
        return ms_fail(err, MS_INTERNAL, "the process that writes the recording ended");
    reply->line[sizeof reply->line - 1] = 0;
    f->segment_bytes = reply->segment_bytes;
    return reply->status == MS_OK ? MS_OK : ms_fail(err, reply->status, "%s", reply->line);
}

struct ms_feed *ms_feed_create(struct ms_scribe *s) {
    struct ms_feed *f = ms_alloc(sizeof *f);
    f->scribe = s;
    return f;
}

void ms_feed_free(struct ms_feed *f) {
    if (!f) return;
    forget_all(f);
    free(f->known);
    free(f->order);
    free(f->next_order);
    free(f->type);
    free(f->text);
    free(f);
}
