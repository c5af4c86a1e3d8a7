/* How the five maps are made, filled and freed.
 *
 * Filling has two phases.  catalog_read only keeps the newest version of each package; catalog_index then
 * derives the other four maps from those, so that nothing of an outvoted version is left in them.
 *
 *     packages   "bash" -> {id 4711, version, summary}         keys borrowed from the pool, values stay put
 *     provides   "awk"  -> [id of gawk, id of mawk, ...]       keys copied by the map
 *     depends    4711   -> ["base-files (>= 2.1.12)", ...]     values freed by a destroy function
 *     words      "shell"-> {id 17, first 4711, 1804 packages}
 *     postings   {17, 4711} -> {next 4705, hits 3, in name and summary}
 *
 * A posting is an entry of its own rather than an element of a list per word: whether a package has a
 * word is then one lookup, which is what a query for several words asks most.
 *
 * Any failure leaves maps that catalog_free can free; a half filled catalog is never used. */
#include "catalog.h"
#include "debversion.h"
#include "stanza.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

bool catalog_complain(const char *map, gomap_err err) {
    fprintf(stderr, "pkgindex: map %s: %s\n", map, gomap_strerror(err));
    return false;
}

static bool out_of_memory(void) {
    fprintf(stderr, "pkgindex: out of memory\n");
    return false;
}

static void destroy_ids(void *value, void *ctx) {
    (void)ctx;
    free(((struct id_list *)value)->ids);
}

static void destroy_clauses(void *value, void *ctx) {
    (void)ctx;
    free((void *)((struct clause_list *)value)->clauses);
}

/* Names a map that was just made; err is what making it returned. */
static bool name_map(gomap *const *map, gomap_err err, const char *name) {
    if (!err) err = gomap_set_name(*map, name);
    return err ? catalog_complain(name, err) : true;
}

static bool make_maps(struct catalog *catalog) {
    gomap_config packages = GOMAP_CONFIG_STRING(sizeof(struct package));
    packages.keys = GOMAP_KEYS_BORROWED;   /* names live in catalog->kept */
    packages.values = GOMAP_VALUES_STABLE; /* by_id points to them */
    packages.key_type = "name";
    packages.value_type = "struct package";

    gomap_config provides = GOMAP_CONFIG_STRING(sizeof(struct id_list));
    provides.value_destroy = destroy_ids;
    provides.key_type = "name";
    provides.value_type = "struct id_list";

    gomap_config depends = GOMAP_CONFIG(sizeof(uint32_t), sizeof(struct clause_list));
    depends.value_destroy = destroy_clauses;
    depends.key_type = "uint32_t";
    depends.value_type = "struct clause_list";

    /* Here typed.h knows the sizes and types; the config only remembers this line. */
    const gomap_config words = GOMAP_CONFIG(0, 0), postings = GOMAP_CONFIG(0, 0);

    return name_map(&catalog->packages, gomap_new(&packages, &catalog->packages), "packages") &&
           name_map(&catalog->provides, gomap_new(&provides, &catalog->provides), "provides") &&
           name_map(&catalog->depends, gomap_new(&depends, &catalog->depends), "depends") &&
           name_map(&catalog->words, words_new_with(words, &catalog->words), "words") &&
           name_map(&catalog->postings, postings_new_with(postings, &catalog->postings), "postings");
}

bool catalog_init(struct catalog *catalog) {
    *catalog = (struct catalog){0};
    if (make_maps(catalog)) return true;
    catalog_free(catalog);
    return false;
}

