/* tool_go.c - mapscope and Go programs: every map a program knows of itself is found, with the figures it counts itself,
 * its type and who holds it; bytes are those by which its heap grew, rebuild gain those by which it shrank.
 *
 * The program is tests/go, built by tests/go/on_go.sh with the version of Go under test.
 */
#include "toolkit.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tk_target t;
static bool stripped; /* no debug information: types and holders are known where the heap tells them */
static json_t *known; /* the program's register */

static int start(void **state) {
    (void)state;
    size_t len;
    const char *path = tk_target_path("holders");
    assert_non_null(path);
    TK_START(&t, path);
    char *file = tk_path_in(tk_scratch(), "register.json");
    assert_non_null(strstr(tk_ask(&t, "dump %s", file), "dumped"));
    char *text = tk_slurp(file, &len);
    assert_non_null(text);
    known = json_loads(text, 0, NULL);
    assert_non_null(known);
    assert_true(json_array_size(known) > 4000);
    free(text);
    free(file);
    return 0;
}

static int end(void **state) {
    (void)state;
    json_decref(known);
    tk_kill(&t);
    return 0;
}

/* Maps of a document by their addresses; borrowed from it. */
static json_t *by_address(const json_t *doc) {
    json_t *all = json_object();
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m)
        assert_int_equal(json_object_set(all, tk_text(m, "id"), m), 0);
    return all;
}

/* Does the text begin as the pattern says?  ~ stands for anything. */
static bool begins(const char *text, const char *pattern) {
    for (; *pattern && *pattern != '~'; pattern++, text++)
        if (*text != *pattern) return false;
    if (!*pattern) return true;
    for (;; text++) {
        if (begins(text, pattern + 1)) return true;
        if (!*text) return false;
    }
}

static unsigned faults;

static void fault(const json_t *want, const char *what, const char *got) {
    if (faults++ < 20)
        print_error("map %s (%s, %s of %" PRIu64 "): %s: %s\n", tk_text(want, "address"),
                    tk_text(want, "kind"), tk_text(want, "type"), tk_number(want, "entries"), what, got);
}

static void compare_number(const json_t *want, const char *key, const json_t *map, const char *path) {
    char text[64];
    json_int_t expected = json_integer_value(tk_at(want, key));
    const json_t *got = tk_at(map, path);
    if (expected < 0 || json_is_null(got) || json_integer_value(got) == expected) return;
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT ", not %" JSON_INTEGER_FORMAT,
             json_integer_value(got), expected);
    fault(want, path, text);
}

/* Is it one of "~map[string]int | ~map[string]bool | 2 more", what a table looks like where nothing tells its type? */
static bool is_among(const char *types, const char *shape) {
    size_t len = strlen(shape);
    for (const char *at = types; at; at = (at = strstr(at, " | ")) ? at + 3 : NULL) {
        if (*at != '~') return true;
        const char *end = at + 1 + len;
        if (strncmp(at + 1, shape, len) == 0 && (!*end || strncmp(end, " | ", 3) == 0)) return true;
    }
    return false;
}

static bool right_type(const json_t *want, const char *type) {
    bool typed = json_is_true(tk_at(want, "typed"));
    if (!type) return !typed || (stripped && tk_number(want, "entries") == 0);
    if (*type == '~') return (stripped || !typed) && is_among(type, tk_text(want, "shape"));
    return strcmp(type, tk_text(want, "type")) == 0;
}

static unsigned strays; /* maps of a frame that a dead word of another frame led to first */

static bool right_holder(const json_t *want, const char *holder) {
    if (!holder) return false;
    if (begins(holder, "goroutine") && begins(tk_text(want, "holder"), "goroutine") &&
        !begins(holder, tk_text(want, "holder")))
        return strays++ < 3;
    if (stripped) return strchr(holder, '+') != NULL || begins(holder, "finalizer");
    return begins(holder, tk_text(want, "holder"));
}

static void compare(const json_t *want, const json_t *map) {
    const char *type = json_string_value(tk_at(map, "type"));
    const char *holder = json_string_value(json_array_get(tk_at(map, "holders"), 0));
    if (strcmp(tk_text(map, "certainty"), "exact") != 0) fault(want, "certainty", tk_text(map, "certainty"));
    compare_number(want, "entries", map, "entries");
    compare_number(want, "slots", map, "slots");
    compare_number(want, "tombstones", map, "tombstones");
    if (!right_type(want, type)) fault(want, "type", type ? type : "not known");
    if (!right_holder(want, holder)) fault(want, "holder", holder ? holder : "none");
}

