/* tool_top.c - `top` and `replay` on a terminal: what stands on the screen after which keys, and that the terminal is as before
 * whatever ended them.
 *
 * The maps are known: 23 of them, of prime numbers of entries, map22 the largest.  A key is sent, then its effect is awaited on the
 * screen (toolterm.h); the target changes only when it is told to.
 */
#include "toolterm.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;
static struct tt_terminal s;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    return 0;
}

static int start_events(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_events"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* `top`, once its table stands. */
static void open_top(int rows, int columns, const char *term) {
    const char *args[] = {"top", t.id, "-i", "0.1", NULL};
    if (!tt_start(&s, rows, columns, term, args)) TK_SKIP("there are no pseudo terminals");
    tt_expect(&s, "ENTRIES");
    tt_expect(&s, "row 1 of ");
}

static void leave(int code) {
    tt_keys(&s, "q");
    assert_int_equal(tt_end(&s), code);
}

/* ---- the list ------------------------------------------------------------------------------------- */

static void test_sort_and_scroll(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    assert_non_null(strstr(tt_row(&s, 0), "process "));
    tt_expect(&s, "row 1 of 23  by map  sort bytes");
    int first = tt_expect(&s, "map22");
    tt_expect_marked(&s, "map22");
    tt_keys(&s, "s");
    tt_expect(&s, "sort entries");
    tt_expect_at(&s, first, "map22");
    tt_keys(&s, "r");
    tt_expect(&s, "sort -entries");
    tt_expect_at(&s, first, "map00"); /* it has none */
    tt_expect_none(&s, "map22");
    tt_keys(&s, "G" TT_DOWN TT_DOWN); /* G is no key */
    tt_expect(&s, "row 3 of 23");
    assert_int_equal(tt_marked(&s), first + 2); /* the bar is drawn last */
    tt_keys(&s, "\033[6~\033[6~"); /* page down, as a VT220 and all since have it; a VT100 has no such key */
    for (int i = 0; i < 30; i++) tt_keys(&s, TT_DOWN);
    tt_expect(&s, "row 23 of 23");
    tt_expect_marked(&s, "map22");
    for (int i = 0; i < 30; i++) tt_keys(&s, TT_UP);
    tt_expect(&s, "row 1 of 23");
    leave(0);
}

static void test_filter(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    tt_keys(&s, "/entries>1000\r");
    tt_expect(&s, "row 1 of 3  filter entries>1000");
    tt_expect(&s, "23 maps (3 shown)");
    tt_keys(&s, "/");
    tt_expect(&s, "filter: entries>1000_");
    tt_keys(&s, "x\r"); /* a mistake is told, and can be mended */
    tt_expect(&s, "'1000x' is no number");
    tt_keys(&s, "\177\r");
    tt_expect(&s, "row 1 of 3");
    tt_keys(&s, "/\025map2\r"); /* a word is part of a name */
    tt_expect(&s, "filter map2");
    tt_expect(&s, "row 1 of 3");
    tt_keys(&s, "/\025nosuchmap\r");
    tt_expect(&s, "row 0 of 0");
    tt_keys(&s, "\rdh"); /* nothing to open */
    tt_keys(&s, "\033");
    tt_expect(&s, "row 1 of 23");
    tt_expect_none(&s, "nosuchmap");
    leave(0);
}

static void test_trees_open_and_close(void **state) {
    (void)state;
    open_top(40, 120, NULL);
    tt_keys(&s, "tt");
    tt_expect(&s, "by type");
    json_t *list = TK_JSON("list", t.id, "--by", "type"), *row;
    size_t i, rows = json_array_size(tk_at(list, "clusters"));
    char want[160];
    assert_true(rows > 3);
    snprintf(want, sizeof want, "row 1 of %zu", rows);
    tt_expect(&s, want);
    const char *name = NULL;
    uint64_t maps = 0;
    json_array_foreach(tk_at(list, "clusters"), i, row) if (tk_number(row, "maps") > 1) {
        name = tk_text(row, "name"), maps = tk_number(row, "maps");
        break;
    }
    assert_non_null(name);
    for (size_t k = 0; k < i; k++) tt_keys(&s, TT_DOWN);
    snprintf(want, sizeof want, "%s x%d", name, (int)maps);
    tt_expect_marked(&s, want);
    tt_keys(&s, "\r");
    snprintf(want, sizeof want, "in %s", name);
    tt_expect(&s, want); /* its places */
    tt_keys(&s, "ttt");  /* its maps */
    snprintf(want, sizeof want, "row 1 of %d", (int)maps);
    tt_expect(&s, want);
    tt_keys(&s, "\033");
    tt_expect(&s, "by type");
    tt_keys(&s, "t");
    tt_expect(&s, "by holder");
    json_decref(list);
    leave(0);
}

static void test_help_and_notes(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    tt_keys(&s, "?");
    tt_expect(&s, "q, Ctrl-C");
    tt_keys(&s, "\033");
    tt_expect(&s, "map22");
    tt_keys(&s, "n");
    tt_expect(&s, "nothing to note");
    tt_keys(&s, "\033");
    tt_expect(&s, "map22");
    leave(0);
}

static void test_pause(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    tt_keys(&s, " ");
    tt_expect(&s, "PAUSED");
    assert_string_equal(tk_ask(&t, "fill 21 6007"), "ok");
    tt_keys(&s, "s");
    tt_expect(&s, "sort entries"); /* drawn anew, of the look that is kept */
    tt_expect(&s, " 4999 ");
    tt_keys(&s, " ");
    tt_expect(&s, " 6007 ");
    tt_keys(&s, "+");
    tt_expect(&s, "every 0.2s");
    tt_keys(&s, "---");
    tt_expect(&s, "every 0.1s");
    leave(0);
}

/* ---- one map --------------------------------------------------------------------------------------- */

static void test_pages_of_a_map(void **state) {
    (void)state;
    open_top(40, 120, NULL);
    tt_keys(&s, "\r");
    tt_expect(&s, "entries   100003 in ");
    assert_string_equal(tk_ask(&t, "fill 22 150001"), "ok");
    tt_expect(&s, "entries   150001 in "); /* it lives */
    tt_keys(&s, "h");
    tt_expect(&s, "each cell ");
    tt_keys(&s, "o");
    tt_expect(&s, "conservative: ");
    tt_keys(&s, "g");
    tt_expect(&s, "tophash bytes");
    tt_expect(&s, "lines 1 to 37 of ");
    tt_keys(&s, TT_DOWN TT_DOWN);
    tt_expect(&s, "lines 3 to 39 of ");
    tt_keys(&s, "\t"); /* behind the last page is the first */
    tt_expect(&s, "entries   150001 in ");
    tt_expect(&s, "lines 1 to ");
    assert_string_equal(tk_ask(&t, "free 22"), "ok");
    tt_expect(&s, "the map is gone");
    tt_expect(&s, "entries   150001 in ");
    tt_keys(&s, "\033");
    tt_expect(&s, "row 1 of 22");
    leave(0);
}

static void test_events_of_this_map_only(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "brief"), "ok");
    int grows = atoi(tk_ask(&t, "grow 5000")), seen = 0, of_others = 0;
    assert_true(grows > 2);
    assert_string_equal(tk_ask(&t, "flood 20"), "ok");
    open_top(60, 120, NULL);
    tt_keys(&s, "/busy\re");
    tt_expect(&s, "TOOK");
    tt_expect(&s, "lines 1 to "); /* drawn last */
    for (int r = 0; r < s.rows; r++) {
        const char *row = tt_row(&s, r);
        seen += strstr(row, "grow_done") != NULL;
        of_others += strstr(row, "note") != NULL || strstr(row, "brief") != NULL;
    }
    assert_int_equal(seen, grows);
    assert_int_equal(of_others, 0);
    leave(0);
}

