/* gosync.c - sync.Map of Go 1.24 and later in a walk: a trie of hashes (internal/sync.HashTrieMap).
 *
 *   sync.Map, HashTrieMap 48   root 16 --> indirect 152                       entry
 *                                          isEntry 0 = false                  isEntry 0 = true
 *                                          children 24: 16 --> node --------> overflow 8 --> entry
 *                                                                             key 16, value
 *
 * A child's type is that of its common beginning; its first byte tells which it is.  The walk and paths see
 * through all of it: main.sessions[*].(main.session) names a value of the map, however deep it lies.
 *
 * Without debug information it is known by its looks: a root that is no entry and has no parent, and behind the pointer to
 * it the functions by which the map hashes and compares.  sync.Map has those of interfaces.
 *
 * Up to 1.23 a sync.Map has two maps of the usual kind, which are found as such: main.sessions.dirty, .read.v.m.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_TRIE_MAP = 48, ROOT = 16 };

static const struct ms_gofield *field(const struct ms_gotype *t, const char *name) {
    for (uint32_t i = 0; i < t->fields; i++)
        if (t->field[i].name && strcmp(t->field[i].name, name) == 0) return &t->field[i];
    return NULL;
}

/* What an atomic.Pointer[T] points to; 0: it is none. */
static ms_gotid pointed_by(struct ms_go *go, ms_gotid atomic) {
    const struct ms_gotype *t = ms_gotype_get(go, atomic);
    const struct ms_gofield *v = field(t, "v");
    return v ? ms_gotype_get(go, v->type)->elem : 0;
}

/* The type parameter at s: how far it goes. */
static size_t parameter(const char *s) {
    size_t i = 0;
    for (int depth = 0; s[i] && (depth || (s[i] != ',' && s[i] != ']')); i++)
        depth += (strchr("[({", s[i]) != NULL) - (strchr("])}", s[i]) != NULL);
    return i;
}

/* Code for several types is compiled once for their shape, and described so: every pointer is *uint8. */
static char *shape_of(const char *parameters) {
    const char *key = parameters + 1, *value = key + parameter(key);
    size_t key_len = (size_t)(value - key), value_len = *value ? parameter(++value) : 0;
    if (*key == '*') key = "*uint8", key_len = 6;
    if (*value == '*') value = "*uint8", value_len = 6;
    return ms_asprintf("internal/sync.entry[go.shape.%.*s,go.shape.%.*s]", (int)key_len, key, (int)value_len,
                       value);
}

/* "sync.indirect[K,V]" or "internal/sync.indirect[K,V]" -> the debug information's "internal/sync.entry[K,V]" */
static ms_gotid entry_of(struct ms_go *go, const char *indirect) {
    const char *parameters = indirect ? strchr(indirect, '[') : NULL;
    if (!parameters || !go->dwarf) return 0;
    char *name = ms_asprintf("internal/sync.entry%s", parameters);
    uint64_t die = ms_godwarf_named(go->dwarf, name);
    free(name);
    if (!die) {
        name = shape_of(parameters);
        die = ms_godwarf_named(go->dwarf, name);
        free(name);
    }
    return ms_gotype_die(go, die);
}

static void tell_entry(struct ms_go *go, ms_gotid entry) {
    const struct ms_gotype *t = ms_gotype_get(go, entry);
    const struct ms_gofield *key = field(t, "key"), *overflow = field(t, "overflow");
    if (key && overflow && key->offset == 16 && overflow->offset == 8)
        go->types.type[entry]->sync = MS_GO_SYNC_ENTRY;
}

