/* tool_core.c - core files as targets: what a core says is what the process said; what it lacks is named.
 *
 * The kernel's cores and gcore's are compared with the same process alive, verb by verb.  Then cores are cut,
 * filtered, damaged and taken from their programs.
 */
#include "toolkit.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tk_target t;

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* One core, shared by all tests that need no other: of the known workload, by the kernel if it does, else by gcore. */
static struct tk_core shared;
static char *shared_target;
static json_t *shared_list; /* of the process alive */

static bool make_core(struct tk_core *c) { return tk_core_kernel(c, &t) || tk_core_gcore(c, &t); }

static int start_shared(void **state) {
    (void)state;
    tk_core_start(&shared, &t, "0x33", (const char *const[]){tk_target_path("target_maps"), "known", NULL});
    assert_string_equal(tk_ask(&t, "threads 7"), "ok");
    shared_list = TK_JSON("list", t.id);
    if (make_core(&shared)) shared_target = tk_core_target(&shared, NULL);
    return 0;
}

static int end_shared(void **state) {
    (void)state;
    free(shared_target);
    json_decref(shared_list);
    tk_core_free(&shared);
    tk_kill(&t);
    return 0;
}
#define NEED_CORE()                                                                                          \
    do {                                                                                                     \
        if (!shared_target) TK_SKIP("no core file can be made here");                                        \
    } while (0)

/* ---- the same answers -------------------------------------------------------------------------- */

/* Documents without what only a live process, or only a core, can tell. */
static json_t *answer(const char *verb, const char *target, const char *map) {
    json_t *doc = map ? TK_JSON(verb, target, map) : TK_JSON(verb, target);
    json_t *about = json_object_get(doc, "target");
    static const char *const own[] = {"age_ns", "rss_bytes", "mode", "pause_ns", "core"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) json_object_del(about, own[i]);
    return doc;
}

static const char *const same_verbs[] = {"list", "show", "show", "show", "heat", "heat"};
enum { SAME = sizeof same_verbs / sizeof *same_verbs };

static void take_answers(const char *target, const char *const maps[2], json_t *out[SAME]) {
    for (int i = 0; i < SAME; i++) out[i] = answer(same_verbs[i], target, i == 0 ? NULL : maps[i % 2]);
}

static void compare_core(const struct tk_core *c, const char *const maps[2], json_t *const live[SAME]) {
    char *target = tk_core_target(c, NULL);
    json_t *dead[SAME];
    take_answers(target, maps, dead);
    for (int i = 0; i < SAME; i++) {
        if (!json_equal(live[i], dead[i])) {
            print_error("%s differs.\nalive: %.3000s\ncore: %.3000s\n", same_verbs[i],
                        json_dumps(live[i], JSON_COMPACT), json_dumps(dead[i], JSON_COMPACT));
            fail();
        }
        json_decref(dead[i]);
    }
    free(target);
}

/* Both kinds of core of one program. */
static void compare_program(const char *program, const char *argument, const char *const maps[2],
                            const char *line) {
    struct tk_core c[2] = {{.file = NULL}};
    json_t *live[SAME];
    const char *path = tk_target_path(program);
    if (!path) TK_SKIP("%s is not built here", program);
    tk_core_start(&c[0], &t, "0x33", (const char *const[]){path, argument, NULL});
    if (line) assert_string_equal(tk_ask(&t, "%s", line), "ok");
    take_answers(t.id, maps, live);
    c[1] = c[0];
    bool made[2] = {tk_core_gcore(&c[0], &t), false};
    if (made[0]) compare_core(&c[0], maps, live);
    tk_core_free(&c[0]);
    made[1] = tk_core_kernel(&c[1], &t);
    if (made[1]) compare_core(&c[1], maps, live);
    tk_core_free(&c[1]);
    for (int i = 0; i < SAME; i++) json_decref(live[i]);
    tk_kill(&t);
    if (!made[0] && !made[1]) TK_SKIP("neither kernel nor gcore write core files here");
}

static const char *const known_maps[2] = {"map22", "map20"};

static void test_gomap_as_alive(void **state) {
    (void)state;
    compare_program("target_maps", "known", known_maps, "walk 22"); /* in the middle of a growth */
}

static void test_classic_as_alive(void **state) {
    (void)state;
    static const char *const maps[2] = {"big", "chains"};
    compare_program("target_classic", NULL, maps, "walk 3");
}

static void test_shared_library_as_alive(void **state) {
    (void)state;
    compare_program("target_shared", "known", known_maps, NULL);
}

static void test_position_dependent_as_alive(void **state) {
    (void)state;
    compare_program("target_nopie", "known", known_maps, NULL);
}

static void test_static_as_alive(void **state) {
    (void)state;
    compare_program("target_static", "known", known_maps, NULL);
}

