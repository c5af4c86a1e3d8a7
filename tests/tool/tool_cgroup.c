/* tool_cgroup.c - what is read of control groups and of smaps, from texts: both versions, limits of groups around a group,
 * mounts that show a part of the tree, groups out of sight, and texts that are anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reader/cgroup.h"
#include "reader/footprint.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int start(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/mapscope-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : 1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int end(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file below root, with the folders it lies in. */
static void put(const char *path, const char *text) {
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *p = strchr(full + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        mkdir(full, 0755);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void look(const char *cgroup, const char *mount_root, const char *place, const char *type,
                 struct ms_cgroup *out) {
    char mountinfo[512];
    snprintf(mountinfo, sizeof mountinfo,
             "22 1 0:20 / /proc rw - proc proc rw\n31 23 0:27 %s %s%s rw,nosuid shared:4 - %s\n", mount_root,
             root, place, type);
    ms_cgroup_read(cgroup, mountinfo, out);
}

static void test_version_2(void **state) {
    (void)state;
    struct ms_cgroup c;
    put("v2/a/b/memory.current", "1000000\n");
    put("v2/a/b/memory.max", "max\n");
    put("v2/a/b/memory.stat", "anon 600000\nfile 300000\nkernel 50000\nfile_mapped 7\n");
    put("v2/a/b/memory.swap.current", "4096\n");
    put("v2/a/memory.max", "2000000\n");
    put("v2/memory.max", "3000000\n");
    look("0::/a/b\n", "/", "/v2", "cgroup2 cgroup2 rw", &c);
    assert_int_equal(c.version, 2);
    assert_string_equal(c.path, "/a/b");
    assert_int_equal(c.current, 1000000);
    assert_int_equal(c.limit, 2000000);
    assert_string_equal(c.limited_by, "/a");
    assert_int_equal(c.anon, 600000);
    assert_int_equal(c.file, 300000);
    assert_int_equal(c.kernel, 50000);
    assert_int_equal(c.swap, 4096);
    ms_cgroup_free(&c);
}

/* In a container the mount shows what is below its group. */
static void test_part_of_the_tree(void **state) {
    (void)state;
    struct ms_cgroup c;
    put("part/b/memory.current", "5000\n");
    put("part/b/memory.max", "9000\n");
    look("0::/docker/x/b\n", "/docker/x", "/part", "cgroup2 cgroup2 rw", &c);
    assert_int_equal(c.version, 2);
    assert_int_equal(c.current, 5000);
    assert_int_equal(c.limit, 9000);
    assert_int_equal(c.anon, UINT64_MAX);
    ms_cgroup_free(&c);
    look("0::/docker/y/b\n", "/docker/x", "/part", "cgroup2 cgroup2 rw", &c);
    assert_int_equal(c.version, 0);
    assert_non_null(strstr(c.why, "not mounted"));
    ms_cgroup_free(&c);
    look("0::/docker/xx\n", "/docker/x", "/part", "cgroup2 cgroup2 rw", &c);
    assert_int_equal(c.version, 0);
    ms_cgroup_free(&c);
}

static void test_version_1(void **state) {
    (void)state;
    struct ms_cgroup c;
    put("v1/m/memory.usage_in_bytes", "7000\n");
    put("v1/m/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("v1/memory.limit_in_bytes", "8000\n");
    put("v1/m/memory.stat", "cache 1\nrss 2\ntotal_cache 3000\ntotal_rss 2000\n");
    put("v1/m/memory.kmem.usage_in_bytes", "500\n");
    look("9:name=systemd:/\n4:cpu,memory:/m\n0::/\n", "/", "/v1", "cgroup cgroup rw,memory", &c);
    assert_int_equal(c.version, 1);
    assert_int_equal(c.current, 7000);
    assert_int_equal(c.limit, 8000);
    assert_string_equal(c.limited_by, "/");
    assert_int_equal(c.anon, 2000);
    assert_int_equal(c.file, 3000);
    assert_int_equal(c.kernel, 500);
    ms_cgroup_free(&c);
}

static void test_none(void **state) {
    (void)state;
    static const char *const text[] = {"",
                                       "\n",
                                       ":",
                                       "::",
                                       "0:",
                                       "0::",
                                       "0::\n",
                                       "1:cpu:/x\n",
                                       "0::/../../etc\n",
                                       "4:memory:/../m\n",
                                       "0::/a/b",
                                       "0::/\xff\x01\n",
                                       "4:memoryx:/m\n",
                                       "garbage"};
    struct ms_cgroup c;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        ms_cgroup_read(text[i], "31 23 0:27", &c);
        assert_int_equal(c.version, 0);
        assert_non_null(c.why);
        ms_cgroup_free(&c);
        look(text[i], "/", "/empty", "cgroup2 cgroup2 rw", &c);
        assert_int_equal(c.version, 0);
        ms_cgroup_free(&c);
    }
    look("0::/\n", "/", "/v2", "cgroup2 cgroup2 rw", &c); /* the root group accounts for nothing */
    assert_int_equal(c.version, 0);
    assert_non_null(strstr(c.why, "root"));
    ms_cgroup_free(&c);
}

static void parse(const char *text, struct ms_footprint *out) {
    FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(f);
    ms_footprint_parse(f, out);
    fclose(f);
}

static void test_footprint(void **state) {
    (void)state;
    struct ms_footprint s;
    parse("1000-3000 rw-p 00000000 00:00 0\nSize: 8 kB\nRss: 4 kB\nPss: 3 kB\nSwap: 2 kB\nLazyFree: 1 "
          "kB\nAnonHugePages: 4 kB\n"
          "VmFlags: rd wr\n"
          "3000-4000 ---p 00000000 00:00 0\nSize: 4 kB\nRss: 0 kB\n"
          "4000-5000 r-xp 00000000 08:01 77   /usr/bin/x [heap]\nSize: 4 kB\nRss: 4 kB\n"
          "5000-6000 rw-s 00000000 00:01 9    /dev/shm/y\nSize: 4 kB\nRss: 4 kB\n"
          "6000-7000 rw-p 00000000 00:00 0    [stack]\nSize: 4 kB\nRss: 4 kB\n"
          "7000-8000 r-xp 00000000 00:00 0    [vdso]\nSize: 4 kB\nRss: 4 kB\n"
          "8000-9000 rw-p 00000000 00:00 0    [heap]\nSize: 4 kB\nRss: 4 kB\n",
          &s);
    assert_int_equal(s.of[MS_MEMORY_HEAP].mappings, 2);
    assert_int_equal(s.of[MS_MEMORY_HEAP].size, 12288);
    assert_int_equal(s.of[MS_MEMORY_HEAP].rss, 8192);
    assert_int_equal(s.of[MS_MEMORY_HEAP].pss, 3072);
    assert_int_equal(s.of[MS_MEMORY_HEAP].swap, 2048);
    assert_int_equal(s.of[MS_MEMORY_HEAP].lazyfree, 1024);
    assert_int_equal(s.of[MS_MEMORY_HEAP].huge, 4096);
    assert_int_equal(s.of[MS_MEMORY_RESERVED].size, 4096);
    assert_int_equal(s.of[MS_MEMORY_FILE].rss, 4096);
    assert_int_equal(s.of[MS_MEMORY_SHARED].rss, 4096);
    assert_int_equal(s.of[MS_MEMORY_STACK].rss, 4096);
    assert_int_equal(s.of[MS_MEMORY_SPECIAL].rss, 4096);
    assert_int_equal(s.all.mappings, 7);
    assert_int_equal(s.all.size, 12288 + 5 * 4096);
    parse("Size: 4 kB\n-\nzz-yy rw-p\nRss: 99999999999999999999 kB\nRss: 18446744073709551615 kB\n1-2 r\n",
          &s);
    assert_int_equal(s.all.mappings, 0);
    assert_int_equal(s.all.rss, UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2), cmocka_unit_test(test_part_of_the_tree),
        cmocka_unit_test(test_version_1), cmocka_unit_test(test_none),
        cmocka_unit_test(test_footprint),
    };
    return cmocka_run_group_tests_name("tool_cgroup", tests, start, end);
}
