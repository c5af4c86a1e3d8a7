/* tool_events.c - `events`: the history of maps and of the program, live, in a core file, and as a trace. */
#include "toolkit.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_events"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static uint64_t count(const json_t *doc, const char *kind, const char *map) {
    size_t i;
    json_t *e;
    uint64_t n = 0;
    json_array_foreach(tk_at(doc, "events"), i, e) {
        const char *of = json_string_value(json_object_get(e, "map"));
        n += strcmp(tk_text(e, "kind"), kind) == 0 && (!map || (of && strcmp(of, map) == 0));
    }
    return n;
}

static json_t *find(const json_t *doc, const char *kind, const char *name) {
    size_t i;
    json_t *e;
    json_array_foreach(tk_at(doc, "events"), i, e) {
        const char *text = json_string_value(json_object_get(e, "name"));
        if (strcmp(tk_text(e, "kind"), kind) == 0 && (!name || (text && strcmp(text, name) == 0))) return e;
    }
    return NULL;
}

/* What is told of growths is what the library counted; ends come after beginnings, with their time. */
static void test_maps(void **state) {
    (void)state;
    uint64_t grows = strtoull(tk_ask(&t, "grow 200000"), NULL, 10), shrinks = strtoull(tk_ask(&t, "shrink"), NULL, 10);
    tk_ask(&t, "brief");
    json_t *doc = TK_JSON("events", t.id), *e;
    assert_true(grows > 3 && shrinks > 0);
    assert_int_equal(count(doc, "new", "busy"), 1);
    assert_int_equal(count(doc, "grow_start", "busy"), grows);
    assert_int_equal(count(doc, "grow_done", "busy"), grows);
    assert_int_equal(count(doc, "shrink_start", "busy"), shrinks);
    assert_int_equal(count(doc, "shrink_done", "busy"), shrinks);
    assert_true(count(doc, "madvise", "busy") > 0);
    assert_int_equal(count(doc, "free", NULL), 1);
    assert_int_equal(tk_number(doc, "lost"), 0);
    size_t i;
    uint64_t last = 0;
    json_array_foreach(tk_at(doc, "events"), i, e) {
        assert_true(tk_number(e, "time_ns") >= last);
        last = tk_number(e, "time_ns");
        bool ends = strstr(tk_text(e, "kind"), "_done") != NULL;
        assert_int_equal(json_is_integer(json_object_get(e, "duration_ns")), ends);
    }
    assert_true(json_is_null(json_object_get(find(doc, "free", NULL), "map")));
    json_decref(doc);
}

static void test_program(void **state) {
    (void)state;
    uint64_t thread = strtoull(tk_ask(&t, "regions"), NULL, 10);
    tk_ask(&t, "crossed");
    json_t *doc = TK_JSON("events", t.id);
    uint64_t load = tk_number(find(doc, "region_end", "load"), "duration_ns"),
             parse = tk_number(find(doc, "region_end", "parse"), "duration_ns");
    assert_true(load >= parse);
    assert_int_equal(tk_number(find(doc, "region_begin", "load"), "thread"), thread);
    assert_int_equal(tk_number(find(doc, "note", "batch"), "b"), 42);
    assert_true(json_is_integer(json_object_get(find(doc, "region_end", "first"), "duration_ns")));
    assert_true(json_is_null(json_object_get(find(doc, "region_end", "never begun"), "duration_ns")));
    json_decref(doc);
}

/* Trace events: each slice lies within those of its track that last, each flow has both ends, tracks have names. */
static void test_trace(void **state) {
    (void)state;
    enum { MOST = 8192 };
    static struct {
        uint64_t pid, tid;
        double from, to;
    } slice[MOST];
    char *path = tk_path_in(tk_scratch(), "trace.json");
    struct tk_result r;
    size_t n = 0, flows[2] = {0, 0}, counters = 0, instants = 0, names = 0, i;
    tk_ask(&t, "grow 200000");
    tk_ask(&t, "shrink");
    tk_ask(&t, "regions");
    tk_ask(&t, "crossed");
    TK_RUN(&r, "events", t.id, "--perfetto", path);
    TK_CODE(&r, 0);
    json_error_t why;
    json_t *doc = json_load_file(path, 0, &why), *e;
    assert_non_null(doc);
    json_array_foreach(tk_at(doc, "traceEvents"), i, e) {
        char phase = *tk_text(e, "ph");
        names += phase == 'M', counters += phase == 'C', instants += phase == 'i';
        flows[0] += phase == 's', flows[1] += phase == 'f';
        if (phase != 'X') continue;
        double from = json_number_value(tk_at(e, "ts")), dur = json_number_value(tk_at(e, "dur"));
        assert_true(dur >= 0 && n < MOST);
        slice[n].pid = tk_number(e, "pid"), slice[n].tid = tk_number(e, "tid");
        slice[n].from = from, slice[n++].to = from + dur;
    }
    for (i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            bool same = slice[i].pid == slice[k].pid && slice[i].tid == slice[k].tid;
            /* it began later: over before, or done within */
            if (same) assert_true(slice[k].to <= slice[i].from + 0.0015 || slice[i].to <= slice[k].to + 0.0015);
        }
    assert_true(n > 10 && names >= 3 && counters > 3 && instants > 0);
    assert_true(flows[0] > 0 && flows[0] == flows[1]);
    json_decref(doc);
    tk_result_free(&r);
    free(path);
}