static void test_static_pie_as_alive(void **state) {
    (void)state;
    compare_program("target_staticpie", "known", known_maps, NULL);
}

/* ---- what a core tells of itself ---------------------------------------------------------------- */

static void test_target_is_described(void **state) {
    (void)state;
    struct tk_result r;
    NEED_CORE();
    json_t *doc = TK_JSON("list", shared_target, "--resident");
    assert_int_equal(tk_number(doc, "target.core.threads"), 8);
    assert_string_equal(tk_text(doc, "target.core.file"), shared.file);
    assert_string_equal(tk_text(doc, "target.mode"), "core");
    assert_int_equal(tk_number(doc, "target.core.signal"),
                     t.pid > 0 ? SIGSTOP : SIGABRT); /* gcore stopped it */
    assert_true(json_is_null(tk_at(doc, "target.age_ns")));
    assert_true(json_is_null(tk_at(doc, "target.rss_bytes")));
    assert_true(json_is_null(tk_at(doc, "totals.resident_bytes")));
    assert_string_equal(tk_text(doc, "target.exe"), tk_text(shared_list, "target.exe"));
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    doc = TK_JSON("top", shared_target, "--once");
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    TK_RUN(&r, "list", shared_target);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "core file"));
    tk_result_free(&r);
}

/* A copy of the shared core, changed. */
static char *copy_of_core(const char *name) {
    char *path = tk_path_in(tk_scratch(), name);
    tk_copy_file(shared.file, path);
    return path;
}

static json_t *list_file(const char *file, const char *exe) {
    struct tk_core c = {.file = (char *)(uintptr_t)file};
    char *target = tk_core_target(&c, exe);
    json_t *doc = TK_JSON("list", target);
    free(target);
    return doc;
}

static void refuse_file(const char *file, const char *exe, int code, const char *word, const char *other) {
    struct tk_core c = {.file = (char *)(uintptr_t)file};
    struct tk_result r;
    char *target = tk_core_target(&c, exe);
    TK_RUN(&r, "list", target);
    TK_REFUSED(&r, code, word, other);
    tk_result_free(&r);
    free(target);
}

static void test_commas_in_names(void **state) {
    (void)state;
    NEED_CORE();
    char *path = copy_of_core("with,comma");
    json_t *doc = list_file(path, NULL);
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    doc = list_file(path, tk_target_path("target_maps"));
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    unlink(path);
    free(path);
}

static void patch(const char *path, off_t at, const void *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

/* 65,535 segments and more: their number stands in a section header. */
static void test_number_of_segments_in_section_header(void **state) {
    (void)state;
    Elf64_Ehdr h;
    struct stat st;
    NEED_CORE();
    char *path = copy_of_core("xnum");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &h, sizeof h, 0), sizeof h);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    Elf64_Shdr s = {.sh_info = h.e_phnum};
    h.e_phnum = PN_XNUM;
    h.e_shoff = (Elf64_Off)st.st_size;
    h.e_shnum = 1;
    patch(path, 0, &h, sizeof h);
    patch(path, st.st_size, &s, sizeof s);
    json_t *doc = list_file(path, NULL);
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    s.sh_info = UINT32_MAX;
    patch(path, st.st_size, &s, sizeof s);
    refuse_file(path, NULL, 2, "headers", "damaged");
    assert_int_equal(truncate(path, st.st_size + 8), 0);
    refuse_file(path, NULL, 4, "cut short", "headers");
    unlink(path);
    free(path);
}

/* ---- not whole --------------------------------------------------------------------------------- */

/* Whatever is left is shown, and one line says that it is not all. */
static void test_cut(void **state) {
    (void)state;
    struct stat st;
    struct tk_result r;
    size_t shown = 0, cuts = 0;
    NEED_CORE();
    char *path = copy_of_core("cut");
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size >= 4; size = size * 3 / 4, cuts++) {
        assert_int_equal(truncate(path, size), 0);
        struct tk_core c = {.file = path};
        char *target = tk_core_target(&c, NULL);
        TK_RUN(&r, "list", target);
        TK_CODE(&r, 4);
        const char *first = strstr(r.err, "cut short"); /* first, and once */
        assert_true(first && first < strchr(r.err, '\n') && !strstr(first + 1, "cut short"));
        shown += r.out_len > 0;
        tk_result_free(&r);
        TK_RUN(&r, "list", target, "-o", "json");
        TK_CODE(&r, 4);
        json_t *doc = tk_json_parse(&r);
        json_t *maps = json_object_get(doc, "maps");
        assert_true(maps ? json_array_size(maps) <= 23 : json_object_get(doc, "error") != NULL);
        json_decref(doc);
        tk_result_free(&r);
        TK_RUN(&r, "show", target, "map20");
        assert_true(r.code == 4 || r.code == 2);
        tk_result_free(&r);
        free(target);
    }
    assert_true(cuts > 30);
    assert_true(shown > 2);
    unlink(path);
    free(path);
}

