/* gosteps.c - paths as texts: steps that share their beginnings.
 *
 * A million maps hang on the same slice, or one on each of a million links of a list.  Were each path named from its root
 * on, the second would take as many steps as there are pairs of them.  So a step knows the one before it, paths are the
 * branches of a tree, and the way to an object that a second path comes through is kept:
 *
 *    main.list <- .next (x1) <- .next (x2) <- .next (x3) <- .m        of the map at the third link
 *                     ^-- .m       ^-- .m                            of those at the first and the second
 *
 * Going back from a map ends at the first object of which the way is kept.  Kept are: of the objects that a path before
 * came through too the one nearest to the map, and every 32nd on the way to it.  A step of a kept way never changes; the
 * others are dropped when the path is written.
 *
 * A step like the one before it is counted, not written again.  Of a path of more than 32 steps the first 24 and the last 8
 * are shown; so that the first are found at once, each step knows the 24th of its path.
 */
#include "gosteps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACK_MAX = 1 << 20,
    KEEP_EVERY = 32,
    SHOWN_FIRST = 24,
    SHOWN_LAST = 8,
    SHOWN = SHOWN_FIRST + SHOWN_LAST,
    STEP_ROOM = 256,
    SPELLED_OUT = 3,
};

/* Text that grows; at is NULL before the first put. */
struct text {
    char *at;
    size_t len, room;
};

struct step {
    size_t text;
    uint32_t before, head; /* numbers of steps; head: the 24th of the path, itself up to there */
    uint32_t depth, times;
};

/* The way to an object. */
struct kept {
    struct ms_gonaming path;
    uint32_t object;
};

struct ms_gosteps {
    struct step *step; /* [0]: none */
    size_t count, room, kept_steps;
    struct text text; /* of steps, each with its NUL */
    size_t kept_text;
    struct kept *kept;
    size_t kepts, kept_room;
    uint32_t *place; /* open addressing by object: 1 + number in kept */
    size_t places;
    uint64_t *met;                           /* a bit per object: a path came through it */
    uint64_t *word;                          /* of the way back */
    size_t words, word_room, nearest, since; /* nearest: index of the first word in an object met before */
};

static struct ms_gosteps *steps_of(struct ms_go *go) {
    if (go->steps) return go->steps;
    struct ms_gosteps *s = go->steps = ms_alloc(sizeof *s);
    MS_ROOM(s->step, s->count, s->room);
    s->step[s->count++] = (struct step){0};
    s->kept_steps = s->count;
    s->met = ms_alloc((size_t)(go->heap.objects / 64 + 1) * sizeof *s->met);
    return s;
}

void ms_gosteps_close(struct ms_go *go) {
    struct ms_gosteps *s = go->steps;
    if (!s) return;
    free(s->step);
    free(s->text.at);
    free(s->kept);
    free(s->place);
    free(s->met);
    free(s->word);
    free(s);
    go->steps = NULL;
}

/* ---- adding ------------------------------------------------------------------------------------ */

static void put(struct text *t, const char *s) {
    size_t bytes = strlen(s) + 1;
    if (t->len + bytes > t->room) t->at = ms_grow(t->at, t->room = 2 * (t->len + bytes), 1);
    memcpy(t->at + t->len, s, bytes);
    t->len += bytes - 1;
}

static const char *text_of(const struct ms_gosteps *s, uint32_t step) {
    return s->text.at + s->step[step].text;
}

static void append(struct ms_gonaming *p, struct step new) {
    struct ms_gosteps *s = p->go->steps;
    uint32_t number = (uint32_t)s->count;
    new.depth = s->step[new.before].depth + 1;
    new.head = new.depth <= SHOWN_FIRST ? number : s->step[new.before].head;
    MS_ROOM(s->step, s->count, s->room);
    s->step[s->count++] = new;
    p->last = number;
}

void ms_gosteps_add(struct ms_gonaming *p, const char *text) {
    struct ms_gosteps *s = steps_of(p->go);
    struct step last = s->step[p->last];
    if (!*text || s->count >= UINT32_MAX) return;
    if (!p->last || strcmp(text_of(s, p->last), text) != 0) {
        append(p, (struct step){.text = s->text.len, .before = p->last, .times = 1});
        put(&s->text, text);
        s->text.len++;
    } else if (p->last < s->kept_steps) {
        append(p, (struct step){.text = last.text, .before = last.before, .times = last.times + 1});
    } else {
        s->step[p->last].times++;
    }
}

void ms_gosteps_addf(struct ms_gonaming *p, const char *fmt, ...) {
    char text[STEP_ROOM];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ms_gosteps_add(p, text);
}

/* "[17]", as most last steps are. */
void ms_gosteps_add_index(struct ms_gonaming *p, uint64_t index) {
    char text[24], *at = text + sizeof text;
    *--at = 0;
    *--at = ']';
    do *--at = (char)('0' + index % 10);
    while (index /= 10);
    *--at = '[';
    ms_gosteps_add(p, at);
}

const char *ms_gosteps_last(const struct ms_gonaming *p) {
    return p->last ? text_of(p->go->steps, p->last) : "";
}

uint32_t ms_gosteps_depth(const struct ms_gonaming *p) {
    return p->last ? p->go->steps->step[p->last].depth : 0;
}

