/* tool_go_faults.c - memory of a Go program that cannot be read for a moment: a preloaded library lets every Nth read of
 * the target fail, as one of a page that is not there does.  The program goes on, so nothing may say that it ended, and
 * what could be read is shown.
 */
#include "toolkit.h"

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("holders"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static void list_with_faults(struct tk_result *r, unsigned every) {
    char option[48];
    snprintf(option, sizeof option, "TK_FAULT_EVERY=%u", every);
    struct tk_how how = {.preload = tk_target_path("libshim_pread.so"),
                         .env = (const char *const[]){option, NULL}};
    assert_non_null(how.preload);
    TK_RUN_HOW(r, &how, "list", t.id, "-o", "json");
}

/* Maps of the document; 0: there is none, as when the program could not even be recognised. */
static size_t maps_in(const struct tk_result *r) {
    json_t *doc = json_loadb(r->out, r->out_len, 0, NULL);
    size_t n = json_array_size(json_object_get(doc, "maps"));
    json_decref(doc);
    return n;
}

static void test_a_read_that_fails_is_not_the_end(void **state) {
    (void)state;
    size_t listed = 0, most = 0, whole;
    struct tk_result r;
    TK_RUN(&r, "list", t.id, "-o", "json");
    whole = maps_in(&r);
    tk_result_free(&r);
    assert_true(whole > 4000);
    for (unsigned every = 1; every < 200; every = every * 5 / 3 + 1) {
        list_with_faults(&r, every);
        size_t maps = maps_in(&r);
        print_message("every %u: exit code %d, %zu of %zu maps\n", every, r.code, maps, whole);
        if (every == 1) assert_int_not_equal(r.code, 0); /* they do fail */
        assert_true(r.code == 0 || r.code == 2 || r.code == 4);
        assert_null(strstr(r.err, "ended"));
        listed += maps > 0;
        if (maps > most) most = maps;
        tk_result_free(&r);
    }
    assert_true(listed >= 3); /* with hundreds of reads to a list, faults fell into walks, which went on */
    assert_true(most > whole / 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_a_read_that_fails_is_not_the_end, start, end),
};

TK_MAIN("go_faults", tests)