/* Compare a list with the register; the list is dropped.  Returns the number of faults. */
static unsigned compare_all(json_t *doc) {
    size_t i, empty = 0, found = 0;
    json_t *want;
    tk_sums(doc);
    json_t *all = by_address(doc);
    faults = strays = 0;
    json_array_foreach(known, i, want) {
        const json_t *map = json_object_get(all, tk_text(want, "address"));
        empty += tk_number(want, "entries") == 0;
        if (map)
            found++, compare(want, map);
        else
            fault(want, "it", "is not in the list");
    }
    print_message("%zu of %zu maps found, %zu of them empty, %zu in the list\n", found,
                  json_array_size(known), empty, json_object_size(all));
    assert_true(empty > 100); /* which have no shape, only a type */
    json_decref(all);
    json_decref(doc);
    return faults;
}

static void test_every_map_is_found_with_its_figures(void **state) {
    (void)state;
    assert_int_equal(compare_all(TK_JSON("list", t.id)), 0);
}

/* Their addresses stand in words that are not pointers.  One may since be that of another map. */
static void test_dead_maps_are_not_found(void **state) {
    (void)state;
    unsigned entries = 0, told = 0;
    int at = 0, step;
    char address[32];
    json_t *doc = TK_JSON("list", t.id), *all = by_address(doc);
    const char *text = tk_ask(&t, "dead");
    assert_int_equal(sscanf(text, "dead %u%n", &entries, &at), 1);
    for (uint64_t value; sscanf(text + at, "%" SCNx64 "%n", &value, &step) == 1; at += step, told++) {
        snprintf(address, sizeof address, "0x%" PRIx64, value);
        const json_t *map = json_object_get(all, address);
        if (map && tk_number(map, "entries") == entries) {
            print_error("%s is found, held by %s\n", address,
                        json_string_value(json_array_get(tk_at(map, "holders"), 0)));
            fail();
        }
    }
    assert_int_equal(told, 288);
    json_decref(all);
    json_decref(doc);
}

/* Is there a path from a frame of that function? */
static bool held_by_frame(const char *address, const char *function) {
    json_t *doc = TK_JSON("holders", t.id, address), *h;
    bool found = false;
    size_t i;
    json_array_foreach(tk_at(doc, "held.shortest"), i, h) {
        const char *name = json_string_value(json_object_get(h, "function"));
        found = found || (name && strcmp(name, function) == 0);
    }
    json_decref(doc);
    return found;
}

/* The compiler says which words of a frame are pointers that are still needed, wherever it waits. */
static void test_a_frame_holds_what_it_still_needs(void **state) {
    (void)state;
    size_t i, asked = 0;
    json_t *want;
    json_array_foreach(known, i, want) {
        const char *kind = tk_text(want, "kind"), *address = tk_text(want, "address");
        if (strcmp(kind, "needed by a frame") == 0)
            asked++, assert_true(held_by_frame(address, "main.needs"));
        else if (strcmp(kind, "forgotten by a frame") == 0)
            asked++, assert_false(held_by_frame(address, "main.forgets"));
    }
    assert_int_equal(asked, 10);
}

static void test_what_only_a_dead_word_of_a_frame_names_is_not_found(void **state) {
    (void)state;
    char keeps[3][32], loses[32];
    const char *text = tk_ask(&t, "frames");
    assert_int_equal(sscanf(text, "frames %31s %31s %31s %31s", keeps[0], keeps[1], keeps[2], loses), 4);
    json_t *doc = TK_JSON("list", t.id), *all = by_address(doc);
    for (int i = 0; i < 3; i++)
        if (!json_object_get(all, keeps[i])) {
            print_error("%s, which is alive, is not found: number %d of %s\n", keeps[i], i, text);
            fail();
        }
    const json_t *lost = json_object_get(all, loses);
    if (lost)
        print_error("%s is found, held by %s\n", loses,
                    json_string_value(json_array_get(tk_at(lost, "holders"), 0)));
    assert_null(lost);
    json_decref(all);
    json_decref(doc);
}

static void test_names_come_from_the_copy_before_it_was_stripped(void **state) {
    (void)state;
    struct tk_result r;
    json_t *doc = TK_JSON("list", t.id, "--exe", tk_target_path("twin"));
    stripped = false; /* nothing is missing now */
    unsigned wrong = compare_all(doc);
    stripped = true;
    assert_int_equal(wrong, 0);
    TK_RUN(&r, "list", t.id, "--exe", tk_tool);
    TK_REFUSED(&r, 2, "--exe", "build id", t.id);
    tk_result_free(&r);
    TK_RUN(&r, "list", t.id, "--exe", tk_target_path("holders"));
    TK_REFUSED(&r, 2, "--exe", "no debug information");
    tk_result_free(&r);
}

