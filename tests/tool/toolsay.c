/* toolsay.c - see toolkit.h: what the tool says: error lines, JSON, clean text, and small files. */
#include "toolkit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const struct tk_result *r) {
    print_error("exit code %d\nstdout: %.2000s\nstderr: %.2000s\n", r->code, r->out, r->err);
}

void tk_code_at(const char *file, int line, const struct tk_result *r, int code) {
    if (r->code == code) return;
    print_error("%s:%d: wanted exit code %d\n", file, line, code);
    show(r);
    _fail(file, line);
}

void tk_refused_at(const char *file, int line, const struct tk_result *r, int code, ...) {
    va_list ap;
    tk_code_at(file, line, r, code);
    const char *nl = strchr(r->err, '\n');
    bool one = strncmp(r->err, "mapscope: ", 10) == 0 && nl && nl[1] == 0;
    va_start(ap, code);
    for (const char *w; one && (w = va_arg(ap, const char *));)
        if (!strstr(r->err, w)) {
            print_error("%s:%d: the line does not say '%s'\n", file, line, w);
            one = false;
        }
    va_end(ap);
    if (one) return;
    print_error("%s:%d: not the one line wanted\n", file, line);
    show(r);
    _fail(file, line);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

json_t *tk_json_parse(const struct tk_result *r) {
    json_error_t e;
    json_t *doc = json_loadb(r->out, r->out_len, JSON_REJECT_DUPLICATES, &e);
    if (!doc) {
        print_error("no JSON: %s at line %d\n", e.text, e.line);
        show(r);
        fail();
    }
    assert_string_equal(tk_text(doc, "schema"), "mapscope/1");
    return doc;
}

json_t *tk_json_run(const char *const *args) {
    struct tk_result r;
    tk_run_how(&r, &(struct tk_how){0}, args);
    TK_CODE(&r, 0);
    json_t *doc = tk_json_parse(&r);
    tk_result_free(&r);
    return doc;
}

json_t *tk_at(const json_t *doc, const char *path) {
    char part[64];
    json_t *at = (json_t *)(uintptr_t)doc;
    for (const char *p = path; at && *p;) {
        size_t n = strcspn(p, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, p);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(part)) : json_object_get(at, part);
        p += n + (p[n] == '.');
    }
    if (!at) {
        print_error("the document has no %s\n", path);
        fail();
    }
    return at;
}

uint64_t tk_number(const json_t *doc, const char *path) {
    json_t *v = tk_at(doc, path);
    if (!json_is_integer(v)) {
        print_error("%s is not a whole number\n", path);
        fail();
    }
    return (uint64_t)json_integer_value(v);
}

const char *tk_text(const json_t *doc, const char *path) { return json_string_value(tk_at(doc, path)); }

json_t *tk_map(const json_t *doc, const char *name) {
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        const char *have = json_string_value(json_object_get(m, *name == '@' ? "site" : "name"));
        if (have && (*name == '@' ? strstr(have, name + 1) != NULL : strcmp(have, name) == 0)) return m;
    }
    return NULL;
}

void tk_sums(const json_t *doc) {
    uint64_t bytes = 0, entries = 0, maps = 0;
    size_t i;
    json_t *m, *part;
    const char *key;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        uint64_t sum = 0;
        json_object_foreach(tk_at(m, "parts"), key, part) sum += (uint64_t)json_integer_value(part);
        assert_int_equal(sum, tk_number(m, "bytes"));
        assert_true(tk_number(m, "waste_bytes") <= tk_number(m, "bytes"));
        if (tk_number(m, "rebuild_gain_bytes") >
            tk_number(m, "waste_bytes")) { /* what came back carried no entry */
            print_error("map %s (%s, %s): a rebuild gains %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                        " bytes of waste\n",
                        tk_text(m, "id"), tk_text(m, "kind"), tk_text(m, "certainty"),
                        json_integer_value(tk_at(m, "rebuild_gain_bytes")),
                        json_integer_value(tk_at(m, "waste_bytes")));
            fail();
        }
        bytes += sum;
        entries += tk_number(m, "entries");
        maps++;
    }
    assert_int_equal(maps, tk_number(doc, "totals.maps"));
    assert_int_equal(bytes, tk_number(doc, "totals.bytes"));
    assert_int_equal(entries, tk_number(doc, "totals.entries"));
    uint64_t sum = 0;
    json_object_foreach(tk_at(doc, "totals.parts"), key, part) sum += (uint64_t)json_integer_value(part);
    assert_int_equal(sum, bytes);
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Length of the UTF-8 character at s, at most len; 0: none. */
static size_t utf8_at(const unsigned char *s, size_t len) {
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    if (n == 0 || n > len) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && (unsigned)(s[0] << 8 | s[1]) < 0xe0a0) return 0; /* longer than it need be */
    return n;
}

void tk_clean_at(const char *file, int line, const char *text, size_t len, int columns) {
    const unsigned char *s = (const unsigned char *)text;
    int column = 0;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_at(s + i, len - i);
        bool control =
            (s[i] < 0x20 && s[i] != '\n') || s[i] == 0x7f || (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0);
        column = s[i] == '\n' ? 0 : column + 1;
        bool wide = columns && column > columns;
        if (n == 0 || control || wide) {
            print_error("%s:%d: byte %zu (0x%02x) is %s in: %.*s\n", file, line, i, s[i],
                        wide ? "beyond the last column" : "no clean text", (int)(len < 2000 ? len : 2000),
                        text);
            _fail(file, line);
        }
        i += n;
    }
}

/* ---- files ------------------------------------------------------------------------------------- */

char *tk_path_in(const char *dir, const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    return path;
}

char *tk_slurp(const char *path, size_t *len) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0, room = 0;
    char *text = NULL;
    ssize_t got;
    if (fd < 0) return NULL;
    do {
        if (room - n < 65536) text = realloc(text, room = room * 2 + 131072);
        assert_non_null(text);
        got = read(fd, text + n, room - n - 1);
        if (got > 0) n += (size_t)got;
    } while (got > 0);
    close(fd);
    text[n] = 0;
    if (len) *len = n;
    return text;
}

void tk_copy_file(const char *from, const char *to) {
    size_t len;
    char *bytes = tk_slurp(from, &len);
    assert_non_null(bytes);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, bytes + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    close(fd);
    free(bytes);
}

long tk_status_field(pid_t pid, const char *name) {
    char path[64], want[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    snprintf(want, sizeof want, "\n%s:", name);
    char *text = tk_slurp(path, NULL), *at = text ? strstr(text, want) : NULL;
    long v = at ? strtol(at + strlen(want), NULL, 10) : -1;
    free(text);
    return v;
}
