/* fixes.c - what to change, as code for the map's own kind and type.
 *
 * Types are written as the program spells them; of a stripped program, and of types without a name in C, a stand-in.  m is
 * the map.  The texts are code to start from, not patches: they know nothing of the program's locks.
 */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>

/* A type that the program's text may have; what is guessed ("~...") has no name. */
static const char *known(const char *name, const char *or_else) {
    return name && *name && *name != '?' && *name != '~' ? name : or_else;
}

static char *go_map(const struct ms_map *m) {
    const struct ms_type *t = m->type;
    if (t && strcmp(known(t->name, ""), "") != 0) return ms_strdup(t->name);
    return ms_strdup("map[K]V");
}

static char *rebuild_go(const struct ms_map *m) {
    char *type = go_map(m);
    char *code = ms_asprintf("fresh := make(%s, len(m)) // not maps.Clone: it may copy the empty table too\n"
                             "for k, v := range m {\n\tfresh[k] = v\n}\nm = fresh",
                             type);
    free(type);
    return code;
}

static const char rebuild_classic[] =
    "gomap_classic *fresh; /* config: that of m, with .hint = its length */\n"
    "if (gomap_classic_new(&config, &fresh)) return GOMAP_ENOMEM;\n"
    "gomap_classic_iter_init(&it, m);\n"
    "while (gomap_classic_iter_next(&it))\n"
    "    if (gomap_classic_put(fresh, it.key, it.elem)) ...;\n"
    "gomap_classic_iter_end(&it);\n"
    "gomap_classic_free(m), m = fresh;";

static char *rebuild(const struct ms_map *m, bool go) {
    if (go) return rebuild_go(m);
    return ms_strdup(m->kind == MS_KIND_CLASSIC
                         ? rebuild_classic
                         : "if (gomap_shrink_to_fit(m)) ...; /* out of memory: as it was */");
}

static char *drop(const struct ms_map *m, bool go) {
    if (!go) {
        if (m->kind == MS_KIND_CLASSIC) return ms_strdup(rebuild_classic);
        return ms_strdup(m->entries ? "if (gomap_shrink_to_fit(m)) ...; /* out of memory: as it was */"
                                    : "gomap_clear(m, GOMAP_RELEASE); /* not GOMAP_KEEP */");
    }
    if (m->entries) return rebuild_go(m);
    char *type = go_map(m), *code = ms_asprintf("m = %s{} // not clear(m), which keeps the table", type);
    free(type);
    return code;
}

static char *smaller_hint(const struct ms_map *m, bool go) {
    unsigned long long n = m->entries;
    if (go) {
        char *type = go_map(m);
        char *code = ms_asprintf("m := make(%s, %llu) // or none: it grows by itself", type, n);
        free(type);
        return code;
    }
    if (m->kind == MS_KIND_CLASSIC)
        return ms_asprintf("config.hint = %llu; /* or 0: it grows by itself */", n);
    return ms_asprintf("config.capacity = %llu; /* or 0, and no gomap_reserve: it grows in place */\n"
                       "if (gomap_shrink_to_fit(m)) ...; /* ends a promise that gomap_reserve made */",
                       n);
}

static bool is_integer(const struct ms_type *t) {
    return t->key && (strncmp(t->key, "int", 3) == 0 || strncmp(t->key, "uint", 4) == 0) && t->key_size <= 8;
}

/* Eight small values under one key of neighbours; else a key that needs no alignment. */
static char *other_layout(const struct ms_map *m, bool go) {
    const struct ms_type *t = m->type;
    if (go && t->value_size == 0)
        return ms_asprintf(
            "list := []%s{} // while they are few: slices.Contains; a value without bytes is given some",
            known(t->key, "K"));
    if (go && is_integer(t))
        return ms_asprintf("m := make(map[%s][8]%s) // keys that are neighbours share a slot\n"
                           "row := m[k>>3]\nrow[k&7] = v\nm[k>>3] = row",
                           t->key, known(t->value, "V"));
    if (go && t->key && strcmp(t->key, "string") == 0)
        return ms_asprintf(
            "m := make(map[[N]byte]%s) // texts of one length: no alignment, no memory elsewhere",
            known(t->value, "V"));
    if (go)
        return ms_asprintf("m := make(map[[%u]byte]%s) // a key of bytes needs no alignment", t->key_size,
                           known(t->value, "V"));
    if (is_integer(t) || t->key_size == 8)
        return ms_strdup(
            "GOMAP_DEFINE(name, uint64_t, struct row); /* struct row { V v[8]; } under key >> 3 */\n"
            "struct row *row = name_at(m, key >> 3, NULL);\nif (row) row->v[key & 7] = value;");
    return ms_asprintf("config.key_align = 1; /* of %u bytes, if it is only compared and copied */",
                       t->key_size);
}