/* What it looks like is enough: a trie of hashes, and beside its root the functions that hash and compare. */
static void test_a_sync_map_is_found_without_debug_information(void **state) {
    (void)state;
    const char *version = getenv("GOMAP_TEST_GO");
    unsigned minor = 0, of_120 = 0, of_5 = 0;
    size_t i;
    json_t *m;
    assert_int_equal(sscanf(version, "go1.%u", &minor), 1);
    if (minor < 24 || strstr(version, "noswissmap")) TK_SKIP("%s: it is two maps, found as such", version);
    json_t *doc = TK_JSON("list", t.id);
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        if (strcmp(tk_text(m, "kind"), "go_sync_map") != 0) continue;
        assert_string_equal(tk_text(m, "certainty"), "exact");
        if (tk_number(m, "entries") == 5)
            of_5++; /* in a struct of the heap, and in the library's variables */
        if (tk_number(m, "entries") != 120) continue;
        of_120++;
        assert_string_equal(tk_text(m, "type"), "sync.Map");
        assert_int_equal(tk_number(m, "bytes"), 48 + 120 * 48 + tk_number(m, "groups") * 160);
        assert_int_equal(tk_number(m, "parts.slots_live"), 120 * 32);
    }
    assert_int_equal(of_120, 1); /* main.GSyncMap */
    assert_true(of_5 >= 1);      /* main.GServer.cache */
    json_decref(doc);
}

/* Maps of a document.  Without names a way may lead over the runtime's timers, which come and go. */
static json_t *maps_of(json_t *doc) {
    json_t *maps = json_object_get(doc, "maps"), *m;
    size_t i;
    json_array_foreach(maps, i, m) {
        if (stripped) json_object_del(m, "holders"), json_object_del(m, "place");
    }
    return maps;
}

static void mount_apart(void) {
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(125);
}

static void test_in_a_container_with_its_file_replaced(void **state) {
    (void)state;
    struct tk_target own;
    char *path = tk_path_in(tk_scratch(), "contained"), *other = tk_path_in(tk_scratch(), "other");
    tk_copy_file(tk_target_path("holders"), path);
    assert_int_equal(chmod(path, 0755), 0);
    const char *argv[] = {path, NULL};
    if (!tk_start_flags(&own, CLONE_NEWNS | CLONE_NEWPID, mount_apart, argv))
        TK_SKIP("namespaces: %s", strerror(errno));
    json_t *before = TK_JSON("list", own.id);
    assert_int_equal(unlink(path), 0);
    json_t *deleted = TK_JSON("list", own.id);
    tk_copy_file(tk_tool, other);
    assert_int_equal(rename(other, path), 0);
    json_t *replaced = TK_JSON("list", own.id);
    assert_true(json_array_size(maps_of(before)) > 4000);
    assert_true(json_equal(maps_of(before), maps_of(deleted)));
    assert_true(json_equal(maps_of(before), maps_of(replaced)));
    json_decref(before);
    json_decref(deleted);
    json_decref(replaced);
    tk_kill(&own);
    free(path);
    free(other);
}

static void test_the_version_is_that_of_the_toolchain(void **state) {
    (void)state;
    const char *version = getenv("GOMAP_TEST_GO");
    assert_non_null(version);
    json_t *doc = TK_JSON("list", t.id);
    assert_string_equal(tk_text(doc, "target.runtime"), version);
    json_decref(doc);
}

/* Of its heap nothing is read for that: how many maps it has is not known. */
static void test_ls_names_it_and_its_version(void **state) {
    (void)state;
    struct tk_result r;
    json_t *p;
    size_t i, found = 0;
    TK_RUN(&r, "ls", "-o", "json"); /* the code is 4 if any process of this machine has maps that change */
    json_t *doc = tk_json_parse(&r);
    json_array_foreach(tk_at(doc, "processes"), i, p) {
        if (tk_number(p, "target.pid") != (uint64_t)t.pid) continue;
        found++;
        assert_string_equal(tk_text(p, "target.runtime"), getenv("GOMAP_TEST_GO"));
        assert_true(json_is_null(tk_at(p, "totals")));
    }
    assert_int_equal(found, 1);
    json_decref(doc);
    tk_result_free(&r);
    TK_RUN(&r, "ls");
    const char *row = strstr(r.out, t.id), *version = getenv("GOMAP_TEST_GO");
    assert_non_null(row);
    assert_non_null(memmem(row, strcspn(row, "\n"), version, strcspn(version, " ")));
    TK_CLEAN(r.out, r.out_len, 80);
    tk_result_free(&r);
}

