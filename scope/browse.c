/* browse.c - see browse.h: rows, keys, the loop.  browsedraw.c draws.
 *
 * Levels.  A row that stands for several maps is opened as a list of its own: the maps that have the row's text as their
 * cluster key (view/cluster.c).  The keys are kept, not the maps, so that the next look fills the same list.
 *
 *   all maps by type          t turns: map, place, type, holder
 *   > main.session x10,000
 *     Enter: by place, of those whose type is main.session     Esc: back
 *       Enter: a row a map, of those that also have that place
 *         Enter: pages of one map
 */
#include "browse.h"
#include "browsedraw.h"

#include "goruntime/goruntime.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ESCAPE = 27,
    WATCH_BYTES = 256 << 10, /* the keyboard is looked at so often */
    SECOND_NS = 1000000000,
    POLL_NS = 30000000,       /* and no more than that */
    FIRST_PART_NS = 500000000 /* what a first look has found by then is shown */
};

static struct ms_browse_level *level_of(struct ms_browse *b) { return &b->level[b->depth]; }

const struct ms_map *ms_browse_rows(const struct ms_browse *b, size_t *n) {
    if (b->level[b->depth].by == MS_BY_MAP) {
        *n = b->cmd->limit && b->cmd->limit < b->n ? b->cmd->limit : b->n;
        return b->snap.map;
    }
    *n = b->clusters.rows;
    return b->clusters.row;
}

/* The cluster a row is; NULL: it is a map. */
static const struct ms_cluster *cluster_of(const struct ms_browse *b, size_t row) {
    bool tree = b->level[b->depth].by != MS_BY_MAP && row < b->clusters.rows;
    return tree && b->clusters.cluster[row].maps > 1 ? &b->clusters.cluster[row] : NULL;
}

static const struct ms_map *find_map(const struct ms_browse *b, uint64_t addr, uint64_t id, uint32_t copy) {
    for (size_t i = 0; i < b->snap.maps; i++) {
        const struct ms_map *m = &b->snap.map[i];
        if (m->addr == addr && m->id == id && m->copy == copy) return m;
    }
    return NULL;
}

/* ---- the chosen row ------------------------------------------------------------------------------ */

static void forget_row(struct ms_browse_row *r) {
    free(r->name);
    *r = (struct ms_browse_row){.known = false};
}

static void note_row(struct ms_browse *b, size_t at, struct ms_browse_row *out) {
    size_t n;
    const struct ms_map *rows = ms_browse_rows(b, &n);
    const struct ms_cluster *c = at < n ? cluster_of(b, at) : NULL;
    forget_row(out);
    if (at >= n) return;
    *out = (struct ms_browse_row){
        .known = true, .addr = rows[at].addr, .id = rows[at].id, .copy = rows[at].copy};
    if (c) out->name = ms_strdup(c->name), out->depth = c->depth;
}

static bool is_row(const struct ms_browse *b, const struct ms_map *rows, size_t i,
                   const struct ms_browse_row *r) {
    const struct ms_cluster *c = cluster_of(b, i);
    if (r->name) return c && c->depth == r->depth && strcmp(c->name, r->name) == 0;
    return !c && rows[i].addr == r->addr && rows[i].id == r->id && rows[i].copy == r->copy;
}

/* The first row stays chosen whatever is there; another one is followed to where it is now. */
static void follow_row(struct ms_browse *b) {
    struct ms_browse_level *l = level_of(b);
    size_t n;
    const struct ms_map *rows = ms_browse_rows(b, &n);
    for (size_t i = 0; l->at && l->row.known && i < n; i++)
        if (is_row(b, rows, i, &l->row)) {
            l->at = i;
            return;
        }
    if (l->at >= n) l->at = n ? n - 1 : 0;
}

static void choose_row(struct ms_browse *b, size_t at) {
    level_of(b)->at = at;
    note_row(b, at, &level_of(b)->row);
}

/* ---- from a look to rows ------------------------------------------------------------------------- */

static bool of_cluster(const struct ms_map *m, enum ms_by by, const char *want) {
    char *key = ms_view_cluster_key(m, by);
    bool same = strcmp(key, want) == 0;
    free(key);
    return same;
}

static bool within(const struct ms_browse *b, const struct ms_map *m) {
    for (size_t d = 1; d <= b->depth; d++)
        for (size_t k = 0; k < b->level[d].keys; k++)
            if (!of_cluster(m, b->level[d].key_by[k], b->level[d].key[k])) return false;
    return true;
}

