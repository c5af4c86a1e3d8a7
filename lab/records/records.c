/* records.c - whole records as values: how many fields they need, and how they are handed to another process.
 *
 *     records about                    version of libmsgpack; "" without it
 *     records profile N SEED           a map of N records as this program was compiled: full, or -DLITE
 *     records update HOW N SEED        one field of a record in a map changed: struct, flat, msgpack
 *     records hand HOW N SEED          N records to a worker process through shared memory: flat, msgpack
 *
 * A flat record can be used where it lies: fixed fields first, then the bytes of its strings, found by offset.
 *
 *     | size | id | visits | balance | name: at, len | email: at, len | name bytes | email bytes |
 *
 * A MessagePack record is shorter, but must be parsed to be read and packed again to be changed.
 *
 *     ring in shared memory     |record|record|record|.......|     head: written by the maker after each batch
 *                               ^tail                ^head         tail: written by the worker
 *
 * Only making and reading records is timed; waiting for the other process is not.
 */
#define _GNU_SOURCE
#include "../measure.h"

#include <assert.h>
#include <gomap/typed.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_MSGPACK
#include <msgpack.h>
#endif

static void worked(gomap_err err) {
    if (err) fail("records: %s", gomap_strerror(err));
}

/* ---- profiles --------------------------------------------------------------------------------------- */

/* Fields a small build needs come first, so that code that knows only them reads both kinds. */
#define LITE_FIELDS(F) F(uint64_t, id) F(gomap_str, name)
#define MORE_FIELDS(F)                                                                                       \
    F(gomap_str, email)                                                                                      \
    F(gomap_str, address)                                                                                    \
    F(gomap_str, phone)                                                                                      \
    F(uint64_t, created)                                                                                     \
    F(uint64_t, updated)                                                                                     \
    F(uint64_t, visits)                                                                                      \
    F(double, balance) F(uint64_t, age) F(uint64_t, flags) F(uint64_t, parent)
#define DECLARE(type, name) type name;
#define COUNT(type, name)   +1
#define SAME_PLACE(type, name)                                                                               \
    static_assert(offsetof(struct lite, name) == offsetof(struct full, name), "full begins as lite");

struct lite {
    LITE_FIELDS(DECLARE)
};
struct full {
    LITE_FIELDS(DECLARE)
    MORE_FIELDS(DECLARE)
};
LITE_FIELDS(SAME_PLACE)
static_assert(sizeof(void *) != 8 || (sizeof(struct lite) == 24 && sizeof(struct full) == 128),
              "without padding");

#ifdef LITE
typedef struct lite profile;
enum { FIELDS = LITE_FIELDS(COUNT) };
#else
typedef struct full profile;
enum { FIELDS = LITE_FIELDS(COUNT) MORE_FIELDS(COUNT) };
#endif
GOMAP_DEFINE(profiles, uint64_t, profile);

static int profile_map(size_t n, uint64_t seed) {
    gomap *m;
    worked(profiles_new(&m));
    profile p;
    memset(&p, 0, sizeof p);
    p.name = (gomap_str){"some name", 9};
    uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) {
        p.id = i;
        worked(profiles_put(m, mix((seed << 32) + i), p));
    }
    double insert = (double)(cpu_ns() - start) / (double)n;
    uint64_t sum = 0, again = 0;
    start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) sum += profiles_get(m, mix((seed << 32) + mix(i) % n))->id;
    double get = (double)(cpu_ns() - start) / (double)n;
    for (uint64_t i = 0; i < n; i++) sum -= mix(i) % n;
    profiles_iter it;
    start = cpu_ns();
    for (profiles_iter_init(&it, m); profiles_iter_next(&it);) again += it.value->id;
    double walk = (double)(cpu_ns() - start) / (double)n;
    if (sum || again != (uint64_t)n * (n - 1) / 2) fail("records: a record is wrong");
    gomap_stats s = {.size = sizeof s};
    worked(gomap_get_stats(m, &s));
    printf("{\"fields\":%d,\"bytes\":%zu,\"insert\":%.3f,\"get\":%.3f,\"walk\":%.3f,\"held\":%.3f}\n", FIELDS,
           sizeof(profile), insert, get, walk, (double)s.bytes / (double)n);
    gomap_free(m);
    return 0;
}