/* The end of a core is often a library's or the stack: maps may be whole then, and the look is still not certain. */
static void test_cut_show_and_heat(void **state) {
    (void)state;
    struct stat st;
    struct tk_result r;
    NEED_CORE();
    char *path = copy_of_core("short");
    struct tk_core c = {.file = path};
    char *target = tk_core_target(&c, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    static const char *const verb[] = {"show", "heat"};
    for (int i = 0; i < 2; i++) {
        TK_RUN(&r, verb[i], target, "map20");
        TK_REFUSED(&r, 4, "cut short");
        assert_true(r.out_len > 100);
        tk_result_free(&r);
    }
    free(target);
    unlink(path);
    free(path);
}

static void test_no_core_files(void **state) {
    (void)state;
    char *path = tk_path_in(tk_scratch(), "thing"), *fifo = tk_path_in(tk_scratch(), "fifo");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    refuse_file(path, NULL, 2, "not a core file", path);
    patch(path, 0, "text of some length, no core", 28);
    refuse_file(path, NULL, 2, "not a core file", path);
    patch(path, 0, "\x28\xb5\x2f\xfd", 4);
    refuse_file(path, NULL, 2, "compressed", "unpack");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    refuse_file(fifo, NULL, 2, "not a core file", fifo);
    refuse_file(tk_scratch(), NULL, 2, "not a core file", tk_scratch());
    refuse_file("/dev/zero", NULL, 2, "not a core file", "/dev/zero");
    refuse_file("/nonexistent/core", NULL, 2, "/nonexistent/core", "No such file");
    refuse_file("", NULL, 2, "core file", "No such file");
    refuse_file(tk_tool, NULL, 2, "ELF file", "not a core file");
    unlink(path);
    unlink(fifo);
    free(path);
    free(fifo);
}

static void test_other_machines(void **state) {
    (void)state;
    NEED_CORE();
    char *path = copy_of_core("machine");
    const uint8_t class32 = ELFCLASS32, big = ELFDATA2MSB, class64 = ELFCLASS64, little = ELFDATA2LSB;
    const uint16_t machine = EM_S390;
    patch(path, EI_CLASS, &class32, 1);
    refuse_file(path, NULL, 2, "32-bit", path);
    patch(path, EI_CLASS, &class64, 1);
    patch(path, EI_DATA, &big, 1);
    refuse_file(path, NULL, 2, "another kind of machine", path);
    patch(path, EI_DATA, &little, 1);
    patch(path, offsetof(Elf64_Ehdr, e_machine), &machine, 2);
    refuse_file(path, NULL, 2, "another kind of machine", path);
    unlink(path);
    free(path);
}

/* Bytes of headers and notes at random: any answer, but an answer. */
static void test_damage(void **state) {
    (void)state;
    struct tk_result r;
    unsigned seed = 4711, codes = 0;
    enum { ROUNDS = 150, REACH = 6000 };
    NEED_CORE();
    char *path = copy_of_core("damaged");
    struct tk_core c = {.file = path};
    char *target = tk_core_target(&c, NULL), *whole;
    size_t len;
    whole = tk_slurp(shared.file, &len);
    assert_true(len > REACH);
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 12; k++) {
            static const uint64_t value[] = {0, UINT64_MAX, 1, 1 << 31, UINT64_C(1) << 63, 4096, 0xffff, 7};
            off_t at = rand_r(&seed) % REACH;
            patch(path, at, &value[rand_r(&seed) % 8], 1 + (size_t)(rand_r(&seed) % 8));
        }
        patch(path, 0, whole, sizeof(Elf64_Ehdr));
        TK_RUN(&r, "list", target);
        if (r.code != 0 && r.code != 2 && r.code != 4) TK_CODE(&r, 4);
        codes |= 1u << r.code;
        tk_result_free(&r);
        patch(path, 0, whole, REACH + 8);
    }
    assert_true(codes & 1 << 4);
    json_t *doc = list_file(path, NULL); /* and what was put right again is right */
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(shared_list, "maps")));
    json_decref(doc);
    unlink(path);
    free(path);
    free(whole);
    free(target);
}

/* ---- the files beside it ------------------------------------------------------------------------ */

/* Start a copy of a program that can be taken away; with that filter. */
static char *start_copy(struct tk_core *c, const char *program, const char *argument, const char *filter) {
    char *path = tk_path_in(tk_scratch(), "program");
    tk_copy_file(tk_target_path(program), path);
    assert_int_equal(chmod(path, 0755), 0);
    tk_core_start(c, &t, filter, (const char *const[]){path, argument, NULL});
    return path;
}

