/* tool_go_hostile.c - a Go program whose file lies: debug information with bits flipped, cut, of impossible sizes, bombs of
 * compressed zeros; and a parser that crashes or is taken over.
 *
 * The program is tests/go with debug information that is not compressed.  Copies of its file are damaged where the
 * debug information is, so that they run as before, and are given as --exe, or run themselves.  Whatever is wrong with them:
 * no signal ends mapscope, no run takes long, and the maps are there, with or without names.
 */
#include "toolkit.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FLIPS = 8, CUTS = 4, BOMB_BYTES = 64 << 20 };

static struct tk_target t;
static uint8_t *honest; /* the program's file */
static size_t bytes, maps;
static char *path; /* of the damaged copy */
static uint64_t seed;

static uint64_t random_below(uint64_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % n;
}

static size_t maps_in(const struct tk_result *r) {
    json_t *doc = tk_json_parse(r);
    size_t n = tk_number(doc, "totals.maps");
    json_decref(doc);
    return n;
}

/* Before each test, so that one can run alone; the program is the same for all, and ends with the driver. */
static int start(void **state) {
    (void)state;
    if (honest) return 0;
    const char *replay = getenv("GOMAP_TEST_SEED");
    seed = replay ? strtoull(replay, NULL, 0) : tk_now_ns();
    print_message("# seed %llu: GOMAP_TEST_SEED replays\n", (unsigned long long)seed);
    honest = (uint8_t *)tk_slurp(tk_target_path("holders"), &bytes);
    path = tk_path_in(tk_scratch(), "damaged");
    TK_START(&t, tk_target_path("holders"));
    struct tk_result r;
    TK_RUN(&r, "list", t.id, "-o", "json", "--limit", "1");
    maps = maps_in(&r);
    tk_result_free(&r);
    assert_true(honest && maps > 4000);
    return 0;
}

static Elf64_Shdr *section(uint8_t *file, const char *name) {
    Elf64_Ehdr *e = (Elf64_Ehdr *)file;
    Elf64_Shdr *sh = (Elf64_Shdr *)(file + e->e_shoff);
    const char *names = (const char *)file + sh[e->e_shstrndx].sh_offset;
    for (unsigned i = 0; i < e->e_shnum; i++)
        if (strcmp(names + sh[i].sh_name, name) == 0) return &sh[i];
    fail_msg("the program has no %s", name);
    return NULL;
}

static uint8_t *copy(size_t more) {
    uint8_t *file = calloc(1, bytes + more);
    assert_non_null(file);
    return memcpy(file, honest, bytes);
}

static void put_file(const uint8_t *file, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_true(fd >= 0 && write(fd, file, len) == (ssize_t)len);
    close(fd);
}

/* How many only words on stacks name is a matter of what types are known, and of the moment. */
static void has_maps(const struct tk_result *r, const char *what) {
    size_t n = maps_in(r);
    if (n < maps - maps / 50) fail_msg("%s: %zu of %zu maps", what, n, maps);
}

/* The copy as --exe: all maps, or a line why not.  Frees it. */
static int look_by(uint8_t *file, size_t len, const char *what) {
    struct tk_result r;
    put_file(file, len);
    free(file);
    TK_RUN(&r, "list", t.id, "--exe", path, "-o", "json", "--limit", "1");
    int code = r.code;
    if (code != 0 && code != 2 && code != 4) fail_msg("%s: exit code %d, %s", what, code, r.err);
    if (code == 0) has_maps(&r, what);
    if (code == 2) TK_REFUSED(&r, 2, "--exe");
    tk_result_free(&r);
    return code;
}

/* The copy runs, and is the target: its maps, or, where its structs are not those of its Go, a line that says so.  Frees it. */
static void look_at(uint8_t *file, size_t len, const char *what) {
    struct tk_target own;
    struct tk_result r;
    put_file(file, len);
    free(file);
    TK_START(&own, path);
    TK_RUN(&r, "list", own.id, "-o", "json", "--limit", "1");
    if (r.code != 0 && r.code != 4) fail_msg("%s: exit code %d, %s", what, r.code, r.err);
    if (strstr(r.err, "built by"))
        TK_REFUSED(&r, 4, own.id, "built by");
    else
        has_maps(&r, what);
    tk_result_free(&r);
    tk_kill(&own);
    unlink(path);
}

/* ---- damage ------------------------------------------------------------------------------------ */

static void flip(uint8_t *file, const char *name, unsigned times) {
    const Elf64_Shdr *sh = section(file, name);
    while (times--) file[sh->sh_offset + random_below(sh->sh_size)] ^= (uint8_t)(1 << random_below(8));
}

static void test_flipped_bits(void **state) {
    (void)state;
    static const char *const name[] = {".debug_info", ".debug_abbrev"};
    unsigned read = 0;
    for (unsigned i = 0; i < FLIPS; i++) {
        uint8_t *file = copy(0);
        flip(file, name[i % 2], 1u << i / 2);
        read += look_by(file, bytes, name[i % 2]) == 0;
    }
    print_message("# %u of %u could be read\n", read, (unsigned)FLIPS);
    assert_true(read); /* else nothing of this came to the types */
}