/* Those of the opened rows come first; returns how many. */
static size_t narrow(struct ms_browse *b) {
    size_t n = 0;
    if (b->depth == 0) return b->snap.maps;
    for (size_t i = 0; i < b->snap.maps; i++) {
        if (!within(b, &b->snap.map[i])) continue;
        struct ms_map m = b->snap.map[n];
        b->snap.map[n++] = b->snap.map[i];
        b->snap.map[i] = m;
    }
    return n;
}

/* Rows anew, of the look that is there. */
static int arrange(struct ms_browse *b, struct ms_error *err) {
    char sort[24];
    size_t all = b->snap.maps, limit = b->cmd->limit;
    snprintf(sort, sizeof sort, "%s%s", b->reverse ? "-" : "", b->sort);
    b->cmd->sort = sort;
    b->cmd->limit = 0;
    b->snap.maps = narrow(b);
    int status = ms_session_select(b->cmd, &b->snap, &b->totals, &b->n, err);
    b->snap.maps = all;
    b->cmd->sort = NULL;
    b->cmd->limit = limit;
    ms_view_clusters_free(&b->clusters);
    if (status == MS_OK)
        status = ms_view_clusters(b->snap.map, b->n, level_of(b)->by, false, sort, limit, &b->clusters, err);
    if (status == MS_OK) follow_row(b);
    return status;
}

static void say(struct ms_browse *b, const char *text) {
    snprintf(b->message, sizeof b->message, "%s", text);
}

static void rearrange(struct ms_browse *b) {
    struct ms_error err;
    if (b->has_look && arrange(b, &err)) say(b, err.line);
}

/* Show this look from now on. */
static int take(struct ms_browse *b, struct ms_snapshot *snap, struct ms_error *err) {
    if (b->has_look) ms_snapshot_free(&b->snap);
    b->snap = *snap;
    b->has_look = true;
    if (!b->by_chosen && b->snap.runtime) b->level[0].by = MS_BY_PLACE; /* as in `list` */
    b->by_chosen = true;
    return arrange(b, err);
}

/* ---- pages --------------------------------------------------------------------------------------- */

static void set_text(struct ms_browse *b, char *text) {
    free(b->text);
    b->text = text;
    b->lines = 0;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') b->lines++;
}

static void close_page(struct ms_browse *b) {
    b->page = MS_PAGE_NONE;
    set_text(b, ms_strdup(""));
    b->line = 0;
}

static void render_map(struct ms_browse *b) {
    const struct ms_map *m = find_map(b, b->opened.addr, b->opened.id, b->opened.copy);
    struct ms_error err = {""};
    char *text = NULL;
    size_t length;
    if (!m) {
        say(b, "the map is gone: this is how it was");
        return;
    }
    FILE *f = open_memstream(&text, &length);
    if (!f) return;
    struct ms_style st = ms_browse_style(b);
    int status = ms_drill_put(b->session, &b->snap, m, b->drill, &st, f, &err);
    if (status) {
        char *line = ms_text_escape(err.line, st.utf8);
        fprintf(f, "%s\n", line);
        free(line);
    }
    fclose(f);
    set_text(b, text);
}

static void open_text(struct ms_browse *b, enum ms_page page) {
    b->page = page;
    b->line = 0;
    set_text(b, page == MS_PAGE_HELP ? ms_browse_help(b) : ms_browse_notes(b));
}

static void open_map(struct ms_browse *b, enum ms_drill drill) {
    struct ms_browse_level *l = level_of(b);
    if (b->page != MS_PAGE_MAP) note_row(b, l->at, &b->opened);
    const struct ms_map *m = find_map(b, b->opened.addr, b->opened.id, b->opened.copy);
    if (!b->opened.known || !m) return;
    free(b->opened.name);
    b->opened.name = ms_map_label(m);
    b->page = MS_PAGE_MAP;
    b->drill = drill;
    b->line = 0;
    render_map(b);
}

/* ---- levels -------------------------------------------------------------------------------------- */

static void drop_level(struct ms_browse_level *l) {
    for (size_t i = 0; i < l->keys; i++) free(l->key[i]);
    free(l->title);
    forget_row(&l->row);
    *l = (struct ms_browse_level){.by = MS_BY_MAP};
}

static void add_key(struct ms_browse_level *l, const struct ms_map *worst, enum ms_by by) {
    l->key_by[l->keys] = by;
    l->key[l->keys++] = ms_view_cluster_key(worst, by);
}