/* Entries that the histograms of one map add up to. */
static uint64_t sum_of_histograms(const json_t *map) {
    uint64_t sum = tk_number(map, "chained_entries");
    size_t i;
    json_t *n;
    json_array_foreach(tk_at(map, "histograms.group_occupancy"), i, n) sum +=
        i * (uint64_t)json_integer_value(n);
    return sum;
}

static void test_show_counts_every_slot(void **state) {
    (void)state;
    size_t i, shown = 0;
    json_t *want;
    faults = 0;
    json_array_foreach(known, i, want) {
        if ((tk_number(want, "entries") < 2200 && i % 181) || json_is_false(tk_at(want, "typed"))) continue;
        json_t *doc = TK_JSON("show", t.id, tk_text(want, "address"));
        const json_t *map = json_array_get(tk_at(doc, "maps"), 0);
        compare(want, map);
        assert_true(json_is_true(tk_at(map, "parts_sum_to_bytes")));
        assert_true(json_is_true(tk_at(map, "histograms.complete")));
        assert_false(json_is_null(tk_at(map, "tombstones")));
        if (sum_of_histograms(map) != tk_number(want, "entries"))
            fault(want, "histograms", "do not add up to its entries");
        json_decref(doc);
        shown++;
    }
    assert_true(shown >= 20);
    assert_int_equal(faults, 0);
}

static void test_heat_shows_every_entry(void **state) {
    (void)state;
    json_t *doc = TK_JSON("heat", t.id, "main.GFloat"), *n;
    uint64_t sum = 0, listed = 0;
    size_t i;
    json_array_foreach(tk_at(doc, "heat.table.live"), i, n) sum += (uint64_t)json_integer_value(n);
    uint64_t entries = tk_number(json_array_get(tk_at(doc, "maps"), 0), "entries"),
             chained = tk_number(json_array_get(tk_at(doc, "maps"), 0), "groups");
    assert_int_equal(entries, 67);    /* of 100: deleting them has ended all growth */
    assert_in_range(sum, 1, entries); /* a classic map has some of them in chains */
    json_decref(doc);
    char range[32];
    snprintf(range, sizeof range, "0:%" PRIu64, chained - 1); /* at most 64, and B included */
    doc = TK_JSON("heat", t.id, "main.GFloat", "--range", range);
    json_array_foreach(tk_at(doc, "heat.groups"), i, n) {
        size_t k;
        json_t *byte;
        json_array_foreach(tk_at(n, "tophash"), k, byte) assert_in_range(json_integer_value(byte), 0, 255);
        assert_int_equal(k, 8);
        listed += tk_number(n, "chain_entries");
    }
    assert_int_equal(sum + listed, entries);
    json_decref(doc);
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static const json_t *measured(json_t **doc, const char *id) {
    *doc = TK_JSON("list", id, "--filter", "name=main.Measured");
    assert_int_equal(json_array_size(tk_at(*doc, "maps")), 1);
    return json_array_get(tk_at(*doc, "maps"), 0);
}

static void near(const char *what, uint64_t got, uint64_t want, double share) {
    double off = want ? ((double)got - (double)want) / (double)want : 1;
    print_message("%s: %" PRIu64 ", the program's heap says %" PRIu64 ": %+.4f %%\n", what, got, want,
                  100 * off);
    if (off > share || off < -share) {
        print_error("%s is %+.4f %% off\n", what, 100 * off);
        faults++;
    }
}

static void test_bytes_and_rebuild_gain_are_those_of_the_heap(void **state) {
    (void)state;
    static const unsigned size[][2] = {{1000000, 985000}, {300000, 0}, {777777, 100000}, {70000, 69000}};
    struct tk_target own;
    TK_START(&own, tk_target_path("holders"));
    faults = 0;
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        int64_t grown = 0, freed = 0;
        json_t *doc;
        assert_int_equal(
            sscanf(tk_ask(&own, "fill %u %u", size[i][0], size[i][1]), "filled %" SCNd64, &grown), 1);
        const json_t *map = measured(&doc, own.id);
        assert_int_equal(tk_number(map, "entries"), size[i][0] - size[i][1]);
        near("bytes", tk_number(map, "bytes"), (uint64_t)grown, 0.001);
        uint64_t gain = tk_number(map, "rebuild_gain_bytes"), bytes = tk_number(map, "bytes"),
                 waste = tk_number(map, "waste_bytes");
        json_decref(doc);
        assert_int_equal(sscanf(tk_ask(&own, "rebuild"), "freed %" SCNd64, &freed), 1);
        assert_true(freed < 0 || (uint64_t)freed <= waste); /* what is freed carried no entry */
        /* Which buckets of a classic map overflow is chance: a few hundred of ten thousand, 0.2 % of its bytes. */
        double chance = freed > 0 ? 0.002 * (double)bytes / (double)freed : 0;
        if (freed > (int64_t)bytes / 50)
            near("rebuild gain", gain, (uint64_t)freed, chance > 0.01 ? chance : 0.01);
        else /* there is nothing to gain */
            assert_in_range(gain, 0, bytes / 20);
    }
    tk_kill(&own);
    assert_int_equal(faults, 0);
}