/* What describes the maps is in the core itself. */
static void test_program_deleted(void **state) {
    (void)state;
    struct tk_core c;
    char *path = start_copy(&c, "target_maps", "known", "0x33");
    bool made = make_core(&c);
    unlink(path);
    free(path);
    if (!made) TK_SKIP("no core file can be made here");
    json_t *doc = list_file(c.file, NULL);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), 23);
    json_decref(doc);
    doc = list_file(c.file, tk_target_path("target_maps"));
    assert_int_equal(json_array_size(tk_at(doc, "maps")), 23);
    json_decref(doc);
    tk_core_free(&c);
}

/* coredump_filter without ELF headers: only the user can say which program it was. */
static void test_program_not_told(void **state) {
    (void)state;
    struct tk_core c;
    char *path = start_copy(&c, "target_maps", "known", "0x1");
    bool made = make_core(&c);
    if (made) {
        refuse_file(c.file, NULL, 4, "core:FILE,EXE", path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0644), 0); /* must not be waited for */
        refuse_file(c.file, NULL, 4, "core:FILE,EXE", "not a regular file");
        json_t *doc = list_file(c.file, tk_target_path("target_maps"));
        assert_int_equal(json_array_size(tk_at(doc, "maps")), 23);
        assert_int_equal(json_array_size(tk_at(doc, "notes")), 1);
        assert_non_null(strstr(tk_text(doc, "notes.0"), "is taken for the program"));
        json_decref(doc);
    }
    unlink(path);
    free(path);
    tk_core_free(&c);
    if (!made) TK_SKIP("no core file can be made here");
}

/* Without the memory that holds the maps nothing is said of them, least of all that there are none. */
static void test_memory_filtered(void **state) {
    (void)state;
    struct tk_core c;
    tk_core_start(&c, &t, "0x10", (const char *const[]){tk_target_path("target_maps"), "known", NULL});
    bool made = tk_core_kernel(&c, &t);
    if (made) refuse_file(c.file, NULL, 4, "coredump_filter", c.file);
    tk_core_free(&c);
    if (!made) TK_SKIP("the kernel writes no core files here");
}

static void test_wrong_program(void **state) {
    (void)state;
    NEED_CORE();
    refuse_file(shared.file, tk_target_path("target_plain"), 2, "is not the program", "target_plain");
    refuse_file(shared.file, tk_target_path("target_plain"), 2, "build id", "in the core");
    refuse_file(shared.file, "/nonexistent/program", 2, "/nonexistent/program", "no such file");
    refuse_file(shared.file, "/dev/zero", 2, "/dev/zero", "not a regular file");
    refuse_file(shared.file, shared.file, 2, "is not the program", "ELF");
    refuse_file(shared.file, "", 2, "is not the program", "no such file");
}

/* A program without maps: alike for a process and its core, unless the core cannot know. */
static void test_program_without_maps(void **state) {
    (void)state;
    struct tk_core c;
    char *path = start_copy(&c, "target_plain", NULL, "0x33");
    bool made = make_core(&c);
    if (made) {
        refuse_file(c.file, NULL, 2, "does not use gomap", "process");
        unlink(path);
        tk_copy_file(tk_target_path("target_maps"), path);
        refuse_file(c.file, NULL, 4, "no maps can be seen", "build id");
        unlink(path);
        refuse_file(c.file, NULL, 4, "no maps can be seen", "no such file");
    }
    unlink(path);
    free(path);
    tk_core_free(&c);
    if (!made) TK_SKIP("no core file can be made here");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_gomap_as_alive, end),
    cmocka_unit_test_teardown(test_classic_as_alive, end),
    cmocka_unit_test_teardown(test_shared_library_as_alive, end),
    cmocka_unit_test_teardown(test_position_dependent_as_alive, end),
    cmocka_unit_test_teardown(test_static_as_alive, end),
    cmocka_unit_test_teardown(test_static_pie_as_alive, end),
    cmocka_unit_test_setup(test_target_is_described, start_shared),
    cmocka_unit_test(test_commas_in_names),
    cmocka_unit_test(test_number_of_segments_in_section_header),
    cmocka_unit_test(test_cut),
    cmocka_unit_test(test_cut_show_and_heat),
    cmocka_unit_test(test_no_core_files),
    cmocka_unit_test(test_other_machines),
    cmocka_unit_test(test_damage),
    cmocka_unit_test_teardown(test_wrong_program, end_shared),
    cmocka_unit_test_teardown(test_program_deleted, end),
    cmocka_unit_test_teardown(test_program_not_told, end),
    cmocka_unit_test_teardown(test_memory_filtered, end),
    cmocka_unit_test_teardown(test_program_without_maps, end),
};
TK_MAIN("core", tests)
