/* lib/observe/sample.c - which bytes of maps are sampled, and what is kept of them.
 *
 * A map's memory is seen as a pile of bytes.  It grows from the top and shrinks from the top, whatever lies where:
 *
 *   total bytes   .-- to
 *       |    [####]  piece: bucket (stack, labels, type), weight
 *       |    |    `-- from
 *       |    [....]  bytes nobody sampled
 *       |    [####]
 *       0
 *
 * When b bytes come on top, they become a piece with probability 1 - exp(-b / rate): a thread draws how many bytes it lets
 * pass before the next sample, exponentially distributed, so that the bytes sampled are a Poisson process (as tcmalloc and
 * Go have it).  A piece stands for 1 / probability of its kind.  When the pile gets lower, pieces above it go, one that
 * it cuts gets shorter.  So no address is tracked, and a table that moves is still the same pile.
 *
 * Sums are kept by bucket; of the peak too, without a copy at each new peak: each peak has a number, and a bucket notes its
 * sums for the last peak before it changes (at_peak).
 *
 * Everything is under one lock, taken only for what is sampled and for maps that have pieces.  What readers outside of the
 * process follow is described in inspect.h, and numbered at every change.  Its memory is the library's own: a malloc that itself keeps maps may be what we are called from.
 */
#include "observe_internal.h"

#include <pthread.h>
#include <sys/mman.h>

struct gomap_samples gomap__samples = {.size = sizeof(struct gomap_samples), .rate = &gomap__world.profile_bytes};
static_assert(sizeof(double) == 8, "as inspect.h has it");

/* ---- memory: carved from mappings, reused by size, never given back ---------------------------------- */

enum { SLAB = 256 << 10, MOST = 64 << 10 };
static struct {
    uint8_t *at, *end;
} slab;
static struct gomap_sampled_piece *free_pieces;
static struct gomap_sampled_map *free_tracked;