/* ---- the terminal ---------------------------------------------------------------------------------- */

static void test_resize(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    assert_null(strstr(tt_row(&s, tt_expect(&s, "ENTRIES")), "ID"));
    tt_resize(&s, 40, 120);
    tt_expect(&s, "ID ");
    tt_expect(&s, "row 1 of 23");
    tt_expect_at(&s, 39, "q quit");
    tt_keys(&s, "\rh");
    tt_expect(&s, "each cell ");
    tt_resize(&s, 10, 40);
    tt_expect_at(&s, 9, "q quit");
    tt_keys(&s, "\033");
    tt_expect(&s, "process ");
    tt_resize(&s, 2, 5); /* of no use, and no harm */
    tt_keys(&s, "s\r");
    tt_resize(&s, 24, 80);
    tt_expect(&s, "entries   100003");
    leave(0);
}

static void test_colours(void **state) {
    (void)state;
    for (int no_colour = 0; no_colour < 2; no_colour++) {
        if (no_colour) setenv("NO_COLOR", "1", 1);
        open_top(40, 120, "xterm-256color");
        unsetenv("NO_COLOR");
        tt_keys(&s, "h");
        tt_expect(&s, "each cell ");
        tt_expect(&s, "lines 1 to ");
        bool colours = strstr(s.raw, "\033[38;5;") != NULL;
        assert_int_equal(colours, !no_colour);
        leave(0);
    }
}

static void test_every_way_out_gives_the_terminal_back(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    tt_keys(&s, "\003");
    assert_int_equal(tt_end(&s), 0);
    static const int ways[] = {SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        open_top(24, 80, NULL);
        kill(s.pid, ways[i]);
        assert_int_equal(tt_end(&s), 128 + ways[i]);
    }
    open_top(24, 80, NULL);
    tt_keys(&s, "/half a filter");
    tt_expect(&s, "filter: half a filter_");
    tt_keys(&s, "\003");
    assert_int_equal(tt_end(&s), 0);
}

