/* tool_sites.c - where probes may stand: prologues of Go functions in every form, and what only looks like one; operands of USDT
 * probes; a file whose notes lie. */
#include "elf/gosite.h"
#include "elf/usdt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *what;
    uint8_t code[40];
    size_t len, checks, made;
    uint32_t frame;
} prologue[] = {
    {"since 1.21", {0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55, 0x48, 0x89, 0xe5}, 10, 6, 7, 8},
    {"far jump", {0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0xc2, 1, 0, 0, 0x55, 0x48, 0x89, 0xe5}, 14, 10, 11, 8},
    {"up to 1.20",
     {0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x48, 0x83, 0xec, 0x38,
      0x48, 0x89, 0x6c, 0x24, 0x30, 0x48, 0x8d, 0x6c, 0x24, 0x30},
     20,
     6,
     10,
     0x38},
    {"the system's stack",
     {0x4c, 0x8d, 0x64, 0x24, 0xd8, 0x4d, 0x3b, 0x66, 0x18, 0x0f, 0x86, 8, 5, 0, 0, 0x55, 0x48, 0x89, 0xe5},
     19,
     15,
     16,
     8},
    {"a large frame",
     {0x4c, 0x8d, 0xa4, 0x24, 0,    0xff, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x76,
      9,    0x48, 0x81, 0xec, 0x80, 1,    0,    0,    0x48, 0x89, 0xac, 0x24, 0x78,
      1,    0,    0,    0x48, 0x8d, 0xac, 0x24, 0x78, 1,    0,    0},
     37,
     14,
     21,
     0x180},
    {"a huge frame",
     {0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0,    0, 2, 0, 0x0f, 0x82, 9,    0,    0,
      0,    0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 9, 0, 0, 0,    0x55, 0x48, 0x89, 0xe5},
     30,
     26,
     27,
     8},
};

static void test_prologues(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof prologue / sizeof *prologue; i++) {
        size_t checks, made;
        uint32_t frame;
        size_t n = ms_gosite_prologue(prologue[i].code, prologue[i].len, &checks, &made, &frame);
        print_message("# %s: %zu bytes\n", prologue[i].what, n);
        assert_int_equal(n, prologue[i].len);
        assert_int_equal(checks, prologue[i].checks);
        assert_int_equal(made, prologue[i].made);
        assert_int_equal(frame, prologue[i].frame);
        for (size_t len = 0; len < prologue[i].len; len++) /* cut anywhere it is none */
            assert_int_equal(ms_gosite_prologue(prologue[i].code, len, &checks, &made, &frame), 0);
    }
}

/* A function that looks at its stack by the wrong register, or not at all. */
static void test_what_is_no_prologue(void **state) {
    (void)state;
    static const uint8_t none[][12] = {{0x55, 0x48, 0x89, 0xe5},
                                       {0x49, 0x3b, 0x66, 0x20, 0x76, 0x30, 0x55, 0x48, 0x89, 0xe5},
                                       {0x4d, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55, 0x48, 0x89, 0xe5},
                                       {0x49, 0x3b, 0x66, 0x10, 0xcc, 0x30, 0x55, 0x48, 0x89, 0xe5},
                                       {0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x50, 0x48, 0x89, 0xe5},
                                       {0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55, 0x48, 0x89, 0xec}};
    size_t checks, made;
    uint32_t frame;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ms_gosite_prologue(none[i], sizeof none[i], &checks, &made, &frame), 0);
}

static void test_operands(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum ms_usdt_how how;
        unsigned reg, size;
        int32_t offset;
    } good[] = {{"8@%rdi", MS_USDT_REG, 14, 8, 0},
                {"-4@%eax", MS_USDT_REG, 10, 4, 0},
                {"1@%r8b", MS_USDT_REG, 9, 1, 0},
                {"-4@-20(%rbp)", MS_USDT_MEM, 4, 4, -20},
                {"8@(%rsp)", MS_USDT_MEM, 19, 8, 0},
                {"8@$0", MS_USDT_CONST, 0, 8, 0},
                {"-4@$-2147483648", MS_USDT_CONST, 0, 4, INT32_MIN}};
    static const char *const bad[] = {
        "",        "8",   "8@",      "3@%rax",           "16@%rax",   "8@%xmm0",        "8@rax",
        "8@%rax8", "8@$", "8@(%rax", "8@8(%rax,%rbx,8)", "8@x(%rip)", "8@$99999999999", "8@%",
        "0@%rax"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct ms_usdt_operand o;
        const char *p = good[i].text;
        assert_true(ms_usdt_operand(&p, &o));
        assert_int_equal(*p, 0);
        assert_int_equal(o.how, good[i].how);
        assert_int_equal(o.size, good[i].size);
        assert_int_equal(o.offset, good[i].offset);
        if (o.how != MS_USDT_CONST) assert_int_equal(o.reg, good[i].reg);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_usdt_operand o;
        const char *p = bad[i];
        if (ms_usdt_operand(&p, &o)) fail_msg("'%s' is taken for an operand", bad[i]);
        assert_ptr_equal(p, bad[i]);
    }
}

/* ---- a file that lies --------------------------------------------------------------------------------- */

static uint8_t *file;
static size_t file_bytes;

static bool get(void *ctx, uint64_t at, void *buf, size_t len) {
    (void)ctx;
    if (at > file_bytes || len > file_bytes - at) return false;
    memcpy(buf, file + at, len);
    return true;
}

static size_t probes_of_file(struct ms_usdt *probe, size_t room) {
    struct ms_elf elf;
    struct ms_bytes bytes = {get, NULL};
    if (ms_elf_open(&elf, bytes, 0) != MS_ELF_OK) return 0;
    size_t n = ms_usdt_find(&elf, bytes, "gomap", probe, room);
    for (size_t i = 0; i < n; i++) {
        uint64_t offset;
        assert_non_null(memchr(probe[i].name, 0, sizeof probe[i].name));
        assert_non_null(memchr(probe[i].arguments, 0, sizeof probe[i].arguments));
        ms_elf_file_offset(&elf, probe[i].addr, &offset);
    }
    return n;
}

static void test_a_file_that_lies(void **state) {
    enum { ROOM = 64, ROUNDS = 3000 };
    const char *path = *state;
    struct ms_usdt probe[ROOM];
    uint64_t random = 1;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    file_bytes = (size_t)ftell(f);
    rewind(f);
    file = malloc(file_bytes);
    assert_int_equal(fread(file, 1, file_bytes, f), file_bytes);
    fclose(f);
    size_t n = probes_of_file(probe, ROOM), fewer = 0;
    const uint8_t *notes = memmem(file, file_bytes, "stapsdt\0\x03", 8);
    if (!n || !notes) {
        free(file);
        print_message("SKIP: the library was built without <sys/sdt.h>\n");
        skip();
    }
    assert_true(n >= 16);
    for (int i = 0; i < ROUNDS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint8_t *at = file + (notes - file) - 12 + (random >> 33) % 1400, was = *at;
        *at = (uint8_t)(random >> 56);
        fewer += probes_of_file(probe, ROOM) < n;
        *at = was;
    }
    print_message("# %zu probes; fewer of them in %zu of %d files\n", n, fewer, ROUNDS);
    assert_true(fewer > 0);
    assert_int_equal(probes_of_file(probe, ROOM), n);
    free(file);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prologues),
        cmocka_unit_test(test_what_is_no_prologue),
        cmocka_unit_test(test_operands),
        cmocka_unit_test_prestate(test_a_file_that_lies, argv[1]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
