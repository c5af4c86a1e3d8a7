/* tool_doctor.c - `doctor` beside programs with one map for each fault, and one that only looks as if: target_sick (gomap,
 * classic) and tests/go/sick (Go, by whatever version it was built).
 *
 * Each rule finds its ill map and leaves the well one alone; what a rule does not apply to is stated here, not skipped.
 */
#include "toolkit.h"

#include <unistd.h>

enum kind { GOMAP, CLASSIC, GO_CLASSIC, GO_SWISS, KINDS };
static enum kind kind;
static struct tk_target t;
static json_t *first; /* one look at all */

static bool of_go(void) { return kind >= GO_CLASSIC; }

static int start(void **state) {
    const char *c = tk_target_path("target_sick"), *go = tk_target_path("sick"),
               *version = getenv("GOMAP_TEST_GO");
    (void)state;
    if (go) kind = version && atoi(version + 4) >= 24 ? GO_SWISS : GO_CLASSIC; /* "go1.N" */
    TK_START(&t, go ? go : c);
    struct tk_result r;
    TK_RUN(&r, "doctor", t.id, "-o", "json");
    TK_CODE(&r, 1);
    assert_string_equal(r.err, "");
    first = tk_json_parse(&r);
    tk_result_free(&r);
    return 0;
}

static int end(void **state) {
    (void)state;
    json_decref(first);
    tk_kill(&t);
    return 0;
}

/* The finding of that rule about that map; NULL: none. */
static const json_t *finding(const json_t *doc, const char *rule, const char *name) {
    size_t i;
    json_t *f;
    json_array_foreach(tk_at(doc, "findings"), i, f) {
        const char *has = json_string_value(json_object_get(f, "name"));
        if (strcmp(tk_text(f, "rule"), rule) == 0 && (!name || (has && strcmp(has, name) == 0))) return f;
    }
    return NULL;
}

static size_t findings_of(const json_t *doc, const char *rule) {
    size_t i, n = 0;
    json_t *f;
    json_array_foreach(tk_at(doc, "findings"), i, f) n += strcmp(tk_text(f, "rule"), rule) == 0;
    return n;
}

/* One map with the fault and one without, by their names in each program; NULL: the rule does not apply there. */
static const struct {
    const char *rule, *ill[KINDS], *well[KINDS];
    uint64_t least; /* bytes it costs, in any of the programs */
} cases[] = {
    {"never-shrunk",
     {"ill never-shrunk", "ill never-shrunk classic", "main.IllNeverShrunk", "main.IllNeverShrunk"},
     {"well never-shrunk", "well never-shrunk classic", "main.WellNeverShrunk", "main.WellNeverShrunk"},
     1000000},
    {"near-empty-giant",
     {"ill near-empty-giant", "ill near-empty-giant classic", "main.IllNearEmptyGiant",
      "main.IllNearEmptyGiant"},
     {"well near-empty-giant", "well near-empty-giant classic", "main.WellNearEmptyGiant",
      "main.WellNearEmptyGiant"},
     2000000},
    {"oversized-hint",
     {"ill oversized-hint", "ill oversized-hint classic", "main.IllOversizedHint", "main.IllOversizedHint"},
     {"well oversized-hint", "well oversized-hint classic", "main.WellOversizedHint",
      "main.WellOversizedHint"},
     1000000},
    {"tombstone-heavy",
     {NULL, NULL, NULL, "main.IllTombstones"},
     {NULL, NULL, NULL, "main.WellTombstones"},
     100000},
    {"overflow-heavy",
     {NULL, "ill overflow-heavy classic", "main.IllOverflow", NULL},
     {NULL, "well overflow-heavy classic", "main.WellOverflow", NULL},
     50000},
    {"padding-heavy",
     {"ill padding-heavy", NULL, NULL, "main.IllPadding"},
     {"well padding-heavy", NULL, NULL, "main.WellPadding"},
     100000},
    {"set-as-bool",
     {"ill set-as-bool", "ill set-as-bool classic", "main.IllSet", NULL},
     {"well set-as-bool", "well set-as-bool classic", "main.WellSet", NULL},
     16384},
    {"chosen-keys", {"ill chosen-keys"}, {"well chosen-keys"}, 1000},
    {"held-by-closure",
     {NULL, NULL, "main.callbacks[0]{m}", "main.callbacks[0]{m}"},
     {NULL, NULL, "main.WellCaptured", "main.WellCaptured"},
     1000000},
};

