/* browsedraw.c - what a browser looks like.
 *
 *   process 4039 (goservice), up 4.4s, RSS 68.6M, go1.26.8          as `list` has it
 *   read while it ran: maps that only moved ...
 *   still looking, 43% of the heap: ...                             while a first look goes on
 *   so far: 103 maps, 1573750 entries, ...
 *   entries +1204/s, 2 growing, 0 shrinking                         the verb's
 *   ID             MAP              TYPE          ENTRIES ...       the head of the table
 *   0x14bed271ba10 main.site.byTo…  map[string]…    10000 ...       rows, of which one is chosen
 *
 *   row 1 of 17  by place  sort bytes               every 1s        the bar: where we are, or what is to be said
 *   q quit  ? help  ...                                             keys
 *
 * Of a page: its name among the others, its lines, the same two at the bottom.  Only rows that are seen are rendered.
 */
#include "browsedraw.h"

#include <stdlib.h>
#include <string.h>

enum { BELOW = 2, TABLE_HEAD = 1, PAGE_HEAD = 1, NOTES_SHOWN = 3, SECOND = 1000000000 };

struct ms_style ms_browse_style(const struct ms_browse *b) {
    struct ms_style st = b->cmd->style;
    st.width = ms_screen_columns();
    st.steady = true;
    st.colour = b->screen.colour;
    return st;
}

size_t ms_browse_page(const struct ms_browse *b) {
    int n = ms_screen_rows() - BELOW - (b->page ? PAGE_HEAD : b->head + TABLE_HEAD);
    return n > 1 ? (size_t)n : 1;
}

/* Lines of a text from `row` on, at most `most`; returns the row after them. */
static int put_lines(struct ms_browse *b, int row, int most, const char *text, enum ms_line how) {
    for (; *text && most > 0; most--) {
        ms_screen_put(&b->screen, row++, 0, text, how);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return row;
}

/* ---- the list ------------------------------------------------------------------------------------ */

static void put_part(const struct ms_browse *b, FILE *f) {
    fprintf(f, "%s, %.0f%% of the heap: ", b->ended ? "only a part" : "still looking", b->share * 100);
    if (b->found > b->snap.maps)
        fprintf(f, "the first %zu of %zu maps found so far\n", b->snap.maps, b->found);
    else
        fprintf(f, "%zu map%s found so far\n", b->snap.maps, b->snap.maps == 1 ? "" : "s");
}

static void put_head(struct ms_browse *b, const struct ms_style *st, FILE *f) {
    size_t rows;
    bool tree = b->level[b->depth].by != MS_BY_MAP;
    ms_browse_rows(b, &rows);
    b->head = ms_table_target(f, st, &b->snap) + 1;
    if (!b->whole) {
        put_part(b, f);
        fputs("so far: ", f);
        b->head++;
    }
    ms_table_totals(f, st, &b->totals, tree ? b->n : rows);
    b->head += b->verb->head(b, st, f);
}

void ms_browse_print(struct ms_browse *b, FILE *f) {
    size_t n;
    const struct ms_map *rows = ms_browse_rows(b, &n);
    put_head(b, &b->cmd->style, f);
    ms_table_list(f, &b->cmd->style, rows, n);
}

/* Keep the chosen row among those that are seen. */
static void scroll(struct ms_browse_level *l, size_t n, size_t seen) {
    if (l->at < l->top) l->top = l->at;
    if (l->at >= l->top + seen) l->top = l->at - seen + 1;
    if (l->top + seen > n) l->top = n > seen ? n - seen : 0;
}

static void draw_notes(struct ms_browse *b, const struct ms_style *st, int row) {
    int last = ms_screen_rows() - BELOW;
    char *text = NULL;
    size_t length;
    FILE *f = open_memstream(&text, &length);
    if (!f) return;
    ms_table_notes(f, st, &b->snap);
    fclose(f);
    put_lines(b, row + 1, last - row - 1 < NOTES_SHOWN ? last - row - 1 : NOTES_SHOWN, text, MS_LINE_PLAIN);
    free(text);
}

/* The title of the column that the rows are sorted by. */
static void mark_sort(struct ms_browse *b, int row, const char *titles) {
    static const char *const column[][2] = {
        {"bytes", " BYTES"}, {"entries", " ENTRIES"}, {"waste", " WASTE"},    {"load", " LOAD"},
        {"name", "MAP"},     {"type", "TYPE"},        {"resident", " RESID"}, {"state", "STATE"}};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        const char *at = strcmp(column[i][0], b->sort) == 0 ? strstr(titles, column[i][1]) : NULL;
        if (at) ms_screen_put(&b->screen, row, (int)(at - titles), column[i][1], MS_LINE_HERE);
    }
}