static char *as_set(const struct ms_map *m, bool go) {
    const struct ms_type *t = m->type;
    if (go)
        return ms_asprintf("m := make(map[%s]struct{})\nm[k] = struct{}{}\n_, is := m[k]",
                           known(t->key, "K"));
    if (m->kind == MS_KIND_CLASSIC)
        return ms_strdup("gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(K), 0); /* no elem: a set */");
    return ms_strdup("gomap_config c = GOMAP_CONFIG(sizeof(K), 0); /* no value: a set; gomap_has tells */");
}

static char *bound(bool go) {
    if (go)
        return ms_strdup("if len(m) >= limit { // or by age: a list of keys in the order they came\n"
                         "\tfor k := range m {\n\t\tdelete(m, k)\n\t\tbreak\n\t}\n}\nm[k] = v");
    return ms_strdup("if (gomap_len(m) >= limit && gomap_pop_any(m, NULL, NULL)) ...;\nif (gomap_put(m, "
                     "&key, &value)) ...;");
}

static char *split(bool go) {
    if (go)
        return ms_strdup("log.Printf(\"%d entries of %v\", len(m), owner) // who is it? then bound it, or "
                         "give it a store of its own");
    return ms_strdup(
        "gomap_set_name(m, owner); /* who is it? then bound it, or give it a store of its own */");
}

static char *let_end(const struct ms_map *m) {
    if (!m->leaked_by)
        return ms_strdup(
            "t := time.AfterFunc(d, f)\ndefer t.Stop() // or let f hold the key only, not the map");
    return ms_strdup(
        "result := make(chan T, 1) // room for the one result: the sender ends, received or not\n"
        "select {\ncase result <- v:\ncase <-ctx.Done(): // or it hears that nobody waits\n}");
}

static char *let_go(void) {
    return ms_strdup("cancel := register(func() { ... }) // who registers a function takes it back,\n"
                     "defer cancel()                     // or lets it capture a key, not the map");
}

/* A map is worth its header from nine entries on. */
static char *as_list(const struct ms_map *m, bool go) {
    const struct ms_type *t = m->type;
    const char *key = known(t ? t->key : NULL, "K"), *value = known(t ? t->value : NULL, "V");
    if (go && t && t->value_size == 0)
        return ms_asprintf("type list []%s // a set: slices.Contains, until there are more than eight", key);
    if (go)
        return ms_asprintf(
            "type list []struct {\n\tk %s\n\tv %s\n} // searched from its start, until there are more than "
            "eight",
            key, value);
    return ms_strdup(
        "struct entry { K k; V v; } *list; /* searched from its start, until there are more than eight */");
}

static char *strict_hash(void) {
    return ms_strdup("config.hash = NULL, config.eq = NULL; /* the library's own, under a secret seed */\n"
                     "config.hashing = GOMAP_HASHING_STRICT; /* if keys come from outside */");
}

static char *give_back(bool go) {
    if (go)
        return ms_strdup("// GODEBUG=madvdontneed=1, the default: pages leave RSS when they are given back");
    return ms_strdup("/* the allocator's choice: MADV_DONTNEED in place of MADV_FREE, or malloc_trim(0) */");
}

static char *small_pages(bool go) {
    if (go)
        return ms_strdup("// GODEBUG=disablethp=1 (1.21.6 and later); or where the service starts:\n"
                         "// echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
    return ms_strdup("gomap_ctl(m, \"policy.huge_pages\", NULL, &(uint64_t){GOMAP_HUGE_NEVER});");
}

char *ms_rule_fix(enum ms_rule_number rule, const struct ms_map *m, bool go) {
    switch (rule) {
    case MS_RULE_NEVER_SHRUNK:
    case MS_RULE_TOMBSTONE_HEAVY:
    case MS_RULE_OVERFLOW_HEAVY: return rebuild(m, go);
    case MS_RULE_NEAR_EMPTY_GIANT: return drop(m, go);
    case MS_RULE_OVERSIZED_HINT: return smaller_hint(m, go);
    case MS_RULE_PADDING_HEAVY: return other_layout(m, go);
    case MS_RULE_SET_AS_BOOL: return as_set(m, go);
    case MS_RULE_GROWING_UNBOUNDED: return bound(go);
    case MS_RULE_LIKE_MAPS_OUTLIER: return split(go);
    case MS_RULE_HELD_BY_LEAK: return let_end(m);
    case MS_RULE_HELD_BY_CLOSURE: return let_go();
    case MS_RULE_TINY_MAPS: return as_list(m, go);
    case MS_RULE_CHOSEN_KEYS: return strict_hash();
    case MS_RULE_LAZYFREE_HIDDEN: return give_back(go);
    case MS_RULE_THP_HELD: return small_pages(go);
    case MS_RULES: break;
    }
    return ms_strdup("");
}