static void test_each_rule_finds_the_ill_and_not_the_well(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (enum kind k = of_go() ? kind : GOMAP; k <= (of_go() ? kind : CLASSIC); k++) {
            const char *ill = cases[i].ill[k], *well = cases[i].well[k];
            if (!ill) continue;
            const json_t *f = finding(first, cases[i].rule, ill);
            if (!f || finding(first, cases[i].rule, well)) {
                print_error("%s: '%s' %s, '%s' %s\n", cases[i].rule, ill, f ? "found" : "not found", well,
                            finding(first, cases[i].rule, well) ? "found too" : "left alone");
                fail();
            }
            assert_true(tk_number(f, "cost_bytes") >= cases[i].least);
            assert_int_equal(tk_number(f, "maps"), 1);
        }
}

static void test_a_rule_finds_nothing_where_it_does_not_apply(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool applies = of_go() ? cases[i].ill[kind] != NULL : cases[i].ill[GOMAP] || cases[i].ill[CLASSIC];
        if (!applies) assert_int_equal(findings_of(first, cases[i].rule), 0);
    }
}

static void test_a_map_is_empty_in_one_way_only(void **state) {
    (void)state;
    static const char *const empty[] = {"never-shrunk", "near-empty-giant", "oversized-hint"};
    size_t i;
    json_t *f;
    json_array_foreach(tk_at(first, "findings"), i, f) {
        size_t ways = 0;
        const char *name = json_string_value(json_object_get(f, "name"));
        for (size_t k = 0; name && k < 3; k++) ways += finding(first, empty[k], name) != NULL;
        assert_true(ways <= 1);
    }
}

static void test_what_a_rebuild_frees_is_the_cost_of_emptiness(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id), *m;
    const json_t *f = finding(first, "never-shrunk", cases[0].ill[of_go() ? kind : GOMAP]);
    size_t i;
    bool met = false;
    json_array_foreach(tk_at(list, "maps"), i, m) {
        if (strcmp(tk_text(m, "id"), tk_text(f, "worst")) != 0) continue;
        met = true;
        assert_int_equal(tk_number(m, "rebuild_gain_bytes"), tk_number(f, "cost_bytes"));
        assert_int_equal(tk_number(m, "entries"), tk_number(f, "figures.entries"));
        assert_int_equal(tk_number(m, "entries"), 10000);
    }
    assert_true(met);
    json_decref(list);
    assert_in_range(tk_number(f, "figures.once_had_entries"), 10000, 100000); /* it had 100000 */
}

static void test_one_of_many_alike_is_out_of_line(void **state) {
    (void)state;
    const json_t *f = finding(first, "like-maps-outlier", NULL);
    assert_int_equal(findings_of(first, "like-maps-outlier"), 1); /* and none of those of two sizes */
    assert_non_null(f);
    assert_int_equal(tk_number(f, "figures.entries"), 20000);
    assert_int_equal(tk_number(f, "figures.alike"), 40);
    if (of_go()) assert_string_equal(tk_text(f, "name"), "main.rooms[7].members");
}

static void test_a_leak_is_what_nothing_can_wake(void **state) {
    (void)state;
    size_t i;
    json_t *f;
    bool timer = false, goroutine = false;
    assert_int_equal(findings_of(first, "held-by-leak"), of_go() ? 2 : 0); /* and not the well ones */
    json_array_foreach(tk_at(first, "findings"), i, f) {
        if (strcmp(tk_text(f, "rule"), "held-by-leak") != 0) continue;
        if (tk_number(f, "figures.entries") == 20000) {
            goroutine = tk_number(f, "figures.goroutine") > 0;
            assert_non_null(strstr(tk_text(f, "name"), "goroutine "));
            assert_non_null(strstr(tk_text(f, "name"), "main."));
        } else {
            assert_int_equal(tk_number(f, "figures.entries"), 30000);
            timer = tk_number(f, "figures.timer_ns") / 1000000000 / 3600 == 999;
        }
    }
    assert_int_equal(timer, of_go());
    assert_int_equal(goroutine, of_go());
}