static void test_cut_files(void **state) {
    (void)state;
    const Elf64_Shdr *info = section(honest, ".debug_info");
    for (unsigned i = 0; i < CUTS; i++) {
        size_t from = i % 2 ? info->sh_offset : 4096, most = i % 2 ? info->sh_size : bytes - 4096;
        look_by(copy(0), from + random_below(most), "cut");
    }
}

static void test_headers_that_lie(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 1, 1 << 20, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t *file = copy(0);
        Elf64_Shdr *sh = section(file, ".debug_info");
        *(i % 2 ? &sh->sh_size : &sh->sh_offset) = values[i];
        look_by(file, bytes, "a section header that lies");
    }
    uint8_t *file = copy(0);
    section(file, ".debug_abbrev")->sh_type = SHT_NOBITS;
    assert_int_equal(look_by(file, bytes, "no abbreviations"), 2);
    file = copy(0);
    ((Elf64_Ehdr *)file)->e_shstrndx = 0x7fff;
    look_by(file, bytes, "no names of sections");
}

/* .debug_info in the place of which stands a compressed section that says it has `claim` bytes. */
static uint8_t *bomb(uint64_t claim, size_t real, size_t *len) {
    uLong most = compressBound(real);
    uint8_t *file = copy(sizeof(Elf64_Chdr) + most), *zeros = calloc(1, real);
    Elf64_Shdr *sh = section(file, ".debug_info");
    Elf64_Chdr head = {.ch_type = ELFCOMPRESS_ZLIB, .ch_size = claim, .ch_addralign = 1};
    size_t at = (bytes + 7) & ~(size_t)7;
    uint8_t *out = file + bytes;
    assert_non_null(zeros);
    if (at != bytes) { /* files of a linker end where they like */
        file = realloc(file, bytes + sizeof head + most + 8);
        assert_non_null(file);
        sh = section(file, ".debug_info");
        out = file + at;
    }
    memcpy(out, &head, sizeof head);
    assert_int_equal(compress2(out + sizeof head, &most, zeros, real, 1), Z_OK);
    free(zeros);
    sh->sh_flags |= SHF_COMPRESSED;
    sh->sh_offset = at;
    sh->sh_size = sizeof head + most;
    *len = at + sh->sh_size;
    return file;
}

static void test_bombs_of_compressed_zeros(void **state) {
    (void)state;
    static const uint64_t claims[] = {UINT64_MAX, UINT64_C(3) << 30, 4096};
    size_t len;
    uint8_t *file;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        file = bomb(claims[i], 1 << 20, &len);
        assert_int_equal(look_by(file, len, "a bomb that lies"), 2);
    }
    file = bomb(BOMB_BYTES, BOMB_BYTES, &len);
    assert_true(len < bytes + (1 << 20));
    assert_int_equal(look_by(file, len, "a bomb"), 2);
}

static void test_hostile_programs_that_run(void **state) {
    (void)state;
    size_t len;
    uint8_t *file = copy(0);
    flip(file, ".debug_info", 1000);
    look_at(file, bytes, "flipped");
    file = bomb(UINT64_C(3) << 30, 1 << 20, &len);
    look_at(file, len, "bomb");
}

/* ---- the parser fails -------------------------------------------------------------------------- */

static void fail_as(const char *how, const char *word) {
    struct tk_result r;
    struct tk_how preloaded = {.preload = tk_target_path("libshim_dwarf.so"),
                               .env = (const char *const[]){how, NULL}};
    assert_non_null(preloaded.preload);
    TK_RUN_HOW(&r, &preloaded, "list", t.id, "-o", "json", "--limit", "1");
    TK_CODE(&r, 4);
    has_maps(&r, how);
    json_t *doc = tk_json_parse(&r), *note = json_array_get(tk_at(doc, "notes"), 0);
    if (!strstr(json_string_value(note), word)) fail_msg("'%s' lacks '%s'", json_string_value(note), word);
    json_decref(doc);
    tk_result_free(&r);
    TK_RUN_HOW(&r, &preloaded, "list", t.id, "--exe", tk_target_path("holders"));
    TK_REFUSED(&r, 4, "--exe", word);
    tk_result_free(&r);
}

static void test_a_parser_that_crashes_costs_names_only(void **state) {
    (void)state;
    fail_as("TK_DWARF=crash", "was ended by signal 11");
}

static void test_a_parser_that_lies_is_not_believed(void **state) {
    (void)state;
    fail_as("TK_DWARF=lie", "contradicts itself");
}

#define TEST(name) cmocka_unit_test_setup(name, start)

static const struct CMUnitTest tests[] = {
    TEST(test_flipped_bits),
    TEST(test_cut_files),
    TEST(test_headers_that_lie),
    TEST(test_bombs_of_compressed_zeros),
    TEST(test_hostile_programs_that_run),
    TEST(test_a_parser_that_crashes_costs_names_only),
    TEST(test_a_parser_that_lies_is_not_believed),
};

TK_MAIN("go_hostile", tests)