/* ---- one record in two formats ---------------------------------------------------------------------- */

enum { NAME_MAX_HERE = 24, EMAIL_MAX_HERE = 32, BLOB = 120 };
struct person {
    uint64_t id, visits;
    double balance;
    uint32_t name_len, email_len;
    char name[NAME_MAX_HERE], email[EMAIL_MAX_HERE];
};

static struct person person_of(uint64_t i) {
    struct person p = {.id = i, .visits = mix(i) % 1000, .balance = (double)(i % 7777) / 8};
    p.name_len = (uint32_t)snprintf(p.name, sizeof p.name, "name %llu", (unsigned long long)i % 100000000);
    p.email_len =
        (uint32_t)snprintf(p.email, sizeof p.email, "%llu@example.org", (unsigned long long)i % 100000000);
    return p;
}

struct flat {
    uint32_t size, name_at, name_len, email_at, email_len, zero;
    uint64_t id, visits;
    double balance;
    char text[];
};
static_assert(sizeof(struct flat) + NAME_MAX_HERE + EMAIL_MAX_HERE <= BLOB, "a flat record fits");

/* What a reader makes of a record, whatever the format; proof that it was read. */
static uint64_t digest(uint64_t id, uint64_t visits, double balance, const char *name, size_t name_len,
                       const char *email, size_t email_len) {
    uint64_t tail;
    memcpy(&tail, email + email_len - sizeof tail, sizeof tail);
    return id + 3 * visits + (uint64_t)(balance * 8) + (uint64_t)name[name_len - 1] + tail;
}
static uint64_t digest_of(const struct person *p) {
    return digest(p->id, p->visits, p->balance, p->name, p->name_len, p->email, p->email_len);
}

static size_t make_flat(void *to, const struct person *p) {
    struct flat *f = to;
    f->name_at = 0, f->name_len = p->name_len, f->email_at = p->name_len, f->email_len = p->email_len;
    f->id = p->id, f->visits = p->visits, f->balance = p->balance, f->zero = 0;
    memcpy(f->text, p->name, p->name_len);
    memcpy(f->text + p->name_len, p->email, p->email_len);
    f->size = (uint32_t)(sizeof *f + p->name_len + p->email_len + 7) & ~7u; /* the next one is aligned too */
    return f->size;
}
static uint64_t read_flat(const void *at, size_t size) {
    const struct flat *f = at;
    (void)size;
    return digest(f->id, f->visits, f->balance, f->text + f->name_at, f->name_len, f->text + f->email_at,
                  f->email_len);
}

#ifdef HAVE_MSGPACK
static msgpack_sbuffer packed; /* used again: its memory is allocated once */

static size_t make_packed(void *to, const struct person *p) {
    msgpack_packer pk;
    packed.size = 0;
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 5);
    msgpack_pack_uint64(&pk, p->id);
    msgpack_pack_uint64(&pk, p->visits);
    msgpack_pack_double(&pk, p->balance);
    msgpack_pack_str_with_body(&pk, p->name, p->name_len);
    msgpack_pack_str_with_body(&pk, p->email, p->email_len);
    memcpy(to, packed.data, packed.size);
    return packed.size;
}

static msgpack_object_array parse(msgpack_unpacked *result, const void *at, size_t size) {
    msgpack_unpacked_init(result);
    if (msgpack_unpack_next(result, at, size, NULL) != MSGPACK_UNPACK_SUCCESS ||
        result->data.type != MSGPACK_OBJECT_ARRAY || result->data.via.array.size != 5)
        fail("records: a MessagePack record does not parse");
    return result->data.via.array;
}