/* The maps of a row, as a list of their own. */
static void open_cluster(struct ms_browse *b, const struct ms_cluster *c, const struct ms_map *row) {
    const struct ms_map *worst = find_map(b, row->addr, row->id, row->copy);
    if (!worst || b->depth + 1 >= MS_LEVELS) return;
    enum ms_by by = level_of(b)->by;
    bool upper = c->depth == 0 && by != MS_BY_PLACE;
    struct ms_browse_level *l = &b->level[b->depth + 1];
    drop_level(l);
    add_key(l, worst, by);
    if (c->depth) add_key(l, worst, MS_BY_PLACE);
    l->by = upper ? MS_BY_PLACE : MS_BY_MAP;
    l->title = ms_strdup(c->name);
    b->depth++;
    rearrange(b);
}

static void open_row(struct ms_browse *b) {
    size_t n;
    const struct ms_map *rows = ms_browse_rows(b, &n);
    struct ms_browse_level *l = level_of(b);
    if (l->at >= n) return;
    const struct ms_cluster *c = cluster_of(b, l->at);
    if (c)
        open_cluster(b, c, &rows[l->at]);
    else
        open_map(b, MS_DRILL_SHOW);
}

/* Out of what was opened last; else of the filter. */
static void go_back(struct ms_browse *b) {
    if (b->page) {
        close_page(b);
        return;
    }
    if (b->depth) {
        drop_level(level_of(b));
        b->depth--;
    } else {
        b->filter[0] = 0;
        b->cmd->filter.terms = 0;
    }
    rearrange(b);
}

/* ---- the filter ---------------------------------------------------------------------------------- */

/* A word without a comparison is part of a name. */
static int parse_filter(struct ms_browse *b, struct ms_filter *out, struct ms_error *err) {
    char *whole = strpbrk(b->input, "<>=!~") ? ms_strdup(b->input) : ms_asprintf("name~%s", b->input);
    *out = (struct ms_filter){.terms = 0};
    int status = b->input[0] ? ms_filter_parse(out, whole, err) : MS_OK;
    free(whole);
    return status;
}

static void type_key(struct ms_browse *b, int key) {
    size_t n = strlen(b->input);
    struct ms_filter filter;
    struct ms_error err;
    if (key == ESCAPE) {
        b->typing = false;
    } else if (key == '\r' || key == '\n' || key == KEY_ENTER) {
        if (parse_filter(b, &filter, &err)) {
            say(b, err.line);
            return;
        }
        b->typing = false;
        b->cmd->filter = filter;
        strcpy(b->filter, b->input);
        rearrange(b);
    } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
        while (n && ((unsigned char)b->input[--n] & 0xc0) == 0x80) {}
        b->input[n] = 0;
    } else if (key == ('U' & 0x1f)) {
        b->input[0] = 0;
    } else if (key >= ' ' && key < 256 && key != 127 && n < MS_INPUT_MOST) {
        b->input[n] = (char)key;
        b->input[n + 1] = 0;
    }
}

/* ---- keys ---------------------------------------------------------------------------------------- */

/* Where a key leads from `at` among n, a page being `page`. */
static size_t moved(size_t at, size_t n, size_t page, int key) {
    size_t last = n ? n - 1 : 0;
    switch (key) {
    case KEY_UP:
    case 'k': return at ? at - 1 : 0;
    case KEY_DOWN:
    case 'j': return at < last ? at + 1 : last;
    case KEY_PPAGE: return at > page ? at - page : 0;
    case KEY_NPAGE: return last - at > page ? at + page : last;
    case KEY_HOME: return 0;
    case KEY_END: return last;
    default: return SIZE_MAX;
    }
}

static void turn_tree(struct ms_browse *b) {
    static const enum ms_by next[] = {[MS_BY_MAP] = MS_BY_PLACE,
                                      [MS_BY_PLACE] = MS_BY_TYPE,
                                      [MS_BY_TYPE] = MS_BY_HOLDER,
                                      [MS_BY_HOLDER] = MS_BY_MAP};
    level_of(b)->by = next[level_of(b)->by];
    choose_row(b, 0);
    rearrange(b);
}

static bool list_key(struct ms_browse *b, int key) {
    size_t n;
    ms_browse_rows(b, &n);
    size_t to = moved(level_of(b)->at, n, ms_browse_page(b), key);
    if (to != SIZE_MAX) return choose_row(b, to), true;
    switch (key) {
    case 's': snprintf(b->sort, sizeof b->sort, "%s", ms_view_next_sort(b->sort)); break;
    case 'r': b->reverse = !b->reverse; break;
    case 't': return turn_tree(b), true;
    case '/':
        b->typing = true;
        strcpy(b->input, b->filter);
        return true;
    default: return false;
    }
    rearrange(b);
    return true;
}