void ms_gosteps_drop(struct ms_go *go) {
    struct ms_gosteps *s = steps_of(go);
    s->count = s->kept_steps;
    s->text.len = s->kept_text;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* The steps of a path from that depth on which are shown, in order; 0 among them: some are left out. */
static size_t shown(const struct ms_gosteps *s, uint32_t last, uint32_t from, uint32_t out[SHOWN + 1]) {
    uint32_t depth = s->step[last].depth, n = depth + 1 - from;
    bool all = n <= SHOWN, first = !all && from == 1;
    uint32_t behind = all ? n : SHOWN_LAST, k = behind + (all ? 0 : first ? SHOWN_FIRST + 1 : 1), count = k;
    for (uint32_t i = last; behind--; i = s->step[i].before) out[--k] = i;
    if (!all) out[--k] = 0;
    for (uint32_t i = s->step[last].head; k; i = s->step[i].before) out[--k] = i;
    return count;
}

/* A step as all maps of its kind of place have it: without the number of an element or goroutine. */
static void put_alike(struct text *t, const char *step) {
    static const char routine[] = "goroutine ";
    if (step[0] == '[' && step[1] >= '0' && step[1] <= '9') {
        put(t, "[*]");
    } else if (strncmp(step, routine, sizeof routine - 1) == 0) {
        const char *rest = step + sizeof routine - 1;
        put(t, "goroutine *");
        put(t, rest + strspn(rest, "0123456789"));
    } else {
        put(t, step);
    }
}

char *ms_gosteps_place(const struct ms_gonaming *p) {
    const struct ms_gosteps *s = p->go->steps;
    struct text t = {0};
    uint32_t step[SHOWN + 1];
    size_t n = p->last ? shown(s, p->last, p->owner ? p->owner_depth : 1, step) : 0;
    put(&t, p->owner ? p->owner : "");
    for (size_t i = 0; i < n; i++) put_alike(&t, step[i] ? text_of(s, step[i]) : "...");
    return ms_grow(t.at, t.len + 1, 1);
}

char *ms_gosteps_joined(const struct ms_gonaming *p) {
    const struct ms_gosteps *s = p->go->steps;
    struct text t = {0};
    uint32_t step[SHOWN + 1];
    char times[32];
    size_t n = p->last ? shown(s, p->last, 1, step) : 0;
    put(&t, "");
    for (size_t i = 0; i < n; i++) {
        const char *text = step[i] ? text_of(s, step[i]) : "...";
        uint32_t many = s->step[step[i]].times;
        put(&t, text);
        for (uint32_t k = 1; k < many && many <= SPELLED_OUT; k++) put(&t, text);
        if (many <= SPELLED_OUT) continue;
        snprintf(times, sizeof times, "(x%" PRIu32 ")", many);
        put(&t, times);
    }
    return ms_grow(t.at, t.len + 1, 1);
}

/* ---- ways that are kept ------------------------------------------------------------------------- */

static size_t place_of(const struct ms_gosteps *s, uint32_t object) {
    size_t at = (size_t)(object * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (s->places - 1);
    while (s->place[at] && s->kept[s->place[at] - 1].object != object) at = (at + 1) & (s->places - 1);
    return at;
}

static const struct kept *kept_of(const struct ms_gosteps *s, uint32_t object) {
    size_t at = s->places ? place_of(s, object) : 0;
    return s->places && s->place[at] ? &s->kept[s->place[at] - 1] : NULL;
}

static void keep(struct ms_gosteps *s, uint32_t object, const struct ms_gonaming *p) {
    if (s->kepts * 2 >= s->places) {
        free(s->place);
        s->places = s->places ? s->places * 2 : 1024;
        s->place = ms_alloc(s->places * sizeof *s->place);
        for (size_t i = 0; i < s->kepts; i++) s->place[place_of(s, s->kept[i].object)] = (uint32_t)i + 1;
    }
    MS_ROOM(s->kept, s->kepts, s->kept_room);
    s->kept[s->kepts++] = (struct kept){*p, object};
    s->place[place_of(s, object)] = (uint32_t)s->kepts;
    s->kept_steps = s->count;
    s->kept_text = s->text.len;
}

static bool met_before(struct ms_gosteps *s, uint32_t object) {
    uint64_t bit = UINT64_C(1) << object % 64;
    bool was = s->met[object / 64] & bit;
    s->met[object / 64] |= bit;
    return was;
}

size_t ms_gosteps_back(struct ms_gonaming *p, uint64_t via, const uint64_t **word, bool *kept) {
    struct ms_gosteps *s = steps_of(p->go);
    const struct kept *k = NULL;
    s->words = s->since = 0;
    s->nearest = SIZE_MAX;
    while (via && via != UINT32_MAX && s->words < BACK_MAX && !k) {
        struct ms_goarea *a;
        uint64_t addr = ms_goheap_word_at(p->go, via - 1, &a);
        if (!a) break;
        MS_ROOM(s->word, s->words, s->word_room);
        s->word[s->words++] = addr;
        if (a->kind != MS_GO_HEAP) break;
        uint32_t object = (uint32_t)ms_goarea_object(a, addr);
        if (met_before(s, object) && s->nearest == SIZE_MAX) s->nearest = s->words - 1;
        k = kept_of(s, object);
        via = p->go->heap.object[object].from;
    }
    if (k) *p = k->path;
    *word = s->word;
    *kept = k != NULL;
    return s->words;
}

void ms_gosteps_named(const struct ms_gonaming *p, size_t i) {
    struct ms_gosteps *s = steps_of(p->go);
    if (s->nearest == SIZE_MAX || i < s->nearest || (i > s->nearest && ++s->since % KEEP_EVERY)) return;
    struct ms_goarea *a = ms_goheap_find(p->go, s->word[i]);
    if (a && a->kind == MS_GO_HEAP) keep(s, (uint32_t)ms_goarea_object(a, s->word[i]), p);
}
