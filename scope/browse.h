/* browse.h - a list of maps on a terminal, to sort, filter, group and open: what `top` and `replay` share.
 *
 *   verb->look() ---> snapshot ---> narrowed, filtered, sorted ---> rows ---> screen
 *        ^              kept until the next one                       |
 *        |                                                        Enter: one map (drill.h), or the maps of a row
 *   due, or a key of the verb
 *
 * The verb says when and how to look, what stands above the table, and which keys it has beside these.  The last look is
 * kept: keys sort, filter and scroll it at once, also while the next look is under way, which polls the keyboard
 * through the reader's `watch`.  When the target ends its last look stays on the screen until the user leaves.
 */
#ifndef MS_BROWSE_H
#define MS_BROWSE_H

#include "cmd.h"
#include "drill.h"
#include "screen.h"

enum { MS_LEVELS = 6, MS_INPUT_MOST = 200 };

struct ms_browse;

enum ms_took { MS_TOOK_NOTHING, MS_TOOK_KEY, MS_TOOK_LOOK /* another look is wanted now */ };

struct ms_browse_verb {
    const char *name;
    const char *keys; /* in the last line, beside q and ? */
    const char *help; /* lines on them for the help screen */
    bool reads;       /* looks take a while, and are drawn meanwhile */
    int (*look)(struct ms_browse *b, struct ms_snapshot *out, struct ms_error *err);
    /* Write lines to stand between totals and table; their number. */
    int (*head)(struct ms_browse *b, const struct ms_style *st, FILE *f);
    /* How long the present look stays (UINT64_MAX: until a key), and what to do then.  *look: look again. */
    uint64_t (*stay_ns)(const struct ms_browse *b);
    int (*due)(struct ms_browse *b, bool *look, struct ms_error *err);
    enum ms_took (*key)(struct ms_browse *b, int key);
    void (*state)(const struct ms_browse *b, FILE *f); /* a few words for the line below the table */
};

/* One list: of all maps, or of those of a row that was opened.  It has those of the level before that have the key. */
struct ms_browse_level {
    enum ms_by by, key_by[2];
    char *key[2], *title;
    size_t keys, at, top; /* the chosen row; the first that is shown */
    /* What the chosen row is, to find it again in another look. */
    struct ms_browse_row {
        bool known;
        uint64_t addr, id;
        uint32_t copy;
        unsigned depth;
        char *name;
    } row;
};

struct ms_browse {
    const struct ms_browse_verb *verb;
    struct ms_cmd *cmd;
    struct ms_session *session;
    struct ms_screen screen;
    /* The look that is shown; all of it, or what was found when `share` of the heap's objects had been met. */
    struct ms_snapshot snap;
    bool has_look, whole, by_chosen;
    double share;
    size_t found;
    int head; /* lines above its table, as drawn last */
    struct ms_totals totals;
    size_t n; /* of its maps, at the front: those chosen, in order */
    struct ms_clusters clusters;
    char sort[16];
    bool reverse, uncertain;
    struct ms_browse_level level[MS_LEVELS];
    size_t depth;
    /* Above the list: a page of one map, help or notes. */
    enum ms_page { MS_PAGE_NONE, MS_PAGE_MAP, MS_PAGE_HELP, MS_PAGE_NOTES } page;
    enum ms_drill drill;
    struct ms_browse_row opened;
    char *text;
    size_t line, lines;            /* of the page */
    char input[MS_INPUT_MOST + 1]; /* of the filter */
    char filter[MS_INPUT_MOST + 1];
    bool typing;
    char message[512]; /* until the next key */
    bool trouble;      /* it is why the last look failed: until one does not */
    bool looking, leaving, ended;
    int wish;                              /* a key that waits for the look to end; -1: none */
    uint64_t began_ns, ask_at_ns;          /* the first look; what it has so far is asked for */
    uint64_t look_ns, polled_ns, drawn_ns; /* the present look began; its keyboard, its screen */
    int status;                            /* why it ends */
    struct ms_error why;
};

/* On the terminal, until the user leaves; with --once, or without a terminal, where nobody can press a key, one look, as table
 * or JSON, to cmd->out.  MS_UNCERTAIN without a line: what was shown is not certain. */
int ms_browse_run(struct ms_browse *b, struct ms_error *err);
/* Before either: sort, filter and --by of the command line. */
void ms_browse_init(struct ms_browse *b, const struct ms_browse_verb *verb, struct ms_cmd *cmd,
                    struct ms_session *s);
void ms_browse_free(struct ms_browse *b);

#endif