static bool page_key(struct ms_browse *b, int key) {
    size_t page = ms_browse_page(b), room = b->lines > page ? b->lines - page : 0;
    size_t to = moved(b->line, room + 1, page, key);
    if (to == SIZE_MAX) return false;
    b->line = to;
    return true;
}

/* Keys that read the target. */
static bool opens(struct ms_browse *b, int key) {
    static const char letter[] = "dhoeg";
    const char *at = key > 0 && key < 128 ? strchr(letter, key) : NULL;
    bool enter = key == '\r' || key == '\n' || key == KEY_ENTER, text = b->page > MS_PAGE_MAP,
         turns = b->page == MS_PAGE_MAP && (key == '\t' || key == KEY_BTAB);
    if (text || !(at || turns || (enter && !b->page))) return false;
    if (b->looking) {
        b->wish = key;
        say(b, "once all is read ...");
        return true;
    }
    if (turns)
        open_map(b, (b->drill + (key == '\t' ? 1 : MS_DRILLS - 1)) % MS_DRILLS);
    else if (enter)
        open_row(b);
    else if (b->page || !cluster_of(b, level_of(b)->at))
        open_map(b, (enum ms_drill)(at - letter));
    else
        say(b, "a row of several maps: Enter lists them");
    return true;
}

/* true: another look is wanted. */
static bool press(struct ms_browse *b, int key) {
    b->message[0] = 0;
    if (key == KEY_RESIZE) {
        if (b->page == MS_PAGE_MAP && !b->looking) render_map(b);
        return false;
    }
    if (b->typing) return type_key(b, key), false;
    if (key == 'q' || key == 'Q') {
        b->leaving = true;
    } else if (key == '?') {
        open_text(b, MS_PAGE_HELP);
    } else if (key == 'n') {
        open_text(b, MS_PAGE_NOTES);
    } else if (key == ESCAPE) {
        go_back(b);
    } else if (opens(b, key) || (b->page && page_key(b, key))) {
        return false;
    } else {
        enum ms_took took = b->ended ? MS_TOOK_NOTHING : b->verb->key(b, key);
        if (took == MS_TOOK_NOTHING && !b->page) list_key(b, key);
        return took == MS_TOOK_LOOK;
    }
    return false;
}

/* ---- looking --------------------------------------------------------------------------------------- */

/* What was found so far. */
static void take_part(void *ctx, struct ms_snapshot *snap, double share, size_t found) {
    struct ms_browse *b = ctx;
    struct ms_error err;
    uint64_t now = ms_now_ns();
    b->share = share < 0.99 ? share : 0.99;
    b->found = found;
    if (take(b, snap, &err)) say(b, err.line);
    ms_browse_draw(b);
    b->session->go->asked = false;
    b->ask_at_ns = now + (now - b->began_ns); /* each part takes its time: the next at twice of now's */
}

static bool watch(void *ctx) {
    struct ms_browse *b = ctx;
    struct ms_reader *r = &b->session->process.reader;
    uint64_t now = ms_now_ns();
    r->watch_at = r->bytes + WATCH_BYTES;
    if (ms_screen_ends()) b->leaving = true;
    if (now < b->polled_ns + POLL_NS || b->leaving) return !b->leaving;
    b->polled_ns = now;
    bool pressed = false;
    for (int key; (key = ms_screen_key(0)) != ERR; pressed = true) (void)press(b, key);
    if (pressed || now - b->drawn_ns > SECOND_NS) {
        ms_browse_draw(b);
        b->drawn_ns = now;
    }
    if (!b->whole && b->session->go && now >= b->ask_at_ns) b->session->go->asked = true;
    return !b->leaving;
}

/* A look failed: the process ended, or it will do better next time, or this is the end. */
static void take_failure(struct ms_browse *b, int status, const struct ms_error *err) {
    if (b->leaving) return;
    b->ended = status == MS_GONE && b->has_look;
    b->trouble = status == MS_UNCERTAIN && b->has_look;
    if (b->ended || b->trouble) say(b, err->line);
    if (b->trouble) return;
    b->status = status;
    b->why = *err;
    b->leaving = !b->ended;
}