static uint64_t read_packed(const void *at, size_t size) {
    msgpack_unpacked result;
    msgpack_object *o = parse(&result, at, size).ptr;
    uint64_t d = digest(o[0].via.u64, o[1].via.u64, o[2].via.f64, o[3].via.str.ptr, o[3].via.str.size,
                        o[4].via.str.ptr, o[4].via.str.size);
    msgpack_unpacked_destroy(&result);
    return d;
}

static size_t visit_packed(void *at, size_t size) {
    msgpack_unpacked result;
    msgpack_object *o = parse(&result, at, size).ptr;
    struct person p = {.id = o[0].via.u64, .visits = o[1].via.u64 + 1, .balance = o[2].via.f64};
    p.name_len = o[3].via.str.size, p.email_len = o[4].via.str.size;
    memcpy(p.name, o[3].via.str.ptr, p.name_len);
    memcpy(p.email, o[4].via.str.ptr, p.email_len);
    msgpack_unpacked_destroy(&result);
    return make_packed(at, &p);
}
static const char *msgpack_is(void) { return msgpack_version(); }
#else
static const char *msgpack_is(void) { return ""; }
#endif

static struct format {
    const char *name;
    size_t (*make)(void *to, const struct person *p);
    uint64_t (*read)(const void *at, size_t size);
} formats[] = {
    {"flat", make_flat, read_flat},
#ifdef HAVE_MSGPACK
    {"msgpack", make_packed, read_packed},
#endif
};

static const struct format *format_of(const char *name) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(name, formats[i].name)) return &formats[i];
    fail("records: no format '%s'", name);
}

/* ---- a field changed in a map ----------------------------------------------------------------------- */

struct blob {
    uint32_t size, zero;
    _Alignas(8) unsigned char bytes[BLOB];
};
GOMAP_DEFINE(blobs, uint64_t, struct blob);
GOMAP_DEFINE(people, uint64_t, struct person);

static int update(const char *how, size_t n, uint64_t seed) {
    bool as_struct = !strcmp(how, "struct"), as_flat = !strcmp(how, "flat");
    const struct format *f = as_struct ? NULL : format_of(how);
    gomap *m;
    worked(as_struct ? people_new(&m) : blobs_new(&m));
    uint64_t want = 0, got = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + i);
        struct person p = person_of(i);
        struct blob b = {0};
        want += digest_of(&p);
        if (f) b.size = (uint32_t)f->make(b.bytes, &p);
        worked(as_struct ? people_put(m, key, p) : blobs_put(m, key, b));
    }
    struct allocs before = allocs_now();
    uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + mix(i) % n);
        if (as_struct)
            people_get(m, key)->visits++;
        else if (as_flat)
            ((struct flat *)(void *)blobs_get(m, key)->bytes)->visits++;
#ifdef HAVE_MSGPACK
        else {
            struct blob *b = blobs_get(m, key);
            b->size = (uint32_t)visit_packed(b->bytes, b->size);
        }
#endif
    }
    double ns = (double)(cpu_ns() - start) / (double)n;
    struct allocs took = allocs_since(before);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + i);
        if (as_struct)
            got += digest_of(people_get(m, key));
        else
            got += f->read(blobs_get(m, key)->bytes, blobs_get(m, key)->size);
    }
    if (got != want + 3 * n) fail("records: an update is lost");
    printf("{\"ns\":%.3f,\"allocs\":%.4f}\n", ns, (double)took.calls / (double)n);
    gomap_free(m);
    return 0;
}

/* ---- to another process ----------------------------------------------------------------------------- */

enum { RING = 1 << 20, BATCH = 256, SLOT_MAX = BLOB + 8 };

struct ring {
    _Alignas(64) _Atomic uint64_t head; /* bytes made, ever */
    _Alignas(64) _Atomic uint64_t tail; /* bytes read */
    _Alignas(64) uint64_t worker_ns, digest, allocs;
    uint64_t bytes;
    _Alignas(64) unsigned char data[RING + BATCH * SLOT_MAX]; /* a batch never wraps */
};

