/* cmd_holders.c - `mapscope holders TARGET MAP`: every path by which the program comes to a map.
 *
 *   Go   the walk's own graph: paths named by types, the dominator, and on request what the map retains
 *   C    a scan of writable memory for the map's address (model/scan.c), named by the images' symbols
 */
#include "cmd.h"

#include "goruntime/goholders.h"

#include <stdlib.h>
#include <string.h>

enum { PATHS_SHOWN = 20, LOOKED_AT = 4 /* paths for each one shown, as words of one frame become one */ };

/* ---- Go ---------------------------------------------------------------------------------------- */

/* The path along the first n words of a way, and the type of what it ends in. */
static char *path_of(struct ms_go *go, const struct ms_goway *w, size_t n, uint64_t end, ms_gotid *type) {
    size_t kept = 0;
    uint64_t *turned = ms_alloc((n + 1) * sizeof *turned);
    for (size_t i = n; i-- > 0;)
        if (w->word[i]) turned[kept++] = w->word[i];
    char *text = ms_gopath_along(go, turned, kept, end, type);
    free(turned);
    return text;
}

/* The frame that holds addr; false: it lies in none. */
static bool frame_of(struct ms_go *go, uint64_t addr, const struct ms_goroutine **r, struct ms_goframe *f) {
    const struct ms_goarea *a = addr ? ms_goheap_find(go, addr) : NULL;
    *r = a && a->kind == MS_GO_STACK ? &go->routine[a->index] : NULL;
    return *r && ms_gopath_frame(go, *r, addr, f);
}

static void take_frame(struct ms_go *go, uint64_t addr, struct ms_holder *out) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    const struct ms_goroutine *r;
    struct ms_goframe f;
    bool named = frame_of(go, addr, &r, &f);
    if (!r) return;
    out->root = MS_ROOT_STACK;
    out->goroutine = r->id;
    out->perhaps = out->words && ms_gostack_word(go, a, addr) != MS_GO_LIVE;
    if (!named) return;
    if (*f.function) out->function = ms_strdup(f.function);
    if (*f.file) out->file = ms_strdup(f.file), out->line = f.line;
}

/* The holder from another word of the same frame, if the way goes on as from there. */
static struct ms_holder *same_frame(struct ms_go *go, const struct ms_goway *w,
                                    const struct ms_holders *all) {
    const struct ms_goroutine *mine, *other;
    struct ms_goframe f, g;
    if (!w->words || !frame_of(go, w->word[0], &mine, &f)) return NULL;
    for (size_t i = all->holders; i-- > 0;) {
        struct ms_holder *h = &all->holder[i];
        if (h->words != w->words || memcmp(h->word + 1, w->word + 1, (w->words - 1) * sizeof *w->word) != 0)
            continue;
        if (frame_of(go, h->word[0], &other, &g) && other == mine && f.sp == g.sp) return h;
    }
    return NULL;
}

static void take_way(struct ms_go *go, struct ms_goway *w, uint64_t header, size_t most,
                     struct ms_holders *out) {
    struct ms_holder *h = same_frame(go, w, out);
    ms_gotid type;
    if (h) {
        MS_ROOM(h->beside, h->besides, h->beside_room);
        h->beside[h->besides++] = w->word[0];
        if (out->paths != UINT64_MAX) out->paths--;
        const struct ms_goarea *a = ms_goheap_find(go, w->word[0]);
        h->perhaps = h->perhaps && ms_gostack_word(go, a, w->word[0]) != MS_GO_LIVE;
        return;
    }
    if (out->holders >= most) return;
    h = ms_holders_add(out);
    h->path = path_of(go, w, w->words, header, &type);
    h->word = w->word;
    h->words = w->words;
    w->word = NULL;
    if (h->words && h->word[0] == 0)
        h->root = MS_ROOT_RUNTIME;
    else
        take_frame(go, h->words ? h->word[0] : header, h);
}

static void take_dominator(struct ms_go *go, const struct ms_goholders *found, uint64_t header,
                           struct ms_holders *out) {
    const struct ms_goway *w = found->way;
    size_t at = found->dominator;
    if (found->ways && w->words == 0) { /* it lies in a root, which is then what holds it */
        ms_gotid none;
        out->dominator = path_of(go, w, 0, header, &none);
        out->dominator_addr = header;
    }
    if (at == SIZE_MAX) return;
    bool root = at == 0;
    ms_gotid type;
    out->dominator = path_of(go, w, root ? 1 : at, 0, &type);
    out->dominator_addr = w->word[at];
    if (root) return;
    const struct ms_gotype *t = ms_gotype_get(go, type);
    if (t->name) out->dominator_type = ms_strdup(t->name);
    ms_goheap_object(go, w->word[at], &out->dominator_addr);
}

int ms_session_go_holders(struct ms_session *s, const struct ms_map *m, size_t most, bool retained,
                          struct ms_holders *out, struct ms_error *err) {
    struct ms_goholders found;
    int status = ms_goholders_find(s->go, m->addr, LOOKED_AT * most, retained, &found, err);
    *out = (struct ms_holders){.paths = found.all,
                               .pointers = found.pointers,
                               .cut = found.cut,
                               .retained_bytes = retained ? found.retained_bytes : MS_UNKNOWN,
                               .retained_objects = retained ? found.retained_objects : MS_UNKNOWN};
    if (status == MS_OK) take_dominator(s->go, &found, m->addr, out);
    for (size_t i = 0; status == MS_OK && i < found.ways; i++)
        take_way(s->go, &found.way[i], m->addr, most, out);
    ms_goholders_free(&found);
    return status;
}

const char ms_retained_go_only[] = "--retained: only in Go programs is it known what a map's entries hold";

/* ---- the verb ---------------------------------------------------------------------------------- */

int ms_session_holders(struct ms_session *s, const struct ms_map *m, size_t most, bool retained,
                       struct ms_holders *out, struct ms_error *err) {
    if (s->rec && retained) return ms_rec_lacks(s->rec, "what entries hold", NULL, err);
    if (s->rec) return ms_session_rec_holders(s, m, out, err);
    if (ms_map_of_go(m)) return ms_session_go_holders(s, m, most, retained, out, err);
    if (retained) return ms_fail(err, MS_USAGE, "%s", ms_retained_go_only);
    out->retained_bytes = out->retained_objects = MS_UNKNOWN;
    return ms_session_scan(s, m, most, out, err);
}

int ms_cmd_holders(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_holders held = {0};
    const struct ms_map *map = NULL;
    int status = ms_session_map(cmd, &s, &snap, &map, err);
    size_t most = cmd->limit ? cmd->limit : PATHS_SHOWN;
    if (status == MS_OK) status = ms_session_holders(&s, map, most, cmd->retained, &held, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (s.process.mem_fd >= 0 && (status == MS_OK || status == MS_GONE)) {
        struct ms_error why = *err;
        if (ms_process_check(&s.process, &why)) status = MS_GONE, *err = why;
    }
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json) {
            ms_json_holders(cmd->out, &snap, map, &held);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_holders(cmd->out, &cmd->style, map, &held);
        }
    }
    if (status == MS_OK && held.pointers == 0 && held.holders == 0)
        status = ms_fail(err, MS_UNCERTAIN,
                         "nothing that points to the map was found: it changed while it was looked for");
    if (status == MS_OK) status = ms_session_whole(&s, err);
    ms_holders_free(&held);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