static void look(struct ms_browse *b) {
    struct ms_snapshot snap;
    struct ms_error err = {""};
    struct ms_reader *r = &b->session->process.reader;
    if (b->verb->reads) r->watch = watch, r->watcher = b, r->watch_at = r->bytes;
    b->session->so_far = b->whole ? NULL : take_part;
    b->session->so_far_ctx = b;
    b->look_ns = b->drawn_ns = ms_now_ns();
    b->looking = true;
    int status = b->verb->look(b, &snap, &err);
    b->looking = false;
    r->watch = NULL;
    if (status == MS_OK) {
        b->whole = true;
        b->uncertain = snap.uncertain;
        if (b->trouble) b->message[0] = 0;
        b->trouble = false;
        status = take(b, &snap, &err);
    } else {
        ms_snapshot_free(&snap);
    }
    if (status) take_failure(b, status, &err);
    if (b->ended || b->leaving) return;
    int wish = b->wish;
    b->wish = -1;
    if (b->page == MS_PAGE_MAP) render_map(b);
    if (wish >= 0) (void)press(b, wish);
}

/* ---- the whole --------------------------------------------------------------------------------------- */

void ms_browse_init(struct ms_browse *b, const struct ms_browse_verb *verb, struct ms_cmd *cmd,
                    struct ms_session *s) {
    const char *sort = cmd->sort ? cmd->sort : "bytes";
    b->verb = verb;
    b->cmd = cmd;
    b->session = s;
    b->wish = -1;
    b->text = ms_strdup("");
    b->reverse = *sort == '-';
    b->by_chosen = cmd->has_by;
    b->level[0].by = cmd->has_by ? cmd->by : MS_BY_MAP;
    b->began_ns = ms_now_ns();
    b->ask_at_ns = b->began_ns + FIRST_PART_NS;
    snprintf(b->sort, sizeof b->sort, "%s", sort + b->reverse);
    snprintf(b->filter, sizeof b->filter, "%s", cmd->filter_text ? cmd->filter_text : "");
    cmd->sort = NULL;
}

void ms_browse_free(struct ms_browse *b) {
    for (size_t i = 0; i < MS_LEVELS; i++) drop_level(&b->level[i]);
    if (b->has_look) ms_snapshot_free(&b->snap);
    ms_view_clusters_free(&b->clusters);
    forget_row(&b->opened);
    free(b->text);
}

static int browse_once(struct ms_browse *b, struct ms_error *err) {
    struct ms_snapshot snap;
    struct ms_cmd *cmd = b->cmd;
    int status = b->verb->look(b, &snap, err);
    if (status) {
        ms_snapshot_free(&snap);
        return status;
    }
    b->whole = true;
    b->uncertain = snap.uncertain;
    status = take(b, &snap, err);
    if (status) return status;
    cmd->documented = cmd->json;
    size_t n = cmd->limit && cmd->limit < b->n ? cmd->limit : b->n;
    if (cmd->json)
        ms_json_list(cmd->out, b->verb->name, &b->snap, &b->totals, b->snap.map, n, NULL);
    else
        ms_browse_print(b, cmd->out);
    fflush(cmd->out);
    if (!cmd->json) ms_table_notes(stderr, &cmd->style, &b->snap);
    return MS_OK;
}

/* Time is over: another look, or the verb's next moment. */
static bool is_due(struct ms_browse *b) {
    bool fresh = false;
    struct ms_error err = {""};
    int status = b->ended ? MS_OK : b->verb->due(b, &fresh, &err);
    if (status) take_failure(b, status, &err);
    return fresh && status == MS_OK;
}

static int browse_live(struct ms_browse *b, struct ms_error *err) {
    int status = ms_screen_begin(&b->screen, &b->cmd->style, err);
    if (status) return status;
    bool fresh = true;
    for (uint64_t next = 0; !b->leaving && !ms_screen_ends();) {
        ms_browse_draw(b);
        if (fresh) look(b);
        uint64_t now = ms_now_ns(), stay = b->verb->stay_ns(b);
        if (fresh || now >= next) next = b->ended || stay > UINT64_MAX - now ? UINT64_MAX : now + stay;
        if (fresh) ms_browse_draw(b);
        int key = b->leaving ? ERR : ms_screen_key(next);
        fresh = key != ERR && press(b, key);
        if (key == ERR && ms_now_ns() >= next) fresh = is_due(b);
    }
    ms_screen_end(&b->screen);
    if (b->status) *err = b->why;
    return b->status;
}

int ms_browse_run(struct ms_browse *b, struct ms_error *err) {
    struct ms_cmd *cmd = b->cmd;
    cmd->once = cmd->once || cmd->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
    int status = cmd->once ? browse_once(b, err) : browse_live(b, err);
    if (status != MS_OK || !b->uncertain) return status;
    err->line[0] = 0;
    return MS_UNCERTAIN;
}
