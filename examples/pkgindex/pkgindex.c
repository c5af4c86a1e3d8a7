/* pkgindex - ask this machine's Debian package index.
 *
 *     pkgindex [FILE...]        commands on standard input, `help` lists them; an empty line ends an answer
 *
 * Without FILE it reads apt's package lists and translations, or, where apt has none, dpkg's list of
 * installed packages.  It is an example of a program that lives on gomap: everything it knows is in five
 * maps (catalog.h), and while it runs, `mapscope list pkgindex` shows them from outside.
 *
 * Exit code: 0 after quit or end of input; 1 an index could not be read or held, or the answers not
 * written; 2 usage. */
#include "catalog.h"
#include "query.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

static const char lists[] = "/var/lib/apt/lists/*_Packages*";
static const char translations[] = "/var/lib/apt/lists/*_Translation-en*";
static const char dpkg_status[] = "/var/lib/dpkg/status";

/* Reads all files that match; false: one could not be read.  *matched counts them. */
static bool read_matching(struct catalog *catalog, const char *pattern, size_t *matched) {
    glob_t found;
    const int err = glob(pattern, GLOB_ERR, NULL, &found);
    if (err == GLOB_NOMATCH) return true;
    if (err) {
        fprintf(stderr, "pkgindex: %s: cannot look for files\n", pattern);
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < found.gl_pathc; i++) ok = catalog_read(catalog, found.gl_pathv[i]);
    *matched += found.gl_pathc;
    globfree(&found);
    return ok;
}

static bool load(struct catalog *catalog, char **files, size_t count) {
    size_t read = 0;
    for (; read < count; read++)
        if (!catalog_read(catalog, files[read])) return false;
    if (!count) {
        if (!read_matching(catalog, lists, &read)) return false;
        if (read && !read_matching(catalog, translations, &read)) return false;
        if (!read) {
            if (!catalog_read(catalog, dpkg_status)) return false;
            read = 1;
        }
    }
    if (!catalog_index(catalog)) return false;
    printf("ready: %u packages from %u stanzas in %zu files\n", catalog->count, catalog->stanzas, read);
    fflush(stdout);
    return true;
}

static void answer_all(struct catalog *catalog) {
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) >= 0 && query_run(catalog, line, stdout)) {
        fputc('\n', stdout); /* an empty line ends each answer, for programs that ask */
        fflush(stdout);
    }
    free(line);
}

int main(int argc, char **argv) {
    if (argc > 1 && argv[1][0] == '-') {
        const bool help = !strcmp(argv[1], "-h") || !strcmp(argv[1], "--help");
        fprintf(help ? stdout : stderr, "usage: pkgindex [FILE...]\ncommands on standard input; try help\n");
        return help ? 0 : 2;
    }
    struct catalog catalog;
    if (!catalog_init(&catalog)) return 1;
    const bool ok = load(&catalog, argv + 1, (size_t)argc - 1);
    if (ok) answer_all(&catalog);
    catalog_free(&catalog);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "pkgindex: cannot write the answers\n");
        return 1;
    }
    return ok ? 0 : 1;
}
