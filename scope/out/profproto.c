/* profproto.c - a profile as profile.proto (github.com/google/pprof, proto/profile.proto), gzipped.
 *
 * Protocol buffers need two things only: a varint, and a field that says its length in front.  The library writes the same
 * format (lib/observe/pprof.c) from within the process, without zlib and without memory that may be had from malloc there; the
 * two share the format and no code, as all of library and tool do.
 *
 * Strings of a profile must be UTF-8, and viewers print them as they are: those of the target are escaped here.
 */
#include "out.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct message {
    uint8_t *at;
    size_t n, room;
};

static uint8_t *reserve(struct message *m, size_t more) {
    if (m->room - m->n < more) m->at = ms_grow(m->at, m->room = 2 * m->room + more + 64, 1);
    return m->at + m->n;
}

static void varint(struct message *m, uint64_t v) {
    uint8_t *to = reserve(m, 10), *from = to;
    for (; v >= 128; v >>= 7) *to++ = (uint8_t)(v | 128);
    *to++ = (uint8_t)v;
    m->n += (size_t)(to - from);
}

enum { VARINT = 0, LENGTH = 2 };

static void number(struct message *m, unsigned field, uint64_t v) {
    if (!v) return; /* the default */
    varint(m, field << 3 | VARINT);
    varint(m, v);
}

static void bytes(struct message *m, unsigned field, const void *data, size_t n) {
    varint(m, field << 3 | LENGTH);
    varint(m, n);
    uint8_t *to = reserve(m, n);
    if (n) memcpy(to, data, n);
    m->n += n;
}

/* A part that was put together becomes a field, and is empty again. */
static void part(struct message *m, unsigned field, struct message *sub) {
    bytes(m, field, sub->at, sub->n);
    sub->n = 0;
}

/* ---- the profile -------------------------------------------------------------------------------------- */

struct proto {
    const struct ms_profile *p;
    struct message out, sub, list;
    struct message strings; /* beyond the profile's own */
    uint64_t nstrings;
};

/* A text that is no part of the profile. */
static uint64_t extra(struct proto *x, const char *s) {
    bytes(&x->strings, 6, s, strlen(s));
    return x->nstrings++;
}

static void value_type(struct proto *x, unsigned field, const char *type, const char *unit) {
    number(&x->sub, 1, extra(x, type));
    number(&x->sub, 2, extra(x, unit));
    part(&x->out, field, &x->sub);
}

static void put_sample(struct proto *x, const struct ms_prof_sample *s) {
    for (uint32_t i = 0; i < s->places; i++) varint(&x->list, x->p->stack[s->place + i]);
    part(&x->sub, 1, &x->list);
    for (int i = 0; i < MS_PROF_VALUES; i++) varint(&x->list, (uint64_t)s->value[i]);
    part(&x->sub, 2, &x->list);
    for (uint32_t i = 0; i < s->labels; i++) {
        const struct ms_prof_label *l = &x->p->label[s->label + i];
        number(&x->list, 1, l->key);
        number(&x->list, 2, l->text);
        if (!l->text) number(&x->list, 3, (uint64_t)l->number), number(&x->list, 4, l->unit);
        part(&x->sub, 3, &x->list);
    }
    part(&x->out, 2, &x->sub);
}

static void put_mapping(struct proto *x, size_t i) {
    const struct ms_prof_mapping *m = &x->p->mapping[i];
    number(&x->sub, 1, i + 1);
    number(&x->sub, 2, m->start);
    number(&x->sub, 3, m->end);
    number(&x->sub, 4, m->offset);
    number(&x->sub, 5, m->file);
    number(&x->sub, 6, m->build_id);
    number(&x->sub, 7, m->functions);
    number(&x->sub, 8, m->lines);
    number(&x->sub, 9, m->lines);
    number(&x->sub, 10, m->lines);
    part(&x->out, 3, &x->sub);
}

static void put_place(struct proto *x, size_t i) {
    const struct ms_prof_place *at = &x->p->place[i];
    number(&x->sub, 1, i + 1);
    number(&x->sub, 2, at->mapping);
    number(&x->sub, 3, at->addr);
    for (uint32_t k = 0; k < at->lines; k++) {
        number(&x->list, 1, x->p->line[at->line + k].function);
        number(&x->list, 2, x->p->line[at->line + k].line);
        part(&x->sub, 4, &x->list);
    }
    part(&x->out, 4, &x->sub);
}

static void put_function(struct proto *x, size_t i) {
    const struct ms_prof_function *f = &x->p->function[i];
    number(&x->sub, 1, i + 1);
    number(&x->sub, 2, f->name);
    number(&x->sub, 3, f->name);
    number(&x->sub, 4, f->file);
    part(&x->out, 5, &x->sub);
}

static void put_strings(struct proto *x) {
    for (size_t i = 0; i < x->p->texts; i++) {
        char *s = ms_text_escape(ms_profile_string(x->p, (uint32_t)i), true);
        bytes(&x->out, 6, s, strlen(s));
        free(s);
    }
    if (x->strings.n) memcpy(reserve(&x->out, x->strings.n), x->strings.at, x->strings.n);
    x->out.n += x->strings.n;
}

static void put_all(struct proto *x) {
    const struct ms_profile *p = x->p;
    for (int i = 0; i < MS_PROF_VALUES; i++)
        value_type(x, 1, ms_prof_value_name((enum ms_prof_value)i),
                   ms_prof_value_unit((enum ms_prof_value)i));
    for (size_t i = 0; i < p->samples; i++) put_sample(x, &p->sample[i]);
    for (size_t i = 0; i < p->mappings; i++) put_mapping(x, i);
    for (size_t i = 0; i < p->places; i++) put_place(x, i);
    for (size_t i = 0; i < p->functions; i++) put_function(x, i);
    number(&x->out, 9, p->time_ns);
    value_type(x, 11, "space", "bytes");
    number(&x->out, 12, p->period);
    if (p->sampled) number(&x->out, 13, extra(x, p->sampled));
    number(&x->out, 14, extra(x, ms_prof_value_name(ms_profile_default(p))));
    put_strings(x);
}

/* ---- gzip ------------------------------------------------------------------------------------------------ */

static int put_gzip(FILE *f, const struct message *m, struct ms_error *err) {
    enum { GZIP = 16 + MAX_WBITS, LEVEL = 4, CHUNK = 64 << 10, PIECE = 1 << 30 };
    uint8_t out[CHUNK];
    z_stream z = {0};
    int rc = deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY);
    for (size_t at = 0; rc == Z_OK;) {
        if (!z.avail_in)
            z.next_in = m->at + at, z.avail_in = (uInt)ms_min(PIECE, m->n - at), at += z.avail_in;
        z.next_out = out, z.avail_out = CHUNK;
        rc = deflate(&z, at == m->n ? Z_FINISH : Z_NO_FLUSH);
        fwrite(out, 1, CHUNK - z.avail_out, f);
    }
    deflateEnd(&z);
    return rc == Z_STREAM_END ? MS_OK : ms_fail(err, MS_INTERNAL, "profile: zlib failed (%d)", rc);
}

int ms_prof_proto(FILE *f, const struct ms_profile *p, struct ms_error *err) {
    struct proto x = {.p = p, .nstrings = p->texts};
    put_all(&x);
    int status = put_gzip(f, &x.out, err);
    free(x.out.at), free(x.sub.at), free(x.list.at), free(x.strings.at);
    return status;
}
