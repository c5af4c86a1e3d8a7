/* fuzz_go_walk.c - the walk over a Go program's heap, paths, holders and both backends, over a target that lies.
 *
 *   input   version 1 | flags 1 | lies of 14 bytes: place 3, how 1, from read 1, every 1, value 8
 *
 * The miniature program (go_world.c) is laid out for the version; a lie is told about any byte of it: always, from
 * some read on, or at every n-th read, so what is read may differ between two looks.  With the flag for it the
 * program has a file with debug information, which lies as well.
 *
 * Checked beside "does not crash": statuses are those a verb may return and come with a line; paths are there; parts
 * sum to bytes; unsure figures are marked; an honest world has all its maps.  Limits: READS_MAX reads an input;
 * libFuzzer's -timeout and -rss_limit_mb do the rest.
 */
#include "go_world.h"
#include "goruntime/goholders.h"
#include "model/model.h"
#include "view/explain.h"
#include "view/view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READS_MAX = 1000000, LIES_MAX = 24, LIE = 14, LOOKED_AT = 24, HELD = 1, WAYS = 5, CELLS = 200 };
enum { DEBUG = 1, NO_SWISS = 2, NO_GREEN_TEA = 4, GOES = 8, KNOWN_BITS = 15 };

static struct go_world world;
static struct lie {
    uint64_t value;
    size_t at, width;
    uint8_t from_read, every;
} lie[LIES_MAX];
static size_t lies;
static uint64_t reads, gone_after;

/* Nothing changes while a reader waits. */
int nanosleep(const struct timespec *a, struct timespec *b) {
    (void)a, (void)b;
    return 0;
}

static void require(bool holds) {
    if (!holds) abort();
}

static bool is_told(const struct lie *l) {
    return reads >= l->from_read && (l->every < 2 || reads % l->every == 0);
}

static void tell(const struct lie *l, size_t offset, uint8_t *buf, size_t len) {
    for (size_t k = 0; k < l->width; k++)
        if (l->at + k >= offset && l->at + k - offset < len)
            buf[l->at + k - offset] = (uint8_t)(l->value >> 8 * k);
}

static enum ms_read fake_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx;
    if (++reads > READS_MAX) abort();
    if (gone_after && reads > gone_after) return MS_READ_GONE;
    for (int b = 0; b < GO_FILE; b++) {
        struct go_place p = go_world_place((enum go_block)b);
        if (addr < p.addr || addr - p.addr > p.bytes || len > p.bytes - (addr - p.addr)) continue;
        size_t offset = p.offset + (size_t)(addr - p.addr);
        memcpy(buf, (const uint8_t *)&world + offset, len);
        for (size_t i = 0; i < lies; i++)
            if (is_told(&lie[i])) tell(&lie[i], offset, buf, len);
        return MS_READ_OK;
    }
    return MS_READ_FAULT;
}

static enum ms_read fake_resident(void *ctx, uint64_t addr, uint64_t len, uint64_t *res, uint64_t *swapped) {
    (void)ctx, (void)addr;
    *res = len / 2, *swapped = len - len / 2;
    return ++reads > READS_MAX ? MS_READ_GONE : MS_READ_OK;
}

static bool bytes_of(void *ctx, uint64_t addr, void *buf, size_t len) {
    return ms_read(ctx, addr, buf, len) == MS_READ_OK;
}

/* ---- the input --------------------------------------------------------------------------------- */

/* Words of a block that are not 0, where a lie is most likely to be read. */
static struct {
    uint32_t word[GO_HEAP_BYTES / 8];
    size_t count;
} full[GO_BLOCKS];

static void list_full(void) {
    for (int b = 0; b < GO_BLOCKS; b++) {
        struct go_place p = go_world_place((enum go_block)b);
        full[b].count = 0;
        for (uint32_t i = 0; i < p.bytes / 8; i++) {
            uint64_t v;
            memcpy(&v, (const uint8_t *)&world + p.offset + i * 8, sizeof v);
            if (v) full[b].word[full[b].count++] = i * 8;
        }
    }
}

/* Upper half of `how`: the block; and whether `at` counts its bytes or its words that are not 0. */
static size_t place_of(unsigned how, uint32_t at, size_t width) {
    static const enum go_block block[] = {GO_IMAGE, GO_DATA,  GO_RUNTIME, GO_HEAP,
                                          GO_FILE,  GO_ARENA, GO_ENDED,   GO_ARENAS};
    enum go_block b = block[how % 8];
    struct go_place p = go_world_place(b);
    size_t n = full[b].count;
    if (how & 8 && n) return p.offset + full[b].word[at % n] + at / n % 8 / width * width;
    return p.offset + at % p.bytes / width * width;
}