static void *carve(size_t bytes) {
    bytes = (bytes + 15) / 16 * 16;
    if (bytes > MOST) return NULL;
    if ((size_t)(slab.end - slab.at) < bytes) {
        void *p = mmap(NULL, SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return NULL;
        slab.at = p, slab.end = slab.at + SLAB;
    }
    slab.at += bytes;
    return slab.at - bytes;
}

/* ---- hash tables of lists ------------------------------------------------------------------------------ */

enum { HEADS = 4096 };
static struct gomap_sampled_stack *stacks[HEADS];
static struct gomap_sampled_labels *labels;
static struct gomap_sampled_bucket *buckets[HEADS];

static uint64_t mix(uint64_t a, uint64_t b) { return gomap__mum(a ^ UINT64_C(0x9e3779b97f4a7c15), b | 1); }

static const struct gomap_sampled_stack *intern_stack(const uint64_t *pc, unsigned frames) {
    uint64_t hash = frames;
    for (unsigned i = 0; i < frames; i++) hash = mix(hash ^ pc[i], UINT64_C(0xa0761d6478bd642f));
    struct gomap_sampled_stack **head = &stacks[hash % HEADS];
    for (struct gomap_sampled_stack *s = *head; s; s = s->next)
        if (s->hash == hash && s->frames == frames && !memcmp(s->pc, pc, frames * sizeof *pc)) return s;
    struct gomap_sampled_stack *s = carve(sizeof *s + frames * sizeof *pc);
    if (!s) return NULL;
    s->hash = hash, s->frames = frames, s->next = *head;
    memcpy(s->pc, pc, frames * sizeof *pc);
    return *head = s;
}

/* false: no memory */
static bool intern_labels(const char *text, size_t bytes, const struct gomap_sampled_labels **out) {
    *out = NULL;
    if (!bytes) return true;
    for (struct gomap_sampled_labels *l = labels; l; l = l->next)
        if (l->bytes == bytes && !memcmp(l->text, text, bytes)) return *out = l, true;
    struct gomap_sampled_labels *l = carve(sizeof *l + bytes);
    if (!l) return false;
    l->bytes = (uint32_t)bytes, l->next = labels;
    memcpy(l->text, text, bytes);
    *out = labels = l;
    return true;
}

static struct gomap_sampled_bucket *find_bucket(const struct gomap_sampled_stack *stack,
                                                const struct gomap_sampled_labels *with, uint32_t kind, const void *type) {
    struct gomap_sampled_bucket **head = &buckets[mix(stack->hash ^ (uintptr_t)with, (uintptr_t)type) % HEADS];
    for (struct gomap_sampled_bucket *b = *head; b; b = b->next)
        if (b->stack == stack && b->labels == with && b->type == type) return b;
    struct gomap_sampled_bucket *b = carve(sizeof *b);
    if (!b) return NULL;
    *b = (struct gomap_sampled_bucket){
        .next = *head, .all = gomap__samples.buckets, .stack = stack, .labels = with, .type = type, .kind = kind};
    gomap__samples.nbuckets++;
    return *head = gomap__samples.buckets = b;
}

static struct gomap_sampled_map **place_of(struct gomap_sampled_map **in, uint64_t mask, uint64_t id) {
    return &in[mix(id, UINT64_C(0xe7037ed1a0b428db)) & mask];
}

static bool widen(void) {
    uint64_t heads = gomap__samples.maps ? 4 * (gomap__samples.map_mask + 1) : 1024;
    struct gomap_sampled_map **more = mmap(NULL, heads * sizeof *more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) return false;
    for (uint64_t i = 0; gomap__samples.maps && i <= gomap__samples.map_mask; i++)
        for (struct gomap_sampled_map *t = gomap__samples.maps[i], *next; t; t = next) {
            struct gomap_sampled_map **to = place_of(more, heads - 1, t->id);
            next = t->next, t->next = *to, *to = t;
        }
    if (gomap__samples.maps) munmap(gomap__samples.maps, (gomap__samples.map_mask + 1) * sizeof *gomap__samples.maps);
    gomap__samples.maps = more, gomap__samples.map_mask = heads - 1;
    return true;
}

static struct gomap_sampled_map *find_tracked(uint64_t id) {
    const struct gomap_samples *s = &gomap__samples;
    struct gomap_sampled_map *t = s->maps ? *place_of(s->maps, s->map_mask, id) : NULL;
    while (t && t->id != id) t = t->next;
    return t;
}

static struct gomap_sampled_map *track(uint64_t id, const void *map) {
    struct gomap_sampled_map *t = find_tracked(id);
    if (t) return t;
    if ((!gomap__samples.maps || gomap__samples.nmaps > gomap__samples.map_mask) && !widen() && !gomap__samples.maps) return NULL;
    if ((t = free_tracked)) free_tracked = t->next;
    if (!t && !(t = carve(sizeof *t))) return NULL;
    struct gomap_sampled_map **head = place_of(gomap__samples.maps, gomap__samples.map_mask, id);
    *t = (struct gomap_sampled_map){.next = *head, .id = id, .map = map};
    gomap__samples.nmaps++;
    return *head = t;
}

/* ---- sums ------------------------------------------------------------------------------------------------- */

const double *gomap__at_peak(struct gomap_sampled_bucket *b) {
    if (b->seen < gomap__samples.peaks) {
        memcpy(b->peak, b->held, sizeof b->peak);
        b->seen = gomap__samples.peaks;
    }
    return b->peak;
}

static void hold(struct gomap_sampled_bucket *b, double objects, double bytes) {
    struct gomap_samples *s = &gomap__samples;
    (void)gomap__at_peak(b);
    b->held[0] += objects, b->held[1] += bytes;
    s->held += bytes;
    if (s->held <= s->peak) return;
    s->peak = s->held;
    s->peaks++;
}

static void push(struct gomap_sampled_map *t, struct gomap_sampled_bucket *b, uint64_t from, uint64_t to, double weight) {
    struct gomap_sampled_piece *p = free_pieces;
    if (p) free_pieces = p->below;
    if (!p && !(p = carve(sizeof *p))) {
        gomap__samples.dropped++;
        return;
    }
    *p = (struct gomap_sampled_piece){.below = t->top, .bucket = b, .map = t, .from = from, .to = to, .weight = weight};
    t->top = p;
    gomap__samples.npieces++;
    b->taken[0] += weight, b->taken[1] += weight * (double)(to - from);
    hold(b, weight, weight * (double)(to - from));
}

/* The pile is `total` bytes high now. */
static void cut(struct gomap_sampled_map *t, uint64_t total) {
    for (struct gomap_sampled_piece *p; (p = t->top) && p->to > total;) {
        uint64_t left = p->from < total ? total - p->from : 0;
        hold(p->bucket, left ? 0 : -p->weight, -p->weight * (double)(p->to - p->from - left));
        p->to = p->from + left;
        if (left) return;
        t->top = p->below;
        p->below = free_pieces, free_pieces = p;
        gomap__samples.npieces--;
    }
}

static void untrack(struct gomap_sampled_map *t) {
    struct gomap_sampled_map **at = place_of(gomap__samples.maps, gomap__samples.map_mask, t->id);
    while (*at != t) at = &(*at)->next;
    *at = t->next;
    t->next = free_tracked, free_tracked = t;
    gomap__samples.nmaps--;
}

/* ---- the lock ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void gomap__samples_lock(void) { pthread_mutex_lock(&lock); }
void gomap__samples_unlock(void) { pthread_mutex_unlock(&lock); }

/* Around what changes something, under the lock: readers outside the process see by the number that they must start over. */
static void begin_change(void) {
    __atomic_store_n(&gomap__samples.seq, gomap__samples.seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_change(void) {
    __atomic_store_n(&gomap__samples.seq, gomap__samples.seq + 1, __ATOMIC_RELEASE);
}

static void prepare(void) {
    pthread_atfork(gomap__samples_lock, gomap__samples_unlock, gomap__samples_unlock);
    gomap__stack_prepare();
}

/* ---- drawing -------------------------------------------------------------------------------------------------- */

static __thread struct {
    uint64_t state, rate; /* of the generator; the rate that `left` was drawn for */
    uint64_t left;        /* bytes to let pass */
    bool busy;            /* an unwinder allocates: perhaps from maps */
} mine;

/* -ln(u) for a uniform u in (0, 1], without the mathematics library: ln(2^-e m) by the series of artanh. */
static double exponential(uint64_t random) {
    double u = ((double)(random >> 11) + 1) / 9007199254740992.0, m = u;
    int e = 0;
    while (m < 0.75) m *= 2, e++;
    double y = (m - 1) / (m + 1), y2 = y * y, sum = 0, power = y;
    for (int k = 1; k < 24; k += 2) sum += power / k, power *= y2;
    return e * 0.69314718055994530942 - 2 * sum;
}

/* 1 - exp(-x), x >= 0 */
static double probability(double x) {
    if (x > 40) return 1;
    int halvings = 0;
    while (x > 0.125) x /= 2, halvings++;
    double p = 0, term = 1; /* of exp(-x) - 1, which keeps its digits near 0 */
    for (int k = 1; k < 12; k++) p += term *= -x / k;
    while (halvings--) p = p * (2 + p);
    return -p;
}

static uint64_t next_random(void) {
    if (!mine.state) mine.state = gomap__iter_seed() ^ (uintptr_t)&mine;
    uint64_t z = mine.state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void draw(uint64_t rate) {
    double left = exponential(next_random()) * (double)rate;
    mine.rate = rate;
    mine.left = left < 1e18 ? (uint64_t)left : UINT64_C(1000000000000000000);
}

/* Is one of these bytes sampled? */
static bool hit(uint64_t bytes, uint64_t rate) {
    if (rate == 1) return true;
    if (mine.rate != rate) draw(rate);
    if (bytes <= mine.left) {
        mine.left -= bytes;
        return false;
    }
    draw(rate);
    return true;
}

/* ---- what the engine tells -------------------------------------------------------------------------------------- */

static void keep(const struct gomap__pile *of, uint64_t bytes, double weight) {
    uint64_t pc[STACK_MAX];
    char text[LABELS_BYTES];
    unsigned frames = gomap__stack(pc);
    size_t len = gomap__labels(text);
    const struct gomap_sampled_labels *with;
    gomap__samples_lock();
    begin_change();
    const struct gomap_sampled_stack *stack = intern_stack(pc, frames);
    bool labelled = stack && intern_labels(text, len, &with);
    struct gomap_sampled_bucket *b = labelled ? find_bucket(stack, with, of->kind, of->type) : NULL;
    struct gomap_sampled_map *t = b ? track(of->id, of->map) : NULL;
    if (t) {
        cut(t, of->total - bytes);
        push(t, b, of->total - bytes, of->total, weight);
    } else {
        gomap__samples.dropped++;
    }
    end_change();
    gomap__samples_unlock();
}

void gomap__pile_grew(const struct gomap__pile *of, uint64_t bytes) {
    uint64_t rate = gomap__world.profile_bytes;
    if (mine.busy || !bytes || !rate || !hit(bytes, rate)) return;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    mine.busy = true;
    pthread_once(&once, prepare);
    keep(of, bytes, rate == 1 ? 1 : 1 / probability((double)bytes / (double)rate));
    mine.busy = false;
}

void gomap__pile_changed(const struct gomap *m, uint64_t before) {
    uint64_t now = gomap__pile_bytes(m);
    if (m->cookie == GOMAP_COOKIE_STASH || !m->id) return; /* not yet a map anybody knows */
    if (now > before)
        gomap__pile_grew(&(struct gomap__pile){m->id, now, m, m->desc, GOMAP_KIND_GOMAP}, now - before);
    else if (now < before)
        gomap__pile_is(m->id, now);
}

void gomap__pile_is(uint64_t id, uint64_t total) {
    gomap__samples_lock();
    struct gomap_sampled_map *t = find_tracked(id);
    if (t) {
        begin_change();
        cut(t, total);
        if (!t->top) untrack(t);
        end_change();
    }
    gomap__samples_unlock();
}

/* ---- for whoever writes profiles ---------------------------------------------------------------------------------- */

void gomap__each_piece(void (*fn)(const struct gomap_sampled_piece *p, void *ctx), void *ctx) {
    for (uint64_t i = 0; gomap__samples.maps && i <= gomap__samples.map_mask; i++)
        for (const struct gomap_sampled_map *t = gomap__samples.maps[i]; t; t = t->next)
            for (const struct gomap_sampled_piece *p = t->top; p; p = p->below) fn(p, ctx);
}

void gomap_profile_reset(void) {
    gomap__samples_lock();
    begin_change();
    for (struct gomap_sampled_bucket *b = gomap__samples.buckets; b; b = b->all) {
        memcpy(b->taken, b->held, sizeof b->taken);
        b->seen = 0;
    }
    gomap__samples.peak = gomap__samples.held;
    gomap__samples.peaks++;
    end_change();
    gomap__samples_unlock();
}