static void test_many_maps_for_one_entry_each_are_told_together(void **state) {
    (void)state;
    const json_t *f = finding(first, "tiny-maps", "main.IllTiny.tags");
    assert_int_equal(findings_of(first, "tiny-maps"), of_go()); /* and not the 2000 with six entries */
    if (!of_go()) return;
    assert_non_null(f);
    assert_int_equal(tk_number(f, "maps"), 2000);
    assert_in_range(tk_number(f, "cost_bytes"), 2000 * 48, 2000 * 240);
    struct tk_result r;
    TK_RUN(&r, "doctor", t.id, "--rule", "tiny-maps", "--set", "tiny-maps.maps=2001");
    TK_CODE(&r, 0);
    tk_result_free(&r);
    TK_RUN(&r, "doctor", t.id, "--rule", "tiny-maps", "--set", "tiny-maps.entries=6");
    TK_CODE(&r, 1);
    assert_non_null(strstr(r.out, "main.WellTiny.tags"));
    tk_result_free(&r);
}

/* ---- what changes ----------------------------------------------------------------------------------- */

static void test_growth_is_what_every_look_sees(void **state) {
    (void)state;
    const char *ill = of_go() ? "main.IllGrowing" : "ill growing-unbounded",
               *well = of_go() ? "main.WellGrowing" : "well growing-unbounded";
    assert_null(finding(first, "growing-unbounded", NULL)); /* one look tells nothing */
    assert_string_equal(tk_ask(&t, "flow"), "ok");
    const json_t *f = NULL;
    for (int i = 0; !f && i < 10; i++) { /* unless it stood still between two looks: then once more */
        struct tk_result r;
        TK_RUN(&r, "doctor", t.id, "--seconds", "1", "--rule", "growing-unbounded", "-o", "json");
        json_t *doc = tk_json_parse(&r);
        assert_null(finding(doc, "growing-unbounded", well));
        f = finding(doc, "growing-unbounded", ill);
        if (f) assert_true(tk_number(f, "figures.entries_more") >= 100 && tk_number(f, "figures.looks") == 5);
        TK_CODE(&r, f ? 1 : 0);
        json_decref(doc);
        tk_result_free(&r);
    }
    assert_non_null(f);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

static void memory_rule(const char *rule, uint64_t least) {
    struct tk_result r;
    TK_RUN(&r, "doctor", t.id, "--resident", "--rule", rule, "-o", "json");
    TK_CODE(&r, least ? 1 : 0);
    json_t *doc = tk_json_parse(&r);
    assert_int_equal(json_array_size(tk_at(doc, "findings")), least != 0);
    if (least) assert_true(tk_number(json_array_get(tk_at(doc, "findings"), 0), "cost_bytes") >= least);
    json_decref(doc);
    tk_result_free(&r);
}

static void give_back_lazily(void) { setenv("GODEBUG", "madvdontneed=0", 1); }
static void give_back_at_once(void) { setenv("GODEBUG", "madvdontneed=1", 1); }

static void restart(void (*before)(void)) {
    tk_kill(&t);
    assert_true(tk_start_flags(&t, 0, before, (const char *const[]){tk_target_path("sick"), NULL}));
}

static void test_memory_given_back_lazily_is_hidden(void **state) {
    (void)state;
    memory_rule("lazyfree-hidden", 0);
    if (!of_go()) return;
    restart(give_back_at_once);
    assert_string_equal(tk_ask(&t, "free 40"), "ok");
    memory_rule("lazyfree-hidden", 0);
    restart(give_back_lazily);
    assert_string_equal(tk_ask(&t, "free 40"), "ok");
    memory_rule("lazyfree-hidden", 30 << 20);
}

static void test_huge_pages_hold_what_is_free(void **state) {
    (void)state;
    memory_rule("thp-held", 0);
    if (!of_go()) return;
    restart(give_back_at_once);
    if (strcmp(tk_ask(&t, "huge 40"), "true") != 0) TK_SKIP("the kernel makes no huge pages here");
    memory_rule("thp-held", 30 << 20);
    restart(give_back_at_once);
    assert_string_equal(tk_ask(&t, "huge 4"), "true"); /* of so little none is made */
    memory_rule("thp-held", 0);
}

/* ---- the verb ------------------------------------------------------------------------------------------- */

static void test_every_finding_has_all_that_a_finding_has(void **state) {
    (void)state;
    size_t i;
    json_t *f;
    uint64_t last = UINT64_MAX;
    json_array_foreach(tk_at(first, "findings"), i, f) {
        assert_true(tk_number(f, "cost_bytes") <= last);
        last = tk_number(f, "cost_bytes");
        assert_true(strlen(tk_text(f, "evidence")) > 20 && strlen(tk_text(f, "fix.code")) > 20);
        assert_string_equal(tk_text(f, "fix.language"), of_go() ? "go" : "c");
        assert_true(strlen(tk_text(f, "harmless_if")) > 20);
        char page[64];
        snprintf(page, sizeof page, "docs/doctor.md#%s", tk_text(f, "rule"));
        assert_string_equal(tk_text(f, "page"), page);
        assert_true(json_object_size(tk_at(f, "figures")) > 0);
    }
    assert_true(i > 6);
}

static void test_the_page_has_a_section_for_each_rule(void **state) {
    (void)state;
    char *page = tk_slurp(tk_target_path("doctor.md"), NULL);
    size_t i, n = 0;
    json_t *r;
    assert_non_null(page);
    json_array_foreach(tk_at(first, "rules"), i, r) {
        char head[64];
        snprintf(head, sizeof head, "\n## %s\n", tk_text(r, "id"));
        if (!strstr(page, head)) print_error("docs/doctor.md has no section '%s'\n", tk_text(r, "id"));
        assert_non_null(strstr(page, head));
        n++;
    }
    assert_int_equal(n, 15);
    free(page);
}

static void test_limits_can_be_set(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "doctor", t.id, "--rule", "never-shrunk", "--set", "never-shrunk.bytes=1G");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "0 findings"));
    tk_result_free(&r);
    TK_RUN(&r, "doctor", t.id, "--rule", "never-shrunk", "--set", "never-shrunk.load=1%");
    TK_CODE(&r, 0);
    tk_result_free(&r);
    TK_RUN(&r, "doctor", t.id, "--ignore", "never-shrunk");
    TK_CODE(&r, 1);
    assert_null(strstr(r.out, "never-shrunk"));
    assert_non_null(strstr(r.out, "near-empty-giant"));
    tk_result_free(&r);
    TK_RUN(&r, "doctor", t.id, "--rule", "never-shrunk", "--rule", "near-empty-giant");
    TK_CODE(&r, 1);
    assert_null(strstr(r.out, "oversized-hint"));
    assert_non_null(strstr(r.out, "never-shrunk"));
    assert_non_null(strstr(r.out, "near-empty-giant"));
    tk_result_free(&r);
    static const char *const bad[][2] = {{"--rule", "no-such"},
                                         {"--ignore", ""},
                                         {"--set", "never-shrunk"},
                                         {"--set", "never-shrunk.load"},
                                         {"--set", "no-such.load=1"},
                                         {"--set", "never-shrunk.no=1"},
                                         {"--set", "never-shrunk.load="},
                                         {"--set", "never-shrunk.load=-1"},
                                         {"--set", ".=1"},
                                         {"--seconds", "0"},
                                         {"--seconds", "1x"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        TK_RUN(&r, "doctor", t.id, bad[i][0], bad[i][1]);
        TK_REFUSED(&r, 2, "");
        tk_result_free(&r);
    }
}

