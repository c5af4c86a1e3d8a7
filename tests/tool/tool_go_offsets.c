/* tool_go_offsets.c - the table of offsets by version (scope/goruntime/golayout.c), which stripped programs are read by, against
 * the debug information of a program of that version: every offset, and what else follows from the version.
 *
 *   tool_go_offsets MAPSCOPE PROGRAM      as on_go.sh runs it; mapscope is not used
 */
#include "elf/goparse.h"
#include "goruntime/goruntime.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;

struct bytes {
    uint8_t *at;
    size_t len;
};

static bool put(void *ctx, const void *data, size_t len) {
    struct bytes *b = ctx;
    b->at = ms_grow(b->at, b->len + len, 1);
    memcpy(b->at + b->len, data, len);
    b->len += len;
    return true;
}

static struct bytes table_of(const char *path) {
    struct bytes b = {NULL, 0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *file = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_true(file != MAP_FAILED);
    assert_true(ms_goparse(NULL, file, (size_t)st.st_size, (struct ms_sink){put, &b}));
    munmap(file, (size_t)st.st_size);
    close(fd);
    return b;
}

static struct ms_golayout layout_by(struct ms_godwarf *dwarf, const char *version) {
    struct ms_go go = {.dwarf = dwarf};
    struct ms_error err = {""};
    snprintf(go.build.version, sizeof go.build.version, "%s", version);
    ms_gobuild_parse(&go.build);
    if (ms_golayout_choose(&go, &err) != MS_OK) fail_msg("%s: %s", version, err.line);
    return go.layout;
}

static void test_the_table_says_what_the_debug_information_says(void **state) {
    (void)state;
    const char *version = getenv("GOMAP_TEST_GO");
    assert_non_null(version);
    struct bytes b = table_of(program);
    struct ms_godwarf *dwarf = ms_godwarf_open(b.at, b.len);
    assert_non_null(dwarf);
    struct ms_golayout told = layout_by(dwarf, version), table = layout_by(NULL, version);
    unsigned differ = 0;
    for (size_t i = 0; i < offsetof(struct ms_golayout, swiss) / sizeof(uint32_t); i++) {
        uint32_t a = ((const uint32_t *)&told)[i], c = ((const uint32_t *)&table)[i];
        if (a != c) print_error("%s: field %zu lies at %u, the table says %u\n", version, i, a, c);
        differ += a != c;
    }
    assert_int_equal(differ, 0);
    assert_memory_equal(&told, &table, sizeof told); /* and the rest, all of whose bytes were set before */
    print_message("# %s: offset of moduledata.next %u\n", version, table.md_next);
    ms_godwarf_close(dwarf);
    free(b.at);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_says_what_the_debug_information_says),
    };
    if (argc < 3) return 2;
    program = argv[2];
    return cmocka_run_group_tests_name("go_offsets", tests, NULL, NULL);
}
