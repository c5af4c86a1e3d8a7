/* profread.c - a reader of profile.proto that believes nothing: the rules are those of pprof's own CheckValid. */
#include "profread.h"

#include "toolkit.h"

#include <zlib.h>

struct cursor {
    const uint8_t *at, *end;
};

static uint64_t varint(struct cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        assert_true(c->at < c->end);
        uint8_t b = *c->at++;
        if (shift < 64) v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) return v;
    }
    fail_msg("a varint does not end");
    return 0;
}

/* The next field: its number, and its value or bytes. */
static unsigned field(struct cursor *c, uint64_t *value, struct cursor *bytes) {
    uint64_t key = varint(c);
    *value = 0, *bytes = (struct cursor){NULL, NULL};
    assert_true((key & 7) == 0 || (key & 7) == 2);
    if ((key & 7) == 0) {
        *value = varint(c);
    } else {
        uint64_t n = varint(c);
        assert_true(n <= (uint64_t)(c->end - c->at));
        *bytes = (struct cursor){c->at, c->at + n};
        c->at += n;
    }
    return (unsigned)(key >> 3);
}

/* By id: which are there, and which were asked for.  Each is there once. */
enum { IDS_MOST = 1 << 24, THERE = 1, ASKED = 2 };
struct seen {
    uint8_t *is;
    uint64_t n, room;
};

static uint8_t *mark_of(struct seen *s, uint64_t id) {
    assert_true(id > 0 && id < IDS_MOST);
    while (id >= s->room) {
        uint64_t room = s->room ? 2 * s->room : 1024;
        s->is = realloc(s->is, room);
        assert_non_null(s->is);
        memset(s->is + s->room, 0, room - s->room);
        s->room = room;
    }
    return &s->is[id];
}

static void give(struct seen *s, uint64_t id) {
    uint8_t *mark = mark_of(s, id);
    assert_false(*mark & THERE);
    *mark |= THERE;
    s->n++;
}

static void want(struct seen *s, uint64_t id) { *mark_of(s, id) |= ASKED; }

static uint64_t all_there(struct seen *s) {
    for (uint64_t i = 0; i < s->room; i++) assert_int_not_equal(s->is[i], ASKED);
    free(s->is);
    return s->n;
}

struct reading {
    struct profread *out;
    struct seen mapping, location, function;
    uint64_t most_text;
};

static void text(struct reading *r, uint64_t number) {
    if (number > r->most_text) r->most_text = number;
}

static void read_sample(struct reading *r, struct cursor c) {
    uint64_t v, values = 0;
    struct cursor b;
    while (c.at < c.end) switch (field(&c, &v, &b)) {
        case 1:
            while (b.at < b.end) want(&r->location, varint(&b));
            break;
        case 2:
            for (; b.at < b.end; values++) {
                int64_t value = (int64_t)varint(&b);
                assert_true(values < 8);
                r->out->total[values] += value;
            }
            break;
        case 3: {
            bool key = false;
            for (struct cursor l = b; l.at < l.end;) {
                unsigned f = field(&l, &v, &b);
                key |= f == 1 && v;
                if (f == 1 || f == 2 || f == 4) text(r, v);
            }
            assert_true(key);
            r->out->labels++;
            break;
        }
        default: fail_msg("a sample has a field that is none");
        }
    assert_int_equal(values, 8);
    r->out->samples++;
}

static void read_location(struct reading *r, struct cursor c) {
    uint64_t v;
    struct cursor b;
    while (c.at < c.end) switch (field(&c, &v, &b)) {
        case 1: give(&r->location, v); break;
        case 2:
            if (v) want(&r->mapping, v);
            break;
        case 3: break;
        case 4:
            for (struct cursor l = b; l.at < l.end;)
                if (field(&l, &v, &b) == 1) want(&r->function, v);
            break;
        default: fail_msg("a location has a field that is none");
        }
}

static void read_mapping(struct reading *r, struct cursor c) {
    uint64_t v, start = 0, limit = 0;
    struct cursor b;
    while (c.at < c.end) {
        unsigned f = field(&c, &v, &b);
        if (f == 1) give(&r->mapping, v);
        if (f == 2) start = v;
        if (f == 3) limit = v;
        if (f == 5 || f == 6) text(r, v);
    }
    assert_true(start <= limit);
}

static void read_function(struct reading *r, struct cursor c) {
    uint64_t v;
    struct cursor b;
    while (c.at < c.end) {
        unsigned f = field(&c, &v, &b);
        if (f == 1) give(&r->function, v);
        if (f >= 2 && f <= 4) text(r, v);
    }
}

static void read_string(struct reading *r, struct cursor c) {
    struct profread *o = r->out;
    size_t n = (size_t)(c.end - c.at);
    if (o->strings++ == 0) assert_int_equal(n, 0);
    o->text = realloc(o->text, o->text_bytes + n + 1);
    assert_non_null(o->text);
    if (n) memcpy(o->text + o->text_bytes, c.at, n);
    o->text[o->text_bytes + n] = 0;
    assert_int_equal(strlen(o->text + o->text_bytes), n);
    TK_CLEAN(o->text + o->text_bytes, n, 0);
    assert_null(strchr(o->text + o->text_bytes, '\n'));
    o->text_bytes += n + 1;
}

static const char *nth(const struct profread *p, uint64_t n) {
    const char *s = p->text;
    while (n--) s += strlen(s) + 1;
    return s;
}

static void read_profile(struct reading *r, struct cursor c) {
    uint64_t v, shown = 0;
    struct cursor b;
    while (c.at < c.end) switch (field(&c, &v, &b)) {
        case 1: r->out->types++; break;
        case 2: read_sample(r, b); break;
        case 3: read_mapping(r, b); break;
        case 4: read_location(r, b); break;
        case 5: read_function(r, b); break;
        case 6: read_string(r, b); break;
        case 12: r->out->period = (int64_t)v; break;
        case 13: text(r, v); break;
        case 14: text(r, shown = v); break;
        default: break;
        }
    struct profread *o = r->out;
    o->mappings = all_there(&r->mapping), o->locations = all_there(&r->location),
    o->functions = all_there(&r->function);
    assert_int_equal(o->types, 8);
    assert_true(o->strings > 0 && r->most_text < o->strings);
    snprintf(o->default_type, sizeof o->default_type, "%s", nth(o, shown));
}

void profread(const void *gz, size_t bytes, struct profread *out) {
    struct reading r = {.out = out};
    size_t room = 1 << 20, n = 0;
    uint8_t *raw = malloc(room);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)gz, .avail_in = (uInt)bytes};
    *out = (struct profread){0};
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    for (int rc = Z_OK; rc != Z_STREAM_END;) {
        if (n == room) raw = realloc(raw, room *= 2);
        assert_non_null(raw);
        z.next_out = raw + n, z.avail_out = (uInt)(room - n);
        rc = inflate(&z, Z_NO_FLUSH);
        assert_true(rc == Z_OK || rc == Z_STREAM_END); /* else it was cut, or its checksum is wrong */
        n = room - z.avail_out;
    }
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    read_profile(&r, (struct cursor){raw, raw + n});
    free(raw);
}

bool profread_has(const struct profread *p, const char *text) {
    for (size_t at = 0; at < p->text_bytes; at += strlen(p->text + at) + 1)
        if (strcmp(p->text + at, text) == 0) return true;
    return false;
}

void profread_free(struct profread *p) {
    free(p->text);
    *p = (struct profread){0};
}
