/* tool_go_top.c - `top` on a Go program: places, trees, one map in pages, and what a first look shows before it is whole.
 *
 * The program is tests/go, built by tests/go/on_go.sh, with thousands of maps; the third argument is the library that stops
 * the tool at one exact read.
 */
#include "toolterm.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ = 200 }; /* of several hundred: the heap is being walked */

static struct tk_target t;
static struct tt_terminal s;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("holders"));
    assert_non_null(strstr(tk_ask(&t, "fill 20000 18000"), "filled"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static void open_top(void) {
    if (!tt_start(&s, 40, 120, NULL, (const char *const[]){"top", t.id, NULL}))
        TK_SKIP("there are no pseudo terminals");
    tt_expect(&s, "ENTRIES");
    tt_expect(&s, "row 1 of ");
}

static void leave(int code) {
    tt_keys(&s, "q");
    assert_int_equal(tt_end(&s), code);
}

static void test_rows_are_those_of_list(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id, "--by", "place");
    size_t rows = json_array_size(tk_at(list, "clusters"));
    char want[64];
    json_decref(list);
    open_top();
    snprintf(want, sizeof want, "row 1 of %zu  by place", rows);
    tt_expect(&s, want);
    tt_expect(&s, "main.Measured");
    tt_expect(&s, "maps that only moved or in a register then may be missing");
    tt_keys(&s, "tt");
    tt_expect(&s, "by holder");
    tt_keys(&s, "t");
    tt_expect(&s, "by map");
    leave(0);
}

/* The places of main.user.Tags hold a map for each user. */
static void test_a_row_of_many_maps_opens(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id, "--by", "place", "--filter", "place=main.user.Tags");
    uint64_t maps = tk_number(json_array_get(tk_at(list, "clusters"), 0), "maps");
    char want[64];
    assert_int_equal(json_array_size(tk_at(list, "clusters")), 1);
    assert_true(maps > 1);
    json_decref(list);
    open_top();
    tt_keys(&s, "/place=main.user.Tags\r");
    tt_expect(&s, "row 1 of 1");
    tt_keys(&s, "d"); /* of which of them? */
    tt_expect(&s, "a row of several maps");
    tt_keys(&s, "\r");
    snprintf(want, sizeof want, "row 1 of %d  in main.user.Tags", (int)maps);
    tt_expect(&s, want);
    tt_keys(&s, "\r");
    tt_expect(&s, "sum of parts");
    tt_keys(&s, "\033");
    tt_expect(&s, want);
    tt_keys(&s, "\033");
    tt_expect(&s, "row 1 of 1");
    tt_keys(&s, "\033");
    tt_expect_none(&s, "main.user.Tags  by");
    leave(0);
}

static void test_pages_of_a_map(void **state) {
    (void)state;
    open_top();
    tt_keys(&s, "/name=main.Measured\r");
    tt_expect(&s, "row 1 of 1");
    tt_keys(&s, "\r");
    tt_expect(&s, "held by   main.Measured");
    tt_expect(&s, "entries   2000 in ");
    tt_keys(&s, "h");
    tt_expect(&s, "each cell ");
    tt_keys(&s, "o");
    tt_expect(&s, "global 0x");
    tt_keys(&s, "e");
    tt_expect(&s, "keeps no record of events");
    tt_keys(&s, "g");
    tt_expect(&s, "tophash bytes");
    leave(0);
}

static void pass_a_second(void) {
    struct timespec left = {.tv_sec = 1, .tv_nsec = 100000000};
    while (nanosleep(&left, &left) != 0) {}
}

/* The tool stands still for a second in the middle of its first look; what it has by then it shows as a part, and then all. */
static void test_a_first_look_shows_what_it_has(void **state) {
    (void)state;
    char at[16];
    const char *shim = tk_target_path("libshim_pread.so");
    int status;
    if (!shim) TK_SKIP("the library that stops the tool is not there");
    snprintf(at, sizeof at, "%d", READ);
    setenv("TK_STOP_AT", at, 1);
    setenv("LD_PRELOAD", shim, 1);
    bool begun = tt_start(&s, 40, 120, NULL, (const char *const[]){"top", t.id, NULL});
    unsetenv("LD_PRELOAD");
    unsetenv("TK_STOP_AT");
    if (!begun) TK_SKIP("there are no pseudo terminals");
    assert_int_equal(waitpid(s.pid, &status, WUNTRACED), s.pid);
    assert_true(WIFSTOPPED(status));
    pass_a_second(); /* of the time that a first look has */
    kill(s.pid, SIGCONT);
    tt_expect(&s, "row 1 of ");
    tt_expect_none(&s, "still looking");
    json_t *list = TK_JSON("list", t.id);
    char want[64];
    snprintf(want, sizeof want, "%d maps, ", (int)tk_number(list, "totals.maps"));
    json_decref(list);
    tt_expect(&s, want);
    const char *part = strstr(s.raw, "still looking, ");
    assert_non_null(part); /* it was said that it was one */
    assert_non_null(strstr(part, "maps found so far"));
    leave(0);
}

static void test_the_target_ends(void **state) {
    (void)state;
    open_top();
    tk_kill(&t);
    tt_expect(&s, "ended");
    tt_expect(&s, "main.Measured");
    tt_keys(&s, "tt");
    tt_expect(&s, "ENDED");
    tt_expect(&s, "by holder");
    leave(3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_rows_are_those_of_list, start),
    cmocka_unit_test(test_a_row_of_many_maps_opens),
    cmocka_unit_test(test_pages_of_a_map),
    cmocka_unit_test(test_a_first_look_shows_what_it_has),
    cmocka_unit_test_teardown(test_the_target_ends, end),
};
TK_MAIN("go_top", tests)
