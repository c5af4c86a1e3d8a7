/* cmd_trace.c - hits of probes become events of a timeline.
 *
 *   sites (cmd_sites.c) --> tracer (trace/) --hits--> events, stacks with names --> timeline
 *
 * Names are looked up while the target lives, each address once.  An end of a growth says only which goroutine it was: a
 * goroutine grows one map at a time, so it ends what that one began.
 */
#include "cmd_trace.h"

#include "goruntime/goruntime.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CPU_HZ = 99, FAULTS = 64, GROWING_MAX = 4096, NAMES_MAX = 1 << 16, NAME_ROOM = 256, STW_REASON = 2 };

/* Events of one batch: a timeline points to them. */
struct kept {
    struct kept *next;
    struct ms_event *event;
    struct ms_sight *sight;
    const struct ms_frame **frame;
    size_t frames;
};

/* A growth that has begun. */
struct growing {
    uint64_t goroutine, map, from, to, since_ns;
};

struct ms_trace {
    struct ms_session *s;
    struct ms_tracer *tracer;
    struct ms_timeline *line;
    struct ms_sites *sites;
    struct kept *kept;
    struct growing *growing;
    size_t growths, growing_room;
    uint64_t pause, pause_ns; /* why the program stands still, since when */
    uint64_t taken;
    struct ms_frame **name; /* by address: open addressing */
    size_t names;
    struct ms_images images; /* of a C program */
    bool last;               /* nothing comes any more */
};

/* ---- names of code ------------------------------------------------------------------------------- */

static void name_go(struct ms_go *go, struct ms_frame *f) {
    const struct ms_gomodule *m = ms_gomodule_of_text(go, f->addr);
    struct ms_gofunc fn;
    char function[NAME_ROOM], file[4096];
    if (!m || !ms_gopclntab_find(&m->functions, f->addr, &fn)) return;
    ms_gopclntab_name(&m->functions, &fn, function, sizeof function);
    f->function = ms_strdup(function);
    f->inner = strncmp(function, "runtime.", 8) == 0 || strncmp(function, "internal/runtime/", 17) == 0;
    if (!ms_gopclntab_line(&m->functions, &fn, f->addr, file, sizeof file, &f->line)) return;
    const char *slash = strrchr(file, '/');
    f->file = ms_strdup(slash ? slash + 1 : file);
}

static void name_c(struct ms_trace *t, struct ms_frame *f) {
    const struct ms_image *im = NULL;
    struct ms_bytes memory = {ms_bytes_of_memory, &t->s->process.reader};
    char function[NAME_ROOM];
    uint64_t offset;
    for (size_t i = 0; i < t->images.count && !im; i++)
        if (f->addr >= t->images.image[i].start && f->addr < t->images.image[i].end) im = &t->images.image[i];
    int fd = im ? ms_image_open(&t->s->process, im) : -1;
    if (fd < 0) return;
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    bool known = ms_elf_open(elf, memory, im->start) == MS_ELF_OK &&
                 ms_elf_file_function(elf, (struct ms_bytes){ms_bytes_of_file, &fd}, f->addr, function,
                                      sizeof function, &offset);
    if (known) f->function = ms_strdup(function);
    f->inner = known && strncmp(function, "gomap", 5) == 0;
    free(elf);
    close(fd);
}

/* The place at an address, which was returned to unless it is the innermost. */
static const struct ms_frame *frame_at(struct ms_trace *t, uint64_t addr) {
    static const struct ms_frame nowhere = {NULL, NULL, 0, 0, false};
    size_t i = (size_t)(addr * UINT64_C(0x9e3779b97f4a7c15) >> 40) % (2 * NAMES_MAX);
    while (t->name[i] && t->name[i]->addr != addr) i = (i + 1) % (2 * NAMES_MAX);
    if (t->name[i]) return t->name[i];
    if (t->names == NAMES_MAX) return &nowhere;
    t->names++;
    t->name[i] = ms_alloc(sizeof *t->name[i]);
    *t->name[i] = (struct ms_frame){.addr = addr};
    if (t->s->go)
        name_go(t->s->go, t->name[i]);
    else
        name_c(t, t->name[i]);
    return t->name[i];
}

/* ---- events --------------------------------------------------------------------------------------- */

static const char *type_at(struct ms_trace *t, uint64_t rtype) {
    ms_gotid type = t->s->go && rtype ? ms_gotype_at(t->s->go, rtype) : 0;
    const char *name = type ? ms_gotype_get(t->s->go, type)->name : NULL;
    return name && *name ? name : NULL;
}