/* A HashTrieMap: its nodes get their true types. */
static bool tell_trie(struct ms_go *go, struct ms_gotype *t) {
    const struct ms_gofield *root = field(t, "root");
    ms_gotid indirect = root && root->offset == 16 ? pointed_by(go, root->type) : 0;
    const struct ms_gotype *i = ms_gotype_get(go, indirect);
    const struct ms_gofield *children = field(i, "children");
    if (!children || children->offset != 24) return false;
    const struct ms_gotype *array = ms_gotype_get(go, children->type);
    ms_gotid node = array->count == 16 ? pointed_by(go, array->elem) : 0;
    if (!node) return false;
    ms_gotid entry = entry_of(go, i->name);
    tell_entry(go, entry);
    go->types.type[indirect]->sync = MS_GO_SYNC_INDIRECT;
    struct ms_gotype *n = go->types.type[node];
    n->sync = MS_GO_SYNC_NODE;
    n->elem = indirect;
    n->key = entry;
    const struct ms_gofield *key = field(ms_gotype_get(go, entry), "key"),
                            *value = field(ms_gotype_get(go, entry), "value");
    if (key && value) t->key = key->type, t->elem = value->type;
    return true;
}

void ms_gosync_tell(struct ms_go *go, struct ms_gotype *t) {
    if (!t->name || !go->layout.swiss) return;
    const char *name = strncmp(t->name, "internal/", 9) == 0 ? t->name + 9 : t->name;
    if (strncmp(name, "sync.HashTrieMap[", 17) == 0) {
        if (tell_trie(go, t)) t->sync = MS_GO_SYNC_MAP;
    } else if (strcmp(name, "sync.Map") == 0) {
        const struct ms_gofield *m = field(t, "m");
        const struct ms_gotype *trie = ms_gotype_get(go, m && m->offset == 0 ? m->type : 0);
        if (trie->sync != MS_GO_SYNC_MAP) return;
        t->sync = MS_GO_SYNC_MAP;
        t->key = trie->key, t->elem = trie->elem;
    }
}

/* ---- without debug information ------------------------------------------------------------------ */

/* The name of the function that a func value points to; false: it is none. */
static bool function_of(struct ms_go *go, uint64_t value, char *name, size_t room) {
    uint64_t entry;
    struct ms_gofunc f;
    if (!value || value % MS_GO_PTR || !ms_gomem_word(go, value, &entry)) return false;
    const struct ms_gomodule *m = ms_gomodule_of_text(go, entry);
    return m && ms_gopclntab_find(&m->functions, entry, &f) && f.entry == entry &&
           ms_gopclntab_name(&m->functions, &f, name, room);
}

static ms_gotid guessed(struct ms_go *go, bool plain) {
    ms_gotid *known = &go->types.guessed_sync[plain];
    if (!*known) *known = ms_gotype_sync(go, plain ? "sync.Map" : "internal/sync.HashTrieMap", plain);
    return *known;
}

ms_gotid ms_gosync_guess(struct ms_go *go, const struct ms_goarea *a, uint64_t word, uint64_t node) {
    uint64_t head[HASH_TRIE_MAP / MS_GO_PTR], at = word - ROOT, root[3];
    char hash[64], equal[64];
    if (go->dwarf || !go->layout.swiss || at < a->start || a->end - at < sizeof head) return 0;
    if (!ms_gomem_read(go, at, head, sizeof head) || (head[0] & UINT32_MAX) != 1) return 0; /* inited */
    if (!ms_gomem_read(go, node, root, sizeof root) || root[0] & 0xff || root[2])
        return 0; /* an entry, or not the root */
    if (!function_of(go, head[3], hash, sizeof hash) || !function_of(go, head[4], equal, sizeof equal))
        return 0;
    return guessed(go,
                   strcmp(hash, "runtime.nilinterhash") == 0 && strcmp(equal, "runtime.nilinterequal") == 0);
}

ms_gotid ms_gosync_node(struct ms_go *go, ms_gotid type, uint64_t addr) {
    const struct ms_gotype *t = ms_gotype_get(go, type);
    uint8_t is_entry;
    if (t->sync != MS_GO_SYNC_NODE || !ms_gomem_read(go, addr, &is_entry, 1)) return type;
    return is_entry ? t->key : t->elem;
}
