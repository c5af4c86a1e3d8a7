/* The answers.
 *
 * Every command answers with lines on out; what cannot be answered is one line that begins with
 * "error:" and changes nothing.  Only `drop` writes to a map.  It can fail for nothing but a wrong index,
 * since deleting needs no memory. */
#include "query.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_IN_QUERY_MAX = 16, RESULTS_SHOWN = 10 };

static const char blanks[] = " \t\r\n";

/* This process's resident memory in KiB; 0: the system does not say. */
static unsigned long rss_kib(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    unsigned long kib = 0;
    char line[256];
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %lu kB", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

static struct package *find_package(struct catalog *catalog, const char *name, FILE *out) {
    const gomap_str key = {name, strlen(name)};
    struct package *package = gomap_get(catalog->packages, &key);
    if (!package) fprintf(out, "error: no package '%s'\n", name);
    return package;
}

static void run_get(struct catalog *catalog, char *name, FILE *out) {
    const struct package *package = find_package(catalog, name, out);
    if (package) fprintf(out, "%s %s: %s\n", package->name, package->version, package->summary);
}

static void run_provides(struct catalog *catalog, char *name, FILE *out) {
    const gomap_str key = {name, strlen(name)};
    const struct id_list *list = gomap_get(catalog->provides, &key);
    if (!list) {
        fprintf(out, "error: nothing provides '%s'\n", name);
        return;
    }
    fprintf(out, "%s is provided by %u packages:", name, list->count);
    for (uint32_t i = 0; i < list->count; i++) fprintf(out, " %s", catalog->by_id[list->ids[i]]->name);
    fprintf(out, "\n");
}

static void run_depends(struct catalog *catalog, char *name, FILE *out) {
    const struct package *package = find_package(catalog, name, out);
    if (!package) return;
    const struct clause_list *list = gomap_get(catalog->depends, &package->id);
    fprintf(out, "%s depends on %u:", package->name, list ? list->count : 0);
    for (uint32_t i = 0; list && i < list->count; i++) fprintf(out, "%s %s", i ? "," : "", list->clauses[i]);
    fprintf(out, "\n");
}

/* ---- words ------------------------------------------------------------------------------------------- */

struct match {
    const struct package *package;
    unsigned hits;
};

/* Best match first: most hits, then by name. */
static int by_hits(const void *a, const void *b) {
    const struct match *x = a, *y = b;
    if (x->hits != y->hits) return x->hits < y->hits ? 1 : -1;
    return strcmp(x->package->name, y->package->name);
}

/* Looks the words of a query up, the rarest first; returns their number, 0: no answer (said on out). */
static size_t find_words(const struct catalog *catalog, const char *text, FILE *out,
                         const struct word *words[WORDS_IN_QUERY_MAX]) {
    char buffer[WORD_MAX];
    size_t count = 0;
    for (size_t len; (len = catalog_next_word(&text, buffer)) > 0;) {
        if (count == WORDS_IN_QUERY_MAX) {
            fprintf(out, "error: more than %d words\n", WORDS_IN_QUERY_MAX);
            return 0;
        }
        const struct word *word = words_get(catalog->words, (gomap_str){buffer, len});
        if (!word) {
            fprintf(out, "0 packages: no description has the word '%.*s'\n", (int)len, buffer);
            return 0;
        }
        words[count++] = word;
        if (word->packages < words[0]->packages) {
            words[count - 1] = words[0];
            words[0] = word;
        }
    }
    if (!count) fprintf(out, "error: words of at least 2 letters, please\n");
    return count;
}

/* Hits of a package summed over all words; 0 if one of them is missing in it. */
static unsigned hits_of(const struct catalog *catalog, uint32_t id, size_t count, const struct word **words) {
    unsigned hits = 0;
    for (size_t i = 0; i < count; i++) {
        const struct posting_key pair = {words[i]->id, id};
        const struct posting *posting = postings_get(catalog->postings, pair);
        if (!posting) return 0;
        hits += posting->hits;
    }
    return hits;
}

static uint32_t next_package(const struct catalog *catalog, const struct word *word, uint32_t id) {
    const struct posting_key pair = {word->id, id};
    const struct posting *posting = postings_get(catalog->postings, pair);
    return posting ? posting->next : NO_PACKAGE;
}

static void run_words(struct catalog *catalog, char *text, FILE *out) {
    const struct word *words[WORDS_IN_QUERY_MAX];
    const size_t count = find_words(catalog, text, out, words);
    if (!count) return;
    struct match *matches = malloc(((size_t)words[0]->packages + 1) * sizeof *matches);
    if (!matches) {
        fprintf(out, "error: out of memory\n");
        return;
    }
    size_t found = 0;
    for (uint32_t id = words[0]->first; id != NO_PACKAGE; id = next_package(catalog, words[0], id)) {
        const unsigned hits = hits_of(catalog, id, count, words);
        if (hits) matches[found++] = (struct match){catalog->by_id[id], hits};
    }
    qsort(matches, found, sizeof *matches, by_hits);
    fprintf(out, "%zu packages%s\n", found, found > RESULTS_SHOWN ? ", the best of them:" : "");
    for (size_t i = 0; i < found && i < RESULTS_SHOWN; i++)
        fprintf(out, "  %-28s %s\n", matches[i].package->name, matches[i].package->summary);
    free(matches);
}

/* ---- stat and drop ----------------------------------------------------------------------------------- */

static void stat_line(const gomap *map, const char *name, FILE *out) {
    gomap_stats stats = {.size = sizeof stats};
    const gomap_err err = gomap_get_stats(map, &stats);
    if (err) {
        fprintf(out, "error: stats of %s: %s\n", name, gomap_strerror(err));
        return;
    }
    fprintf(out, "%-10s %9llu %9llu %6.2f %10llu %7llu\n", name, (unsigned long long)stats.entries,
            (unsigned long long)stats.slots, stats.load, (unsigned long long)(stats.bytes / 1024),
            (unsigned long long)(stats.grows + stats.shrinks));
}

static void run_stat(struct catalog *catalog, char *unused, FILE *out) {
    (void)unused;
    fprintf(out, "%-10s %9s %9s %6s %10s %7s\n", "map", "entries", "slots", "load", "KiB", "resizes");
    stat_line(catalog->packages, "packages", out);
    stat_line(catalog->provides, "provides", out);
    stat_line(catalog->depends, "depends", out);
    stat_line(catalog->words, "words", out);
    stat_line(catalog->postings, "postings", out);
    fprintf(out, "pid %ld, rss %lu KiB\n", (long)getpid(), rss_kib());
}

/* Takes 99 packages of 100 out of one word's list.  Keeps the list whole at every step: an entry is
 * deleted only after its predecessor points past it. */
static void thin_out(struct catalog *catalog, struct word *word) {
    uint32_t kept = NO_PACKAGE, next;
    for (uint32_t id = word->first; id != NO_PACKAGE; id = next) {
        const struct posting_key pair = {word->id, id};
        next = next_package(catalog, word, id);
        if (id % 100 == 0) {
            kept = id;
            continue;
        }
        if (kept == NO_PACKAGE) {
            word->first = next;
        } else {
            const struct posting_key before = {word->id, kept};
            struct posting *posting = postings_get(catalog->postings, before);
            if (posting) posting->next = next;
        }
        if (postings_delete(catalog->postings, pair)) word->packages--;
    }
}

/* Forgets the words of 99 packages of 100: 99 % of the largest map go, one entry at a time.  The map
 * gives its memory back as it goes; gomap_work ends what the last delete left to do. */
static void run_drop(struct catalog *catalog, char *unused, FILE *out) {
    (void)unused;
    const unsigned long rss_before = rss_kib();
    const size_t before = gomap_len(catalog->postings);
    words_iter it;
    for (words_iter_init(&it, catalog->words); words_iter_next(&it);) thin_out(catalog, it.value);
    while (gomap_work(catalog->postings, 1000000)) {}
    fprintf(out, "dropped %zu of %zu postings, rss %lu -> %lu KiB\n", before - gomap_len(catalog->postings),
            before, rss_before, rss_kib());
}

/* ---- commands ---------------------------------------------------------------------------------------- */

static void run_help(struct catalog *catalog, char *argument, FILE *out);

static const struct command {
    const char *name, *argument, *does;
    void (*run)(struct catalog *catalog, char *argument, FILE *out);
} commands[] = {
    {"get", "NAME", "version and summary of a package", run_get},
    {"provides", "NAME", "packages that provide a name", run_provides},
    {"depends", "NAME", "what a package depends on", run_depends},
    {"words", "WORD...", "packages whose descriptions have all words", run_words},
    {"stat", NULL, "size of each map, and of this process", run_stat},
    {"drop", NULL, "delete 99 % of the largest map", run_drop},
    {"help", NULL, "this list", run_help},
};

static void run_help(struct catalog *catalog, char *unused, FILE *out) {
    (void)catalog, (void)unused;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "%-9s %-8s %s\n", commands[i].name, commands[i].argument ? commands[i].argument : "",
                commands[i].does);
    fprintf(out, "%-9s %-8s %s\n", "quit", "", "end");
}

bool query_run(struct catalog *catalog, char *line, FILE *out) {
    char *name = line + strspn(line, blanks);
    char *argument = name + strcspn(name, blanks);
    if (*argument) *argument++ = '\0';
    argument += strspn(argument, blanks);
    for (size_t n = strlen(argument); n && strchr(blanks, argument[n - 1]);) argument[--n] = '\0';

    if (!*name) return true;
    if (!strcmp(name, "quit")) return false;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *command = &commands[i];
        if (strcmp(name, command->name) != 0) continue;
        if (command->argument && !*argument)
            fprintf(out, "error: %s needs %s\n", name, command->argument);
        else
            command->run(catalog, argument, out);
        return true;
    }
    fprintf(out, "error: no command '%s'; try help\n", name);
    return true;
}