static void begin_growth(struct ms_trace *t, const struct ms_hit *h, const struct ms_event *e) {
    for (size_t i = 0; i < t->growths; i++) /* of this goroutine: its end was lost */
        if (t->growing[i].goroutine == h->value[4]) t->growing[i--] = t->growing[--t->growths];
    if (t->growths == GROWING_MAX) return;
    MS_ROOM(t->growing, t->growths, t->growing_room);
    t->growing[t->growths++] = (struct growing){h->value[4], e->map_id, e->a, e->b, e->time_ns};
}

/* false: its beginning was not seen. */
static bool end_growth(struct ms_trace *t, const struct ms_hit *h, struct ms_event *e, uint64_t *ns) {
    for (size_t i = 0; i < t->growths; i++) {
        if (t->growing[i].goroutine != h->value[4]) continue;
        e->map_id = t->growing[i].map, e->a = t->growing[i].from, e->b = t->growing[i].to;
        *ns = e->time_ns - t->growing[i].since_ns;
        t->growing[i] = t->growing[--t->growths];
        return true;
    }
    return false;
}

/* Buckets after: the same, if it was made to grow by overflow buckets alone. */
static uint64_t grown(const struct ms_go *go, uint64_t entries, uint64_t buckets) {
    uint64_t halves = go->build.minor == 21 ? 12 : 13;
    return entries + 1 > 8 && entries + 1 > halves * (buckets / 2) ? buckets * 2 : buckets;
}

/* What a hit at a site of ours says; false: nothing. */
static bool tell(struct ms_trace *t, const struct ms_site *site, const struct ms_hit *h, struct ms_event *e,
                 struct ms_sight *s, uint64_t *ns) {
    e->map_id = h->value[0];
    switch (site->kind) {
    case MS_AT_GROW:
    case MS_AT_REHASH:
        e->kind = MS_EVENT_GROW;
        s->entries = h->value[2];
        e->a = site->kind == MS_AT_GROW ? UINT64_C(1) << (h->value[3] & 63) : h->value[3] / 8;
        e->b = site->kind == MS_AT_GROW ? grown(t->s->go, s->entries, e->a) : e->a * 2;
        begin_growth(t, h, e);
        return true;
    case MS_AT_GROWN: e->kind = MS_EVENT_GROWN; return end_growth(t, h, e, ns);
    case MS_AT_ASSIGN:
        e->kind = MS_EVENT_ASSIGN;
        e->a = s->entries = h->value[2];
        return true;
    case MS_AT_ALLOC:
        e->kind = MS_EVENT_ALLOC;
        e->a = h->value[2];
        return true;
    case MS_AT_STOP:
        e->kind = MS_EVENT_PAUSE;
        e->a = t->pause = h->value[STW_REASON];
        t->pause_ns = e->time_ns;
        return true;
    case MS_AT_START:
        e->kind = MS_EVENT_PAUSED;
        e->a = t->pause;
        if (t->pause_ns) *ns = e->time_ns - t->pause_ns;
        t->pause_ns = 0;
        return true;
    case MS_AT_USDT:
        e->kind = site->event;
        e->copy = site->copy;
        e->a = h->value[1], e->b = h->value[2];
        return true;
    case MS_AT_NONE: break;
    }
    return false;
}

/* Why a Go program stops: the same numbers since 1.21. */
static const char *pause_named(uint64_t why) {
    static const char *const name[] = {"unknown",
                                       "GC mark termination",
                                       "GC sweep termination",
                                       "write heap dump",
                                       "goroutine profile",
                                       "goroutine profile cleanup",
                                       "all goroutines stack trace",
                                       "read mem stats",
                                       "AllThreadsSyscall",
                                       "GOMAXPROCS",
                                       "start trace",
                                       "stop trace"};
    return why && why < sizeof name / sizeof *name ? name[why] : "the world";
}

/* The name of a region or note, of the target; or of a pause. */
static char *text_of(struct ms_trace *t, const struct ms_event *e) {
    char *text = NULL;
    bool of_program = !e->map_id && e->kind < MS_EVENT_ASSIGN;
    if (e->kind == MS_EVENT_PAUSE || e->kind == MS_EVENT_PAUSED) return ms_strdup(pause_named(e->a));
    if (!of_program || !e->a || ms_read_string(&t->s->process.reader, e->a, 160, &text) != MS_READ_OK)
        return NULL;
    return text;
}