static void draw_list(struct ms_browse *b) {
    struct ms_style st = ms_browse_style(b);
    struct ms_browse_level *l = &b->level[b->depth];
    char *head = NULL, *table = NULL;
    size_t length, n;
    const struct ms_map *rows = ms_browse_rows(b, &n);
    FILE *f = open_memstream(&head, &length);
    if (!f) return;
    put_head(b, &st, f);
    fclose(f);
    size_t seen = ms_browse_page(b);
    scroll(l, n, seen);
    f = open_memstream(&table, &length);
    if (f) ms_table_list(f, &st, rows + l->top, n - l->top < seen ? n - l->top : seen);
    if (f) fclose(f);
    int row = put_lines(b, 0, b->head, head, MS_LINE_PLAIN);
    const char *p = table ? table : "";
    ms_screen_put(&b->screen, row, 0, p, MS_LINE_HEAD);
    mark_sort(b, row++, p);
    for (size_t i = l->top; *(p += strcspn(p, "\n")) && *++p; i++)
        ms_screen_put(&b->screen, row++, 0, p, i == l->at ? MS_LINE_CHOSEN : MS_LINE_PLAIN);
    draw_notes(b, &st, row);
    free(head);
    free(table);
}

static void draw_waiting(struct ms_browse *b) {
    char *name = ms_text_escape(b->session->process.comm, b->cmd->style.utf8);
    char *line = ms_asprintf("looking at process %d (%s) ...", b->session->process.pid, name);
    ms_screen_put(&b->screen, 0, 0, line, MS_LINE_PLAIN);
    free(line);
    free(name);
}

/* ---- pages --------------------------------------------------------------------------------------- */

static void draw_page(struct ms_browse *b) {
    const char *p = b->text;
    int column = 0;
    if (b->page == MS_PAGE_MAP) {
        for (int i = 0; i < MS_DRILLS; i++) {
            char name[24];
            snprintf(name, sizeof name, " %s ", ms_drill_name((enum ms_drill)i));
            ms_screen_put(&b->screen, 0, column, name, i == (int)b->drill ? MS_LINE_HERE : MS_LINE_KEYS);
            column += (int)strlen(name) + 1;
        }
    } else {
        ms_screen_put(&b->screen, 0, 0, b->page == MS_PAGE_HELP ? " help " : " notes ", MS_LINE_HERE);
    }
    for (size_t i = 0; i < b->line && *p; i++) p += strcspn(p, "\n"), p += *p == '\n';
    put_lines(b, PAGE_HEAD, (int)ms_browse_page(b), p, MS_LINE_PLAIN);
}

char *ms_browse_notes(const struct ms_browse *b) {
    char *text = NULL;
    size_t length;
    int width = ms_screen_columns();
    FILE *f = open_memstream(&text, &length);
    if (!f) return ms_strdup("out of memory\n");
    for (size_t i = 0; b->has_look && i < b->snap.notes; i++) {
        char *line = ms_text_escape(b->snap.note[i], b->cmd->style.utf8), *save = NULL;
        int used = 0;
        for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            int need = ms_text_width(word) + 1;
            if (used && used + need > width) fputc('\n', f), used = 0;
            used += need;
            fprintf(f, "%s ", word);
        }
        fputs("\n\n", f);
        free(line);
    }
    if (!b->has_look || !b->snap.notes) fputs("nothing to note: all of the target could be read\n", f);
    fclose(f);
    return text;
}