/* A batch: its bytes, then records, each behind its size.  It starts within RING and may reach beyond. */
static void work(struct ring *r, const struct format *f, size_t n) {
    struct allocs before = allocs_now();
    for (size_t done = 0; done < n; done += BATCH) {
        uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        while (atomic_load_explicit(&r->head, memory_order_acquire) == tail) sched_yield();
        uint64_t start = cpu_ns();
        const unsigned char *at = r->data + tail % RING, *first = at;
        for (size_t i = 0; i < BATCH && done + i < n; i++) {
            uint64_t size;
            memcpy(&size, at, sizeof size);
            r->digest += f->read(at + sizeof size, size);
            at += sizeof size + ((size + 7) & ~7u);
        }
        r->worker_ns += cpu_ns() - start;
        atomic_store_explicit(&r->tail, tail + (uint64_t)(at - first), memory_order_release);
    }
    r->allocs = allocs_since(before).calls;
}

static int hand(const struct format *f, size_t n, uint64_t seed) {
    struct ring *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct person *people = malloc(n * sizeof *people);
    if (r == MAP_FAILED || !people) fail("records: out of memory");
    uint64_t want = 0, maker_ns = 0;
    for (size_t i = 0; i < n; i++) people[i] = person_of(seed + i), want += digest_of(&people[i]);

    pid_t worker = fork();
    if (worker < 0) fail("records: no worker");
    if (!worker) {
        work(r, f, n);
        _exit(0);
    }
    struct allocs before = allocs_now();
    uint64_t wall = clock_ns(CLOCK_MONOTONIC);
    for (size_t done = 0; done < n; done += BATCH) {
        uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
        while (head + BATCH * SLOT_MAX - atomic_load_explicit(&r->tail, memory_order_acquire) > RING) {
            if (waitpid(worker, NULL, WNOHANG) == worker) fail("records: the worker ended early");
            sched_yield();
        }
        uint64_t start = cpu_ns();
        unsigned char *at = r->data + head % RING, *first = at;
        for (size_t i = 0; i < BATCH && done + i < n; i++) {
            uint64_t size = f->make(at + sizeof size, &people[done + i]);
            memcpy(at, &size, sizeof size);
            r->bytes += size;
            at += sizeof size + ((size + 7) & ~7u);
        }
        maker_ns += cpu_ns() - start;
        atomic_store_explicit(&r->head, head + (uint64_t)(at - first), memory_order_release);
    }
    struct allocs took = allocs_since(before);
    int status;
    if (waitpid(worker, &status, 0) != worker || status) fail("records: the worker failed");
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    if (r->digest != want) fail("records: the worker read something else");
    printf("{\"make\":%.3f,\"read\":%.3f,\"wall\":%.3f,\"bytes\":%.3f,\"make_allocs\":%.4f,\"read_allocs\":%."
           "4f}\n",
           (double)maker_ns / (double)n, (double)r->worker_ns / (double)n, (double)wall / (double)n,
           (double)r->bytes / (double)n, (double)took.calls / (double)n, (double)r->allocs / (double)n);
    free(people);
    return 0;
}

int main(int argc, char **argv) {
    enum { MOST = 100000000 };
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "about") && argc == 2) return printf("{\"msgpack\":\"%s\"}\n", msgpack_is()) < 0;
    if (!strcmp(what, "profile") && argc == 4)
        return profile_map(number_arg(argv[2], "N", 1, MOST), number_arg(argv[3], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "update") && argc == 5)
        return update(argv[2], number_arg(argv[3], "N", 1, MOST), number_arg(argv[4], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "hand") && argc == 5)
        return hand(format_of(argv[2]), number_arg(argv[3], "N", 1, MOST),
                    number_arg(argv[4], "SEED", 0, UINT32_MAX));
    fprintf(stderr, "usage: records about | profile N SEED | update HOW N SEED | hand HOW N SEED\n");
    return 2;
}