void catalog_free(struct catalog *catalog) {
    gomap_free(catalog->postings);
    gomap_free(catalog->words);
    gomap_free(catalog->depends);
    gomap_free(catalog->provides);
    gomap_free(catalog->packages); /* before the pool its keys live in */
    free(catalog->by_id);
    free(catalog->sources);
    textpool_free(&catalog->kept);
    textpool_free(&catalog->passing);
    *catalog = (struct catalog){0};
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* Copies text into the pool; NULL: out of memory. */
static const char *keep(struct textpool *pool, const char *text, size_t len) {
    return len ? textpool_copy(pool, text, len) : "";
}

static const char *keep_field(struct catalog *catalog, const struct stanza_reader *reader, enum field field) {
    const char *value = stanza_get(reader, field);
    return keep(&catalog->passing, value, strlen(value));
}

static bool make_room(struct catalog *catalog) {
    if (catalog->count < catalog->room) return true;
    const uint32_t room = catalog->room ? catalog->room * 2 : 1024;
    struct package **by_id = realloc((void *)catalog->by_id, room * sizeof *by_id); // NOLINT(bugprone-sizeof-expression): an array of pointers
    if (!by_id) return out_of_memory();
    catalog->by_id = by_id;
    struct source *sources = realloc((void *)catalog->sources, room * sizeof *sources);
    if (!sources) return out_of_memory();
    catalog->sources = sources;
    catalog->room = room;
    return true;
}

/* The package of that name, made if it is new; NULL: a line was printed. */
static struct package *find_or_make(struct catalog *catalog, const char *name, size_t len) {
    gomap_str key = {name, len};
    struct package *known = gomap_get(catalog->packages, &key);
    if (known) return known;

    if (!make_room(catalog)) return NULL;
    void *slot;
    key.ptr = keep(&catalog->kept, name, len); /* the map borrows this copy */
    if (!key.ptr) {
        out_of_memory();
        return NULL;
    }
    const gomap_err err = gomap_get_or_insert(catalog->packages, &key, &slot, NULL);
    if (err) {
        catalog_complain("packages", err);
        return NULL;
    }
    struct package *package = slot;
    *package = (struct package){.id = catalog->count, .name = key.ptr};
    catalog->by_id[catalog->count] = package;
    catalog->sources[catalog->count] = (struct source){0};
    catalog->count++;
    return package;
}

static bool add_package(struct catalog *catalog, const struct stanza_reader *reader) {
    const char *name = stanza_get(reader, FIELD_PACKAGE), *version = stanza_get(reader, FIELD_VERSION);
    const char *status = stanza_get(reader, FIELD_STATUS);
    if (*status && !strstr(status, " installed")) return true; /* dpkg also remembers removed packages */

    catalog->stanzas++;
    struct package *package = find_or_make(catalog, name, strlen(name));
    if (!package) return false;
    if (package->version && debversion_compare(version, package->version) <= 0) return true;

    const char *description = stanza_get(reader, FIELD_DESCRIPTION);
    const size_t summary_len = strcspn(description, "\n");
    const char *text = description + summary_len;
    struct source *source = &catalog->sources[package->id];
    *source = (struct source){
        .text = keep(&catalog->passing, text, strlen(text)),
        .provides = keep_field(catalog, reader, FIELD_PROVIDES),
        .pre_depends = keep_field(catalog, reader, FIELD_PRE_DEPENDS),
        .depends = keep_field(catalog, reader, FIELD_DEPENDS),
        .tags = keep_field(catalog, reader, FIELD_TAG),
        .text_md5 = keep_field(catalog, reader, FIELD_DESCRIPTION_MD5),
    };
    package->summary = keep(&catalog->kept, description, summary_len);
    package->version = keep(&catalog->kept, version, strlen(version));
    if (source->text && source->provides && source->depends && source->pre_depends && source->tags &&
        source->text_md5 && package->summary && package->version)
        return true;
    return out_of_memory();
}

/* A translation holds the long description that a package list only names by its checksum. */
static bool add_translation(struct catalog *catalog, const struct stanza_reader *reader) {
    const char *name = stanza_get(reader, FIELD_PACKAGE);
    gomap_str key = {name, strlen(name)};
    const struct package *package = gomap_get(catalog->packages, &key);
    if (!package) return true;
    struct source *source = &catalog->sources[package->id];
    if (*source->text) return true; /* the package list had it, or an earlier translation */
    if (strcmp(source->text_md5, stanza_get(reader, FIELD_DESCRIPTION_MD5)) != 0) return true;
    const char *text = strchr(stanza_get(reader, FIELD_DESCRIPTION_EN), '\n');
    if (!text) return true;
    source->text = keep(&catalog->passing, text, strlen(text));
    return source->text ? true : out_of_memory();
}

bool catalog_read(struct catalog *catalog, const char *path) {
    struct stanza_reader reader;
    if (!stanza_open(&reader, path)) return false;
    int more;
    bool ok = true;
    while (ok && (more = stanza_next(&reader)) != 0) {
        if (more < 0)
            ok = false;
        else if (!*stanza_get(&reader, FIELD_PACKAGE))
            continue; /* nothing we could file it under */
        else if (*stanza_get(&reader, FIELD_DESCRIPTION_EN))
            ok = add_translation(catalog, &reader);
        else
            ok = add_package(catalog, &reader);
    }
    if (!ok) reader.broken = true;
    return stanza_close(&reader) && ok;
}

/* ---- indexing ---------------------------------------------------------------------------------------- */

/* Takes the next part of a comma separated list, without the blanks around it; false: no part is left. */
static bool next_clause(const char **list, const char **clause, size_t *len) {
    *list += strspn(*list, ", \t\n");
    if (!**list) return false;
    *clause = *list;
    *len = strcspn(*list, ",");
    *list += *len;
    while (*len && strchr(" \t\n", (*clause)[*len - 1])) --*len;
    return true;
}

static bool add_provider(struct catalog *catalog, const char *name, size_t len, uint32_t id) {
    const gomap_str key = {name, len};
    void *slot;
    const gomap_err err = gomap_get_or_insert(catalog->provides, &key, &slot, NULL);
    if (err) return catalog_complain("provides", err);
    struct id_list *list = slot; /* all zero if it was just made */
    if (list->count == list->room) {
        const uint32_t room = list->room ? list->room * 2 : 2;
        uint32_t *ids = realloc(list->ids, room * sizeof *ids);
        if (!ids) return out_of_memory();
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
    return true;
}

static bool index_provides(struct catalog *catalog, const struct package *package) {
    const char *list = catalog->sources[package->id].provides, *clause;
    size_t len;
    while (next_clause(&list, &clause, &len))
        if (!add_provider(catalog, clause, strcspn(clause, " (,\t\n"), package->id)) return false;
    return true;
}

static bool index_depends(struct catalog *catalog, const struct package *package) {
    const struct source *source = &catalog->sources[package->id];
    const char *const lists[] = {source->pre_depends, source->depends};
    const char *clause;
    size_t len, clauses = 0;
    for (size_t i = 0; i < 2; i++)
        for (const char *list = lists[i]; next_clause(&list, &clause, &len);) clauses++;
    if (!clauses) return true;

    struct clause_list value = {0, malloc(clauses * sizeof *value.clauses)};
    if (!value.clauses) return out_of_memory();
    for (size_t i = 0; i < 2; i++) {
        for (const char *list = lists[i]; next_clause(&list, &clause, &len);) {
            value.clauses[value.count] = keep(&catalog->kept, clause, len);
            if (!value.clauses[value.count++]) {
                destroy_clauses(&value, NULL);
                return out_of_memory();
            }
        }
    }
    const gomap_err err = gomap_put(catalog->depends, &package->id, &value);
    if (!err) return true; /* the list is the map's now */
    destroy_clauses(&value, NULL);
    return catalog_complain("depends", err);
}

static bool is_word_byte(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 128;
}

size_t catalog_next_word(const char **text, char word[WORD_MAX]) {
    const char *at = *text;
    while (*at) {
        while (*at && !is_word_byte((unsigned char)*at)) at++;
        size_t len = 0;
        for (; is_word_byte((unsigned char)*at); at++, len++)
            if (len < WORD_MAX) word[len] = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
        *text = at;
        if (len >= 2 && len <= WORD_MAX) return len;
    }
    return 0;
}

static bool index_words(struct catalog *catalog, uint32_t id, const char *text, uint16_t where) {
    char buffer[WORD_MAX];
    for (size_t len; (len = catalog_next_word(&text, buffer)) > 0;) {
        bool is_new;
        struct word *word = words_at(catalog->words, (gomap_str){buffer, len}, &is_new);
        if (!word) return catalog_complain("words", GOMAP_ENOMEM);
        if (is_new) *word = (struct word){(uint32_t)gomap_len(catalog->words) - 1, NO_PACKAGE, 0};

        /* The pointer to the word stays valid: this write goes to another map. */
        struct posting *posting = postings_at(catalog->postings, (struct posting_key){word->id, id}, &is_new);
        if (!posting) return catalog_complain("postings", GOMAP_ENOMEM);
        if (is_new) {
            posting->next = word->first;
            word->first = id;
            word->packages++;
        }
        posting->where |= where;
        if (posting->hits < UINT16_MAX) posting->hits++;
    }
    return true;
}

bool catalog_index(struct catalog *catalog) {
    for (uint32_t id = 0; id < catalog->count; id++) {
        const struct package *package = catalog->by_id[id];
        const struct source *source = &catalog->sources[id];
        if (!index_provides(catalog, package) || !index_depends(catalog, package) ||
            !index_words(catalog, id, package->name, IN_NAME) ||
            !index_words(catalog, id, package->summary, IN_SUMMARY) ||
            !index_words(catalog, id, source->text, IN_TEXT) ||
            !index_words(catalog, id, source->tags, IN_TAGS))
            return false;
    }
    free(catalog->sources);
    catalog->sources = NULL;
    textpool_free(&catalog->passing);
    malloc_trim(0); /* so that the process's size from here on is that of the catalog */
    return true;
}