/* ---- refusals ---------------------------------------------------------------------------------- */

static void test_a_version_not_known_is_said(void **state) {
    (void)state;
    struct tk_target strange;
    struct tk_result r;
    size_t len;
    unsigned changed = 0;
    char *program = tk_slurp(tk_target_path("holders"), &len), *path = tk_path_in(tk_scratch(), "strange");
    assert_non_null(program);
    /* the version in the build information, behind its length: "go1.2" becomes "go1.9" */
    static const char magic[] = "\xff Go buildinf:";
    for (char *at = program; (at = memmem(at, len - (size_t)(at - program), magic, sizeof magic - 1)); at++)
        if (at + 64 < program + len && memcmp(at + 33, "go1.", 4) == 0) at[37] = '9', changed++;
    assert_true(changed >= 1);
    tk_copy_file(tk_target_path("holders"), path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fwrite(program, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    TK_START(&strange, path);
    TK_RUN(&r, "list", strange.id);
    TK_REFUSED(&r, 4, "go1.9", "does not know");
    tk_result_free(&r);
    tk_kill(&strange);
    free(path);
    free(program);
}

static void test_a_program_that_ended_is_gone(void **state) {
    (void)state;
    struct tk_target own;
    struct tk_result r;
    TK_START(&own, tk_target_path("holders"));
    char id[16];
    memcpy(id, own.id, sizeof id);
    tk_kill(&own);
    TK_RUN(&r, "list", id);
    TK_REFUSED(&r, 3, id);
    tk_result_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_names_come_from_the_copy_before_it_was_stripped, start, end),
    cmocka_unit_test_setup_teardown(test_every_map_is_found_with_its_figures, start, end),
    cmocka_unit_test_setup_teardown(test_dead_maps_are_not_found, start, end),
    cmocka_unit_test_setup_teardown(test_a_frame_holds_what_it_still_needs, start, end),
    cmocka_unit_test_setup_teardown(test_what_only_a_dead_word_of_a_frame_names_is_not_found, start, end),
    cmocka_unit_test_setup_teardown(test_a_sync_map_is_found_without_debug_information, start, end),
    cmocka_unit_test_setup_teardown(test_the_version_is_that_of_the_toolchain, start, end),
    cmocka_unit_test_setup_teardown(test_ls_names_it_and_its_version, start, end),
    cmocka_unit_test(test_in_a_container_with_its_file_replaced),
    cmocka_unit_test(test_a_version_not_known_is_said),
    cmocka_unit_test(test_a_program_that_ended_is_gone),
    /* From here on tests name maps, and need the types of maps without pointers: not for stripped programs. */
    cmocka_unit_test_setup_teardown(test_show_counts_every_slot, start, end),
    cmocka_unit_test_setup_teardown(test_heat_shows_every_entry, start, end),
    cmocka_unit_test(test_bytes_and_rebuild_gain_are_those_of_the_heap),
};
enum { TESTS = sizeof tests / sizeof *tests, OF_STRIPPED = 11, OF_TWIN = 1 };

int main(int argc, char **argv) {
    stripped = getenv("GOMAP_TEST_STRIPPED") != NULL;
    int first = argc > 3 ? 0 : OF_TWIN; /* there is a program and its twin */
    return tk_main(argc, argv, "tool_go", tests + first, (size_t)((stripped ? OF_STRIPPED : TESTS) - first));
}
