/* tests/unit/test_conf.c - GOMAP_CONF and the control tree.
 *
 * The environment is read once per process, so each setting of it is tried in a run of this program of its
 * own: it starts itself with the name of a part and looks at what that part printed.
 */
#include "../support.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- parts, run in a process of their own ------------------------------------------------------------ */

static gomap *grown(uint64_t n) {
    gomap_config c = t_config();
    gomap *m = NULL;
    c.name = "configured";
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    for (uint64_t k = 0; k < n; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    return m;
}

static int part(const char *name) {
    gomap *m = grown(!strcmp(name, "grow") ? 20000 : 1);
    uint64_t v = 0;
    extern struct gomap_root gomap_inspect_root_1;
    if (!strcmp(name, "shrink")) {
        gomap_free(m);
        m = grown(20000);
        for (uint64_t k = 0; k < 19990; k++) T_CHILD(gomap_delete(m, &k));
    }
    if (!strncmp(name, "policy.", 7)) {
        T_CHILD(gomap_ctl(m, name, &v, NULL) == GOMAP_OK);
        printf("%s=%llu\n", name, (unsigned long long)v);
    }
    if (!strcmp(name, "registry")) {
        int listed = 0;
        for (int i = 0; i < GOMAP_CHUNK_ENTRIES; i++)
            listed += gomap_inspect_root_1.chunks->entry[i].map != NULL;
        printf("listed=%d\n", listed);
    }
    gomap_free(m);
    return 0;
}

struct command {
    const char *conf, *part;
};

static void start(void *arg) {
    const struct command *c = arg;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    T_CHILD(n > 0);
    self[n] = 0;
    if (c->conf)
        setenv("GOMAP_CONF", c->conf, 1);
    else
        unsetenv("GOMAP_CONF");
    execl(self, self, "--part", c->part, (char *)NULL);
    T_CHILD(!"exec");
}

/* Output of a part under a setting. */
static const char *run(const char *conf, const char *name) {
    static struct t_child c;
    struct command command = {conf, name};
    t_fork(&c, start, &command);
    if (c.status) fail_msg("%s %s: status %x: %s", conf, name, (unsigned)c.status, c.out);
    return c.out;
}

#define PRINTS(conf, name, text) assert_non_null(strstr(run((conf), (name)), (text)))
#define SILENT(conf, name)       assert_string_equal(run((conf), (name)), "")

static void test_silent_by_default(void **st) {
    (void)st;
    SILENT(NULL, "grow");
    SILENT("", "grow");
    SILENT("log:0", "shrink");
}

static void test_log(void **st) {
    (void)st;
    PRINTS("log:1", "grow", "configured");
    PRINTS("log:1", "grow", "grow");
    PRINTS("log:1", "shrink", "shrink");
    const char *lines = run("log:1", "grow");
    uint64_t n = 0;
    for (const char *p = lines; (p = strchr(p, '\n')); p++) n++;
    assert_true(n >= 5 && n < 200); /* a line a rare event, not one a write */
}

static void test_settings_reach_maps(void **st) {
    (void)st;
    PRINTS("return_after_ms:123", "policy.return_after_ms", "=123");
    PRINTS("huge_pages:never", "policy.huge_pages", "=1");
    PRINTS("huge_pages:always,return_after_ms:7", "policy.huge_pages", "=2");
    PRINTS("huge_pages:always,return_after_ms:7", "policy.return_after_ms", "=7");
    PRINTS("mode:memory", "policy.mode", "=2");
    PRINTS("reserve_bytes_max:65536", "policy.reserve_bytes_max", "=65536");
    PRINTS("range_from_bytes:65536", "policy.range_from_bytes", "=65536");
    PRINTS("shrink:0", "policy.shrink", "=0");
}

static void test_unknown_names_and_values(void **st) {
    (void)st;
    PRINTS("no_such_thing:1", "grow", "no_such_thing");
    PRINTS("huge_pages:sometimes", "grow", "huge_pages");
    PRINTS("log", "grow", "log");
    PRINTS("return_after_ms:-1", "grow", "return_after_ms");
    PRINTS("return_after_ms:12x", "grow", "return_after_ms");
    PRINTS("nonsense:1,return_after_ms:55", "policy.return_after_ms", "=55"); /* the rest counts */
    const char *out = run("one:1,two:2", "policy.shrink");
    uint64_t n = 0;
    for (const char *p = out; (p = strchr(p, '\n')); p++) n++;
    assert_int_equal(n, 3); /* a line each, and the answer */
    PRINTS(",,:,::,:1,", "policy.shrink", "=1");
}

static void test_backtrace_above(void **st) {
    (void)st;
    const char *out = run("backtrace_above:1000", "grow");
    assert_non_null(strstr(out, "configured"));
    assert_non_null(strstr(out, "1000"));
    uint64_t n = 0;
    for (const char *p = out; (p = strstr(p, "more than")); p++) n++;
    assert_int_equal(n, 1); /* once */
    SILENT("backtrace_above:100000", "grow");
}

static void test_registry_off(void **st) {
    (void)st;
    PRINTS("registry:1", "registry", "listed=1");
    PRINTS("registry:0", "registry", "listed=0");
}

/* ---- the tree ------------------------------------------------------------------------------------------- */

static void test_tree_names(void **st) {
    (void)st;
    gomap *m = grown(3000);
    const char *needed[] = {"policy.mode",
                            "policy.huge_pages",
                            "policy.return_after_ms",
                            "policy.reserve_bytes_max",
                            "policy.shrink",
                            "policy.backtrace_above",
                            "policy.range_from_bytes",
                            "policy.log",
                            "policy.registry",
                            "policy.times",
                            "policy.stacks",
                            "times.grow.count",
                            "times.alloc.max_ns",
                            "stats.entries",
                            "stats.bytes",
                            "stats.grows",
                            "stats.chained",
                            "stats.move_max"};
    size_t n = 0, found = 0;
    for (const char *name; (name = gomap_ctl_name(n)); n++) {
        uint64_t v;
        T_OK(gomap_ctl(m, name, &v, NULL));
        for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) found += !strcmp(needed[i], name);
        if (!strncmp(name, "policy.", 7)) {
            T_OK(gomap_ctl(m, name, NULL, &v)); /* what it is, it can be set to */
        } else {
            assert_int_equal(gomap_ctl(m, name, NULL, &v), GOMAP_EINVAL);
        }
    }
    assert_int_equal(found, sizeof needed / sizeof *needed);
    assert_null(gomap_ctl_name(n + 1));
    assert_null(gomap_ctl_name(SIZE_MAX));
    gomap_stats s = t_stats(m);
    uint64_t v;
#define SAME(field)                                                                                          \
    T_OK(gomap_ctl(m, "stats." #field, &v, NULL));                                                           \
    assert_int_equal(v, s.field)
    SAME(entries);
    SAME(slots);
    SAME(bytes);
    SAME(bytes_slots_live);
    SAME(bytes_header);
    SAME(grow_at);
    SAME(moved);
    SAME(reserved);
#undef SAME
    gomap_free(m);
}

static void test_tree_refusals(void **st) {
    (void)st;
    gomap *m = grown(10);
    uint64_t v = 77, bad = 99;
    const char *unknown[] = {"",        "policy", "policy.", "stats.", "policy.nothing", "stats.nothing",
                             "entries", "x.y.z"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(gomap_ctl(m, unknown[i], &v, NULL), GOMAP_ENOENT);
        assert_int_equal(v, 77);
    }
    assert_int_equal(gomap_ctl(m, "policy.mode", NULL, &bad), GOMAP_EINVAL);
    assert_int_equal(gomap_ctl(m, "policy.huge_pages", &v, &bad), GOMAP_EINVAL);
    T_OK(gomap_ctl(m, "policy.return_after_ms", &v, &bad));
    T_OK(gomap_ctl(m, "policy.return_after_ms", &v, NULL));
    assert_int_equal(v, 99);
    gomap *other = grown(10); /* a map's setting is its own */
    T_OK(gomap_ctl(other, "policy.return_after_ms", &v, NULL));
    assert_int_not_equal(v, 99);
    uint64_t set = 321, old;
    T_OK(gomap_ctl(NULL, "policy.return_after_ms", &old, &set)); /* the default for maps to come */
    gomap *third = grown(10);
    T_OK(gomap_ctl(third, "policy.return_after_ms", &v, NULL));
    assert_int_equal(v, 321);
    T_OK(gomap_ctl(NULL, "policy.return_after_ms", NULL, &old));
    gomap_free(m);
    gomap_free(other);
    gomap_free(third);
}

/* Policies do what they say. */
static void test_no_shrink(void **st) {
    (void)st;
    gomap *m = grown(20000);
    uint64_t off = 0;
    T_OK(gomap_ctl(m, "policy.shrink", NULL, &off));
    uint64_t slots = t_stats(m).slots;
    for (uint64_t k = 0; k < 19990; k++) assert_true(gomap_delete(m, &k));
    assert_int_equal(t_stats(m).shrinks, 0);
    assert_true(t_stats(m).slots >= slots);
    gomap_free(m);
}

static void test_reserve_limit(void **st) {
    (void)st;
    gomap *m = grown(10);
    uint64_t most = 1 << 20;
    T_OK(gomap_ctl(m, "policy.reserve_bytes_max", NULL, &most));
    gomap_err err = GOMAP_OK;
    for (uint64_t k = 10; k < 1000000 && !err; k++) err = gomap_put(m, &k, &k);
    gomap_stats s = t_stats(m);
    if (s.reserved > most) /* either it stops there, or it goes on without a range */
        fail_msg("%lu reserved, error %d at %lu entries", (unsigned long)s.reserved, err,
                 (unsigned long)s.entries);
    T_VERIFY(m);
    gomap_free(m);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "--part")) return part(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_by_default),   cmocka_unit_test(test_log),
        cmocka_unit_test(test_settings_reach_maps), cmocka_unit_test(test_unknown_names_and_values),
        cmocka_unit_test(test_backtrace_above),     cmocka_unit_test(test_registry_off),
        cmocka_unit_test(test_tree_names),          cmocka_unit_test(test_tree_refusals),
        cmocka_unit_test(test_no_shrink),           cmocka_unit_test(test_reserve_limit),
    };
    return t_run("conf", tests, sizeof tests / sizeof *tests);
}