static uint64_t value_of(unsigned how, uint64_t v) {
    if (how & 4) {
        struct go_place p = go_world_place((enum go_block)((v >> 32) % GO_FILE));
        return p.addr + (v & UINT32_MAX) % p.bytes;
    }
    return how & 8 ? -(v & 0xff) : v;
}

static void take_lies(const uint8_t *data, size_t size) {
    lies = 0;
    for (size_t at = 0; at + LIE <= size && lies < LIES_MAX; at += LIE) {
        const uint8_t *d = data + at;
        struct lie *l = &lie[lies++];
        l->width = (size_t)1 << (d[3] & 3);
        l->at = place_of(d[3] >> 4, (uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16, l->width);
        memcpy(&l->value, d + 6, 8);
        l->value = value_of(d[3], l->value);
        l->from_read = d[4], l->every = d[5] & 7;
    }
}

/* The program's file as a memory file; -1: it is stripped. */
static struct ms_godwarf *open_file(bool wanted) {
    static uint8_t copy[GO_FILE_BYTES];
    if (!wanted) return NULL;
    memcpy(copy, world.file, sizeof copy);
    for (size_t i = 0; i < lies; i++) tell(&lie[i], offsetof(struct go_world, file), copy, world.file_bytes);
    return go_world_dwarf(copy, world.file_bytes);
}

/* ---- maps -------------------------------------------------------------------------------------- */

static int verb_status(int s) { return s == MS_OK || s == MS_GONE || s == MS_UNCERTAIN || s == MS_USAGE; }

static void fill_type(struct ms_go *go, ms_gotid id, struct ms_type *out) {
    const struct ms_gotype *map = ms_gotype_get(go, id);
    const struct ms_gomaptype *m = &map->map;
    static char name[] = "?";
    *out = (struct ms_type){.name = map->name ? map->name : name, .key = name, .value = name};
    out->go = (struct ms_go_shape){.group_size = m->group_size,
                                   .key_off = m->key_off,
                                   .key_stride = m->key_stride,
                                   .elem_off = m->elem_off,
                                   .elem_stride = m->elem_stride,
                                   .key_slot = m->key_slot,
                                   .elem_slot = m->elem_slot,
                                   .key_cell = m->key_far ? 8 : 0,
                                   .elem_cell = m->elem_far ? 16 : 0,
                                   .load_halves = 13,
                                   .pointers = ms_gotype_get(go, map->group)->pointers != 0,
                                   .malloc_headers = go->layout.heap_bits};
}

static uint64_t object_size(void *ctx, uint64_t addr) {
    uint64_t start, bytes = ms_goheap_object(ctx, addr, &start);
    return bytes && addr - start <= MS_GO_PTR ? bytes : 0;
}

static bool take_piece(void *ctx, const struct ms_piece *p) {
    static unsigned told;
    struct ms_place place;
    ms_view_place(ctx, p, p->addr, &place);
    ms_view_place(ctx, p, p->addr + p->len - 1, &place);
    require(place.slot < (int)p->grid.slots || place.slot == p->slot);
    return ++told % 100000 != 0;
}

static void look_closer(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m) {
    struct ms_detail d;
    struct ms_cells c = {.count = 0};
    struct ms_group *g = NULL;
    struct ms_error err = {""};
    uint64_t bound;
    size_t n;
    ms_view_figures(m);
    require(ms_map_sum(m) == m->bytes && (m->certainty == MS_EXACT || m->doubt));
    int status = ms_map_detail(r, s, m, &d, &err);
    require(verb_status(status) && (status == MS_OK || err.line[0]));
    if (status == MS_OK) {
        require(verb_status(ms_map_cells(r, s, &d.map, false, 0, UINT32_MAX, CELLS, &c, &bound, &err)));
        require(c.count <= CELLS);
        require(verb_status(ms_map_groups(r, s, &d.map, 0, 5, &g, &n, &err)));
        require(verb_status(ms_map_pieces(r, s, &d.map, true, take_piece, &d.map, &err)));
        require(verb_status(ms_map_resident(r, s, &d.map, &err)));
    }
    free(g);
    ms_cells_free(&c);
    ms_detail_free(&d);
}

static enum ms_read load(struct ms_go *go, bool sync, struct ms_go_header *at, size_t n,
                         struct ms_snapshot *s) {
    size_t before = s->maps;
    enum ms_read rc = sync ? ms_go_sync_load(go->reader, at, s)
                      : go->layout.swiss
                          ? ms_go_swiss_load(go->reader, at, n, s)
                          : ms_go_classic_load(go->reader, at, n, (uint8_t)go->layout.map_header, s);
    require(s->maps - before == n || rc == MS_READ_GONE);
    for (size_t i = 0; i < n; i++) free(at[i].holder), free(at[i].place);
    return rc;
}

static void look_at_maps(struct ms_go *go) {
    struct ms_snapshot s;
    static struct ms_type type[LOOKED_AT];
    struct ms_go_header at[LOOKED_AT];
    size_t n = 0;
    ms_snapshot_init(&s);
    s.allocator = (struct ms_allocator){object_size, go};
    for (size_t i = 0; i < go->founds && i < LOOKED_AT; i++) {
        const struct ms_gofound *f = &go->found[i];
        at[n] = (struct ms_go_header){.addr = f->header, .type = f->type ? &type[i] : NULL};
        at[n].holder = ms_gopath(go, f, &at[n].place);
        require(at[n].holder && at[n].place);
        if (f->type) fill_type(go, f->type, &type[i]);
        if (!ms_gotype_get(go, f->type)->sync)
            n++;
        else if (load(go, true, &at[n], 1, &s) == MS_READ_GONE)
            break;
    }
    if (n) load(go, false, at, n, &s);
    for (size_t i = 0; i < s.maps; i++) look_closer(go->reader, &s, &s.map[i]);
    s.types = NULL;
    ms_snapshot_free(&s);
}

static void look_at_holders(struct ms_go *go, uint64_t header) {
    struct ms_goholders h;
    struct ms_error err = {""};
    int status = ms_goholders_find(go, header, WAYS, true, &h, &err);
    require(verb_status(status) && (status == MS_OK || err.line[0]));
    if (status != MS_OK) return;
    require(h.ways <= WAYS);
    for (size_t i = 0; i < h.ways; i++) {
        ms_gotid type;
        char *path = ms_gopath_along(go, h.way[i].word, h.way[i].words, header, &type);
        require(path != NULL);
        free(path);
    }
    ms_goholders_free(&h);
}

static void look_at_frames(struct ms_go *go) {
    struct ms_goframe frame;
    for (size_t i = 0; i < go->routines && i < LOOKED_AT; i++)
        if (ms_gopath_frame(go, &go->routine[i], go->routine[i].sp + 0x30, &frame))
            require(memchr(frame.function, 0, sizeof frame.function) &&
                    memchr(frame.file, 0, sizeof frame.file));
}

/* While a walk goes on, again and again: what it has so far is as good as what it has in the end. */
static void use_so_far(void *go) { look_at_maps(go); }
static void meanwhile(void *go) { ms_gowalk_so_far(go, LOOKED_AT, use_so_far, go); }

static bool ask(void *watcher) {
    struct ms_go *go = watcher;
    go->asked = true;
    go->reader->watch_at = 2 * go->reader->bytes;
    return true;
}

static bool changes(void) {
    for (size_t i = 0; i < lies; i++)
        if (lie[i].from_read || lie[i].every > 1) return true;
    return false;
}

/* Walks again where memory has changed meanwhile. */
static void walk(struct ms_go *go) {
    struct ms_error err = {""};
    for (int again = 0; again <= changes(); again++) {
        int status = ms_gowalk_run(go, &err);
        require(status == MS_OK || ((status == MS_GONE || status == MS_UNCERTAIN) && err.line[0]));
        require(lies || gone_after || (status == MS_OK && go->founds == world.maps));
        if (status != MS_OK) return;
        look_at_frames(go);
        if (again) continue;
        look_at_maps(go);
        for (size_t i = 0; i < HELD && go->founds; i++)
            look_at_holders(go, go->found[(lies + i) % go->founds].header);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct ms_elf elf;
    static int laid_out = -1;
    struct ms_reader r = {.read = fake_read, .resident = fake_resident};
    struct ms_error err = {""};
    struct ms_go *go;
    if (size < 2) return 0;
    int versions = MS_GO_NEWEST - MS_GO_OLDEST + 1, minor = MS_GO_OLDEST + data[0] % versions,
        flags = data[1] & KNOWN_BITS, like = minor << 2 | (flags & (NO_SWISS | NO_GREEN_TEA)) >> 1;
    if (laid_out != like) {
        require(go_world_make(&world, minor, flags & NO_SWISS, flags & NO_GREEN_TEA));
        list_full();
    }
    laid_out = like;
    take_lies(data + 2, size - 2);
    reads = 0;
    gone_after = flags & GOES ? 1 + (data[1] >> 4) * UINT64_C(9) : 0;
    if (ms_elf_open(&elf, (struct ms_bytes){bytes_of, &r}, GO_IMAGE_AT) != MS_ELF_OK) return 0;
    int status = ms_go_open(&go, &r, &elf, open_file(flags & DEBUG), &err);
    require(status == MS_OK || (status == MS_UNCERTAIN && err.line[0]));
    require(lies || gone_after || (go && !go->dwarf == !(flags & DEBUG)));
    if (go) {
        r.watch = ask;
        r.watcher = go;
        go->meanwhile = meanwhile;
        go->meanwhile_ctx = go;
        walk(go);
    }
    ms_go_close(go);
    return 0;
}