static void test_the_target_ends(void **state) {
    (void)state;
    open_top(24, 80, NULL);
    tk_kill(&t);
    tt_expect(&s, "process ");
    tt_expect(&s, "ended");
    tt_expect(&s, "map22"); /* the last look stays, and can be gone through */
    tt_keys(&s, "s");
    tt_expect(&s, "ENDED");
    tt_expect(&s, "sort entries");
    tt_keys(&s, "/map2\r");
    tt_expect(&s, "row 1 of 3");
    tt_keys(&s, "\r");
    tt_expect(&s, "ended");
    tt_keys(&s, "\033");
    tt_expect(&s, "row 1 of 3");
    leave(3);
}

/* ---- hostile ---------------------------------------------------------------------------------------- */

static void test_hostile_names(void **state) {
    (void)state;
    static const char *const hostile[] = {"\033[2J\033[H\033]0;owned\007",
                                          "two\nlines\rthree\tfour",
                                          "\xc2\x9b"
                                          "31m",
                                          "\xe2\x80\xae"
                                          "gnp",
                                          "broken \xff\xfe\xe2\x82",
                                          "%s%n%99999999d"};
    enum { HOSTILE = sizeof hostile / sizeof *hostile };
    for (size_t i = 0; i < HOSTILE; i++) {
        char hex[256] = "";
        for (size_t k = 0; hostile[i][k]; k++) sprintf(hex + 2 * k, "%02x", (unsigned char)hostile[i][k]);
        assert_string_equal(tk_ask(&t, "name %zu %s", 22 - i, hex), "ok");
    }
    open_top(40, 160, NULL);
    tt_expect(&s, "\\x1b[2J\\x1b[H\\x1b]0;owned\\x07");
    tt_expect(&s, "two\\nlines");
    tt_expect(&s, "%s%n%99999999d");
    assert_null(strstr(s.raw, "owned\007"));
    assert_null(strstr(s.raw, "\xe2\x80\xae"));
    for (size_t i = 0; i < HOSTILE; i++) {
        char want[64];
        tt_keys(&s, "\r");
        tt_expect(&s, "sum of parts");
        tt_keys(&s, "h");
        tt_expect(&s, "each cell ");
        tt_keys(&s, "\033" TT_DOWN);
        snprintf(want, sizeof want, "row %zu of 23", i + 2);
        tt_expect(&s, want);
    }
    tt_keys(&s, "tt"); /* as names of clusters */
    tt_expect(&s, "by type");
    tt_keys(&s, "/\033");
    tt_expect(&s, "process ");
    assert_null(strstr(s.raw, "owned\007"));
    leave(0);
}

/* ---- recordings --------------------------------------------------------------------------------------- */

static void test_replay_has_the_same_keys(void **state) {
    (void)state;
    char *file = tk_path_in(tk_scratch(), "top.rec"), rec[160];
    struct tk_result r;
    assert_string_equal(tk_ask(&t, "fill 21 7001"), "ok");
    TK_RUN(&r, "record", t.id, "-o", file, "--count", "3", "-i", "0.1", "--details", "2");
    TK_CODE(&r, 0);
    tk_result_free(&r);
    snprintf(rec, sizeof rec, "rec:%s", file);
    if (!TT_START(&s, "replay", rec)) TK_SKIP("there are no pseudo terminals");
    tt_expect(&s, "moment 3 of 3");
    tt_expect(&s, "row 1 of 23");
    tt_keys(&s, TT_LEFT);
    tt_expect(&s, "moment 2 of 3");
    tt_keys(&s, TT_LEFT TT_LEFT);
    tt_expect(&s, "moment 1 of 3");
    tt_expect(&s, "the first moment");
    tt_keys(&s, "s");
    tt_expect(&s, "sort entries");
    tt_keys(&s, "/entries>1000\r");
    tt_expect(&s, "row 1 of 3");
    tt_keys(&s, TT_DOWN "\r");
    tt_expect(&s, " 7001 in ");
    tt_keys(&s, "e");
    tt_expect(&s, "was not recorded: events");
    tt_keys(&s, "\033tt");
    tt_expect(&s, "by type");
    tt_keys(&s, " "); /* plays to the end, and waits there */
    tt_expect(&s, "PLAYING");
    tt_expect(&s, "moment 3 of 3");
    tt_keys(&s, " +");
    tt_expect(&s, "paused x2");
    leave(0);
    free(file);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_sort_and_scroll, start),
    cmocka_unit_test(test_filter),
    cmocka_unit_test(test_trees_open_and_close),
    cmocka_unit_test(test_help_and_notes),
    cmocka_unit_test(test_resize),
    cmocka_unit_test(test_colours),
    cmocka_unit_test(test_every_way_out_gives_the_terminal_back),
    cmocka_unit_test(test_pause),
    cmocka_unit_test(test_replay_has_the_same_keys),
    cmocka_unit_test_teardown(test_pages_of_a_map, end),
    cmocka_unit_test_setup_teardown(test_the_target_ends, start, end),
    cmocka_unit_test_setup_teardown(test_hostile_names, start, end),
    cmocka_unit_test_setup_teardown(test_events_of_this_map_only, start_events, end),
};
TK_MAIN("top", tests)
