/* The package index in memory: five maps and the strings they share. */
#ifndef PKGINDEX_CATALOG_H
#define PKGINDEX_CATALOG_H

#include "textpool.h"

#include <gomap/typed.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { NO_PACKAGE = UINT32_MAX };

struct package {
    uint32_t id; /* index in catalog.by_id */
    const char *name, *version, *summary;
};

/* A list of package ids; what `provides` holds by name. */
struct id_list {
    uint32_t count, room;
    uint32_t *ids;
};

/* The clauses of a package's Depends line: "libc6 (>= 2.36)", "a | b". */
struct clause_list {
    uint32_t count;
    const char **clauses;
};

/* A word of the descriptions.  Its packages form a list that runs through the posting map:
 * first, then posting.next of {id, first}, and so on to NO_PACKAGE. */
struct word {
    uint32_t id;
    uint32_t first;
    uint32_t packages; /* length of that list */
};

struct posting_key {
    uint32_t word, package;
};

enum { IN_NAME = 1, IN_SUMMARY = 2, IN_TEXT = 4, IN_TAGS = 8 };
struct posting {
    uint32_t next;  /* the next package with this word */
    uint16_t hits;  /* how often the word stands in the package's texts; stops at 65535 */
    uint16_t where; /* IN_* */
};

/* Typed access to the two maps that are used most: words_at, words_get, postings_at, ... */
GOMAP_DEFINE_STR(words, struct word);
GOMAP_DEFINE_KEY(postings, struct posting_key, struct posting);

/* What is needed of a package only until it is indexed. */
struct source {
    const char *provides, *pre_depends, *depends, *tags, *text, *text_md5;
};

struct catalog {
    gomap *packages; /* name (borrowed) -> struct package, whose address never changes */
    gomap *provides; /* provided name -> struct id_list */
    gomap *depends;  /* package id -> struct clause_list */
    gomap *words;    /* word -> struct word */
    gomap *postings; /* {word, package} -> struct posting; by far the largest */

    struct package **by_id;
    struct source *sources; /* by id; gone after catalog_index */
    uint32_t count, room;
    uint32_t stanzas; /* read, older versions of a package included */
    struct textpool kept, passing;
};

/* Makes an empty catalog; false: out of memory, nothing is left behind. */
bool catalog_init(struct catalog *catalog);

/* Reads one index file: package lists, translations, dpkg's status.  Of several versions of a package the
 * newest wins.  false: a line naming the reason was printed. */
bool catalog_read(struct catalog *catalog, const char *path);

/* Fills provides, depends, words and postings from what was read, then lets go of what only that needed. */
bool catalog_index(struct catalog *catalog);

void catalog_free(struct catalog *catalog);

/* Takes the next word of a text, in lower case, and moves *text behind it; 0: no word is left.  Words are
 * runs of letters, digits and bytes above 127, of 2 to WORD_MAX bytes; others do not count. */
enum { WORD_MAX = 40 };
size_t catalog_next_word(const char **text, char word[WORD_MAX]);

/* Says why a map refused to be written; always false. */
bool catalog_complain(const char *map, gomap_err err);

#endif