static void test_the_table_is_clean(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "doctor", t.id, "--ignore", "growing-unbounded");
    TK_CODE(&r, 1);
    TK_CLEAN(r.out, r.out_len, 0);
    assert_non_null(strstr(r.out, "dearest first"));
    assert_non_null(strstr(r.out, "Harmless if"));
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "       ", 7) != 0) assert_true(strlen(line) <= 80); /* code is not wrapped */
    tk_result_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_each_rule_finds_the_ill_and_not_the_well, start),
    cmocka_unit_test(test_a_rule_finds_nothing_where_it_does_not_apply),
    cmocka_unit_test(test_a_map_is_empty_in_one_way_only),
    cmocka_unit_test(test_what_a_rebuild_frees_is_the_cost_of_emptiness),
    cmocka_unit_test(test_one_of_many_alike_is_out_of_line),
    cmocka_unit_test(test_a_leak_is_what_nothing_can_wake),
    cmocka_unit_test(test_many_maps_for_one_entry_each_are_told_together),
    cmocka_unit_test(test_every_finding_has_all_that_a_finding_has),
    cmocka_unit_test(test_the_page_has_a_section_for_each_rule),
    cmocka_unit_test(test_limits_can_be_set),
    cmocka_unit_test(test_the_table_is_clean),
    cmocka_unit_test(test_growth_is_what_every_look_sees),
    cmocka_unit_test(test_memory_given_back_lazily_is_hidden),
    cmocka_unit_test_teardown(test_huge_pages_hold_what_is_free, end),
};
TK_MAIN("tool_doctor", tests)
