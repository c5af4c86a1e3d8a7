/* error.c - error lines and memory.
 *
 * mapscope is a short-lived reader: when its own memory ends, nothing can be rescued and nothing in
 * the target needs to be put right, so allocation ends the process with one line and exit code 6.
 * The terminal is put back by the handler that `top` registers with atexit().
 */
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ms_fail(struct ms_error *err, int status, const char *fmt, ...) {
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->line, sizeof err->line, fmt, ap);
        va_end(ap);
    }
    return status;
}

void (*ms_no_memory)(void);

static void no_memory(void) {
    if (ms_no_memory) ms_no_memory();
    static const char line[] = "mapscope: out of memory\n";
    fwrite(line, 1, sizeof line - 1, stderr);
    exit(MS_INTERNAL);
}

void *ms_alloc(size_t size) {
    void *p = calloc(1, size ? size : 1);
    if (!p) no_memory();
    return p;
}

void *ms_grow(void *ptr, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) no_memory();
    void *p = realloc(ptr, bytes ? bytes : 1);
    if (!p) no_memory();
    return p;
}

char *ms_strdup(const char *s) {
    size_t len = strlen(s) + 1;
    return memcpy(ms_alloc(len), s, len);
}

char *ms_asprintf(const char *fmt, ...) {
    va_list ap;
    char *out = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    if (n < 0) no_memory();
    return out;
}