static void test_table(void **state) {
    (void)state;
    struct tk_result r;
    tk_ask(&t, "grow 2000");
    tk_ask(&t, "regions");
    tk_ask(&t, "hostile");
    TK_RUN(&r, "events", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "grow_done"));
    assert_non_null(strstr(r.out, "us  grow_done "));
    assert_non_null(strstr(r.out, "batch  = 42"));
    assert_non_null(strstr(r.out, "\\x1b[31mred"));
    tk_result_free(&r);
    TK_RUN(&r, "events", t.id, "-n", "3");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "the last 3 shown"));
    tk_result_free(&r);
    json_t *doc = TK_JSON("events", t.id); /* and it is a document */
    json_decref(doc);
}

/* Waiting for more: what comes meanwhile is seen, what is overwritten is counted. */
static void test_follow(void **state) {
    (void)state;
    int out;
    struct tk_how how = {0};
    pid_t pid = tk_spawn(&how, (const char *const[]){"events", t.id, "--seconds", "20", "-o", "json", NULL}, &out, NULL);
    usleep(300000);
    tk_ask(&t, "flood 9000");
    tk_ask(&t, "grow 1000");
    usleep(300000);
    kill(pid, SIGINT); /* enough: it tells what it has */
    json_error_t why;
    json_t *doc = json_loadfd(out, 0, &why);
    assert_non_null(doc);
    uint64_t seen = count(doc, "note", NULL), lost = tk_number(doc, "lost");
    printf("# %" PRIu64 " of 9000 notes seen, %" PRIu64 " lost\n", seen, lost);
    assert_true(seen >= 1000);
    if (seen < 9000) assert_true(lost > 0);
    close(out);
    json_decref(doc);
}

/* The next line of -o jsonl; NULL: there is none. */
static json_t *next_line(FILE *f) {
    char *line = NULL;
    size_t room = 0;
    json_t *one = getline(&line, &room, f) > 0 ? json_loads(line, 0, NULL) : NULL;
    free(line);
    return one;
}

/* By probes: each event comes, where the ring forgets. */
static void test_probes(void **state) {
    (void)state;
    enum { NOTES = 9000 };
    int out, err;
    char line[1024] = "";
    pid_t pid = tk_spawn(&(struct tk_how){0}, (const char *const[]){"events", t.id, "--probes", "-o", "jsonl", NULL}, &out, &err);
    FILE *f = fdopen(out, "r");
    json_t *one = next_line(f), *events = json_array();
    if (!one) {
        assert_true(read(err, line, sizeof line - 1) > 0 && (strstr(line, "CAP_BPF") || strstr(line, "built without")));
        TK_SKIP("no probes here: %s", line);
    }
    close(err);
    json_decref(one);
    uint64_t grows = strtoull(tk_ask(&t, "grow 200000"), NULL, 10), shrinks = strtoull(tk_ask(&t, "shrink"), NULL, 10);
    uint64_t thread = strtoull(tk_ask(&t, "regions"), NULL, 10);
    tk_ask(&t, "flood %d", NOTES);
    kill(pid, SIGINT);
    for (one = next_line(f); one && strcmp(tk_text(one, "line"), "event") == 0; one = next_line(f))
        json_array_append_new(events, one);
    assert_non_null(one);
    json_t *doc = json_pack("{so}", "events", events);
    printf("# %" PRIu64 " probes, %" PRIu64 " hits, %" PRIu64 " ns each\n", tk_number(one, "probes"), tk_number(one, "hits"),
           tk_number(one, "hit_ns"));
    assert_int_equal(tk_number(one, "lost"), 0);
    assert_int_equal(count(doc, "grow_done", NULL), grows);
    assert_int_equal(count(doc, "shrink_done", NULL), shrinks);
    assert_in_range(count(doc, "note", NULL), NOTES, NOTES + 10);
    assert_int_equal(tk_number(find(doc, "note", "batch"), "b"), 42);
    assert_int_equal(tk_number(find(doc, "region_begin", "load"), "thread"), thread);
    fclose(f);
    json_decref(one);
    json_decref(doc);
}

static void test_core(void **state) {
    (void)state;
    struct tk_core core;
    struct tk_target own;
    tk_core_start(&core, &own, "0x33", (const char *const[]){tk_target_path("target_events"), NULL});
    tk_ask(&own, "grow 5000");
    tk_ask(&own, "regions");
    if (!tk_core_kernel(&core, &own) && !tk_core_gcore(&core, &own)) {
        tk_kill(&own);
        tk_core_free(&core);
        skip();
    }
    char *target = tk_core_target(&core, NULL);
    json_t *doc = TK_JSON("events", target);
    assert_true(count(doc, "grow_done", "busy") > 0);
    assert_int_equal(tk_number(find(doc, "note", "batch"), "b"), 42);
    struct tk_result r;
    TK_RUN(&r, "events", target, "--seconds", "1");
    TK_REFUSED(&r, 2, "--seconds");
    tk_result_free(&r);
    json_decref(doc);
    free(target);
    tk_core_free(&core);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_maps, start, end),  cmocka_unit_test_setup_teardown(test_program, start, end),
        cmocka_unit_test_setup_teardown(test_trace, start, end), cmocka_unit_test_setup_teardown(test_table, start, end),
        cmocka_unit_test_setup_teardown(test_follow, start, end), cmocka_unit_test_setup_teardown(test_probes, start, end),
        cmocka_unit_test(test_core),
    };
    return tk_main(argc, argv, "events", tests, sizeof tests / sizeof *tests);
}