static void take(struct ms_trace *t, struct kept *k, size_t at, const struct ms_hit *h) {
    struct ms_event *e = &k->event[at];
    struct ms_sight *s = &k->sight[at];
    uint64_t ns = MS_UNKNOWN;
    *e = (struct ms_event){.ticket = ++t->taken, .time_ns = h->time_ns, .thread = h->thread};
    *s = (struct ms_sight){.entries = MS_UNKNOWN, .goroutine = h->value[4], .frame = k->frame + k->frames};
    if (h->site == MS_SITE_CPU || h->site == MS_SITE_FAULTS) {
        e->kind = h->site == MS_SITE_CPU ? MS_EVENT_CPU : MS_EVENT_FAULTS;
        e->a = h->site == MS_SITE_CPU ? 0 : FAULTS;
    } else if (t->line->hits++,
               h->site >= t->sites->request.sites || !tell(t, &t->sites->site[h->site], h, e, s, &ns)) {
        return;
    }
    bool typed = e->kind == MS_EVENT_GROW || e->kind == MS_EVENT_ASSIGN;
    if (t->s->go && typed) s->type = type_at(t, h->value[1]);
    for (uint32_t i = 0; i < h->frames && i < MS_HIT_FRAMES; i++)
        if (h->frame[i]) s->frame[s->frames++] = frame_at(t, h->frame[i] - (i > 0));
    k->frames += s->frames;
    ms_timeline_add(t->line, e, s, text_of(t, e));
    struct ms_moment *m = &t->line->moment[t->line->moments - 1];
    m->ns = ns; /* at once, for whoever does not wait for the end */
    if (e->map_id) ms_timeline_id(t->line, e, m->id);
}

/* ---- a trace ------------------------------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int ms_trace_open(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                  struct ms_timeline *line, struct ms_trace **out, struct ms_error *err) {
    struct ms_trace *t = *out = ms_alloc(sizeof *t);
    *t = (struct ms_trace){.s = s, .tracer = &cmd->tracer, .line = line};
    t->sites = ms_alloc(sizeof *t->sites);
    t->name = ms_alloc(2 * NAMES_MAX * sizeof *t->name);
    *t->sites = (struct ms_sites){.request = {.pid = s->process.pid}};
    if (cmd->join) t->sites->request.cpu_hz = CPU_HZ, t->sites->request.fault_every = FAULTS;
    int status = s->go ? MS_OK : ms_images_load(&s->process, &t->images, err);
    if (status == MS_OK) status = ms_sites_find(cmd, s, snap, t->sites, err);
    if (status == MS_OK)
        status = ms_tracer_attach(t->tracer, &t->sites->request, t->sites->file, t->sites->files,
                                  &line->cost_ns, err);
    for (size_t i = 0; i < t->sites->files; i++) close(t->sites->file[i]);
    if (status == MS_OK)
        status = ms_process_check(&s->process, err); /* it was this one, and no later one with its number */
    if (status == MS_OK && t->sites->lacking)
        ms_snapshot_note(snap, "not watched: %s: %s", t->sites->lacking, t->sites->why);
    line->traced = true;
    line->probes = t->sites->request.sites;
    line->of_go = s->go != NULL;
    line->wall_minus_mono_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    return status;
}

static struct kept *keep(struct ms_trace *t, const struct ms_trace_batch *b) {
    struct kept *k = ms_alloc(sizeof *k);
    size_t frames = 0;
    for (size_t i = 0; i < b->count; i++) frames += ms_min(b->hit[i].frames, MS_HIT_FRAMES);
    *k = (struct kept){t->kept, ms_alloc(b->count * sizeof *k->event), ms_alloc(b->count * sizeof *k->sight),
                       ms_alloc(frames * sizeof *k->frame), 0};
    return t->kept = k;
}

int ms_trace_read(struct ms_trace *t, int wait_ms, struct ms_error *err) {
    struct ms_trace_batch *b = ms_alloc(sizeof *b);
    int status = ms_tracer_read(t->tracer, wait_ms, b, err);
    if (status == MS_OK && b->count) {
        struct kept *k = keep(t, b);
        for (size_t i = 0; i < b->count; i++) take(t, k, i, &b->hit[i]);
    }
    if (b->count || b->last) t->line->lost = b->lost;
    t->last = b->last;
    free(b);
    return status;
}

int ms_trace_stop(struct ms_trace *t, struct ms_error *err) {
    int status = ms_tracer_stop(t->tracer, err);
    while (status == MS_OK && !t->last) status = ms_trace_read(t, -1, err);
    return status;
}

void ms_trace_close(struct ms_trace *t) {
    if (!t) return;
    for (struct kept *k = t->kept, *next; k; k = next) {
        next = k->next;
        free(k->event);
        free(k->sight);
        free(k->frame);
        free(k);
    }
    for (size_t i = 0; t->name && i < 2 * NAMES_MAX; i++) {
        if (!t->name[i]) continue;
        free((char *)(uintptr_t)t->name[i]->function);
        free((char *)(uintptr_t)t->name[i]->file);
        free(t->name[i]);
    }
    ms_images_free(&t->images);
    free(t->name);
    free(t->growing);
    free(t->sites);
    free(t);
}
