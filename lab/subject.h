/* subject.h - what the programs on growth, deletion, tophash and iteration share: keys, an allocator that counts, words
 * on the command line, and JSON. */
#ifndef LAB_SUBJECT_H
#define LAB_SUBJECT_H

#include "measure.h"

#include "gomap/gomap.h"

#include <sys/resource.h>

#define LAB_UNUSED __attribute__((unused))

LAB_UNUSED static uint64_t minor_faults(void) {
    struct rusage u;
    must(!getrusage(RUSAGE_SELF, &u), "getrusage failed");
    return (uint64_t)u.ru_minflt;
}

LAB_UNUSED static void *allocate(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size);
    must(p, "out of memory");
    return p;
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

/* n keys, all different: integers, and the same as strings of 20 bytes, whose order says nothing of where their bytes
 * lie: else keys would be cheaper in the order they were made in than in any other. */
struct keys {
    size_t n;
    uint64_t *number;
    gomap_str *string;
    char *text;
};
enum { KEY_TEXT = 20 };

LAB_UNUSED static struct keys make_keys(size_t n, uint64_t seed) {
    struct keys k = {n, allocate(n, sizeof(uint64_t)), allocate(n, sizeof(gomap_str)),
                     allocate(n, KEY_TEXT + 1)};
    for (size_t i = 0; i < n; i++) {
        char *text = k.text + i * (KEY_TEXT + 1);
        k.number[i] = mix(seed * 0x1000003 + i);
        memcpy(text, "key-", 4);
        for (int d = 0; d < 16; d++) text[4 + d] = "0123456789abcdef"[k.number[i] >> (60 - 4 * d) & 15];
        k.string[i] = (gomap_str){text, KEY_TEXT};
    }
    for (size_t i = n; i > 1; i--) {
        size_t other = mix(seed ^ i << 32) % i;
        gomap_str last = k.string[i - 1];
        k.string[i - 1] = k.string[other], k.string[other] = last;
    }
    return k;
}

LAB_UNUSED static void free_keys(struct keys *k) {
    free(k->number);
    free(k->string);
    free(k->text);
}

LAB_UNUSED static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
LAB_UNUSED static int by_string(const void *a, const void *b) {
    const gomap_str *x = a, *y = b;
    size_t least = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->ptr, y->ptr, least);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}
LAB_UNUSED static void sort_keys(struct keys *k, bool strings) {
    if (strings)
        qsort(k->string, k->n, sizeof *k->string, by_string);
    else
        qsort(k->number, k->n, sizeof *k->number, by_number);
}

LAB_UNUSED static uint64_t hash_text(const gomap_str *s, uint64_t seed) {
    uint64_t h = mix(seed);
    for (size_t i = 0; i < s->len; i++) h = (h ^ (unsigned char)s->ptr[i]) * 0x100000001b3;
    return mix(h);
}

/* ---- an allocator that counts -------------------------------------------------------------------------- */

struct counted {
    uint64_t calls, bytes, now, peak;
};

LAB_UNUSED static void *counted_alloc(size_t size, size_t align, void *ctx) {
    struct counted *c = ctx;
    void *p = NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size)) return NULL;
    c->calls++, c->bytes += size, c->now += size;
    if (c->now > c->peak) c->peak = c->now;
    return p;
}
LAB_UNUSED static void counted_free(void *p, size_t size, size_t align, void *ctx) {
    struct counted *c = ctx;
    (void)align;
    c->now -= size;
    free(p);
}

/* ---- words of the command line ------------------------------------------------------------------------- */

LAB_UNUSED static bool is(const char *text, const char *word) { return !strcmp(text, word); }

/* One of two words; anything else is wrong usage. */
LAB_UNUSED static bool either(const char *text, const char *yes, const char *no) {
    if (is(text, yes)) return true;
    if (!is(text, no)) fail("'%s': wants %s or %s", text, yes, no);
    return false;
}

/* ---- JSON on stdout, with a comma where one belongs ---------------------------------------------------- */

LAB_UNUSED static bool json_first = true;

LAB_UNUSED static void json_name(const char *name) {
    printf(json_first ? "" : ",");
    if (name) printf("\"%s\":", name);
    json_first = false;
}
/* { or [, and what ends it.  name NULL: in a list. */
LAB_UNUSED static void json_open(const char *name, char bracket) {
    json_name(name);
    putchar(bracket);
    json_first = true;
}
LAB_UNUSED static void json_close(char bracket) {
    putchar(bracket);
    json_first = false;
}
LAB_UNUSED static void json_int(const char *name, uint64_t value) {
    json_name(name);
    printf("%llu", (unsigned long long)value);
}
LAB_UNUSED static void json_real(const char *name, double value) {
    json_name(name);
    printf("%.9g", value);
}
LAB_UNUSED static void json_bool(const char *name, bool value) {
    json_name(name);
    fputs(value ? "true" : "false", stdout);
}
#endif