static const char help[] =
    "lists\n"
    "  up down, k j       the row before, the row after; PgUp PgDn: a page\n"
    "  Enter              open the row: one map, or the list of its maps\n"
    "  Esc                back to where it was opened; in the first list: no filter\n"
    "  s  r               next field to sort by; the other way round\n"
    "  t                  a row for each map, place, type or holder: the last two are\n"
    "                     trees\n"
    "  /                  filter: bytes>1M,load<0.5,name~user   all must hold; a word\n"
    "                     alone is part of a name; fields: bytes entries waste gain\n"
    "                     load slots resident growth growths id name type site kind\n"
    "                     state place\n"
    "  n                  notes: what could not be read, or is not certain\n"
    "\n"
    "a map\n"
    "  d h o e g          show (details), heat map, holders, events, groups\n"
    "  Tab, Shift-Tab     the next of these pages, the one before\n"
    "\n"
    "everywhere\n"
    "  q, Ctrl-C          leave\n"
    "  ?                  this\n";

char *ms_browse_help(const struct ms_browse *b) { return ms_asprintf("%s%s", help, b->verb->help); }

/* ---- the two lines at the bottom ----------------------------------------------------------------- */

static void say_where(const struct ms_browse *b, FILE *f) {
    static const char *const by[] = {
        [MS_BY_MAP] = "map", [MS_BY_PLACE] = "place", [MS_BY_TYPE] = "type", [MS_BY_HOLDER] = "holder"};
    const struct ms_browse_level *l = &b->level[b->depth];
    size_t n, page = ms_browse_page(b);
    if (b->page) {
        size_t last = b->line + page < b->lines ? b->line + page : b->lines;
        fprintf(f, "lines %zu to %zu of %zu", b->lines ? b->line + 1 : 0, last, b->lines);
        if (b->page == MS_PAGE_MAP) fprintf(f, "  %s", b->opened.name);
        return;
    }
    ms_browse_rows(b, &n);
    fprintf(f, "row %zu of %zu", n ? l->at + 1 : 0, n);
    if (l->title) fprintf(f, "  in %s", l->title);
    if (b->filter[0]) fprintf(f, "  filter %s", b->filter);
    fprintf(f, "  by %s  sort %s%s", by[l->by], b->reverse ? "-" : "", b->sort);
    if (b->snap.notes) fprintf(f, "  %zu note%s", b->snap.notes, b->snap.notes == 1 ? "" : "s");
}

static void put_bar(struct ms_browse *b, FILE *f) {
    if (b->typing) {
        fprintf(f, "filter: %s_", b->input);
        return;
    }
    if (b->message[0]) {
        fputs(b->message, f);
        return;
    }
    uint64_t seconds = b->looking ? (ms_now_ns() - b->look_ns) / SECOND : 0;
    if (b->ended)
        fprintf(f, "ENDED  ");
    else if (seconds) /* long: so that nobody thinks it hangs */
        fprintf(f, "looking for %us  ", (unsigned)seconds);
    else
        b->verb->state(b, f);
    if (b->has_look) say_where(b, f);
}

static const char *keys_of(const struct ms_browse *b) {
    if (b->typing) return b->message[0] ? b->message : "Enter takes it  Esc leaves it  Ctrl-U clears it";
    if (b->page == MS_PAGE_MAP)
        return "q quit  Esc back  Tab next  d show  h heat  o holders  e events  g groups";
    if (b->page) return "q quit  Esc back";
    return b->verb->keys;
}

static void draw_bottom(struct ms_browse *b) {
    struct ms_style st = ms_browse_style(b);
    char *raw = NULL;
    size_t length;
    int rows = ms_screen_rows();
    FILE *f = open_memstream(&raw, &length);
    if (!f) return;
    put_bar(b, f);
    fclose(f);
    char *bar = ms_text_escape(raw, st.utf8), *keys = ms_text_escape(keys_of(b), st.utf8);
    ms_screen_put(&b->screen, rows - 2, 0, bar, MS_LINE_BAR);
    ms_screen_put(&b->screen, rows - 1, 0, keys, MS_LINE_KEYS);
    free(keys);
    free(bar);
    free(raw);
}

void ms_browse_draw(struct ms_browse *b) {
    ms_screen_clear();
    if (b->page)
        draw_page(b);
    else if (b->has_look)
        draw_list(b);
    else
        draw_waiting(b);
    draw_bottom(b);
    ms_screen_show();
}
