/* schema.c - the lists of schema.h as SQL, and as members of structs. */
#include "schema.h"

#include <assert.h>
#include <string.h>

#define COLUMN(column, member, most)    ", " #column " INTEGER"
#define PARAMETER(column, member, most) ",?"

/* Rows of a primary key's own order. */
#define KEYED(key) ", PRIMARY KEY(" key ")) WITHOUT ROWID"

const struct ms_rec_table ms_rec_tables[] = {
    {"recording",
     "CREATE TABLE recording(pid INTEGER, uid INTEGER, comm TEXT, exe TEXT, runtime TEXT, core TEXT, "
     "signal INTEGER, threads INTEGER, made_by TEXT)"},
    {"moment",
     "CREATE TABLE moment(moment INTEGER PRIMARY KEY, base INTEGER, wall_ns INTEGER, age_ns INTEGER, "
     "rss_bytes INTEGER, mode INTEGER, pause_ns INTEGER, late INTEGER, images INTEGER, mappings INTEGER, "
     "uncertain INTEGER, notes TEXT, maps INTEGER, entries INTEGER, bytes INTEGER, waste INTEGER, "
     "rebuild_gain INTEGER)"},
    {"library", "CREATE TABLE library(moment INTEGER, copy INTEGER, root INTEGER, image TEXT, version TEXT, "
                "maps_made INTEGER, maps_freed INTEGER, unregistered INTEGER, wall_minus_mono_ns INTEGER, "
                "started INTEGER, readable INTEGER" KEYED("moment, copy")},
    {"text", "CREATE TABLE text(base INTEGER, text INTEGER, value TEXT" KEYED("base, text")},
    {"type", "CREATE TABLE type(base INTEGER, type INTEGER, name TEXT, key TEXT, value TEXT, "
             "site TEXT" MS_REC_TYPE(COLUMN) KEYED("base, type")},
    {"map", "CREATE TABLE map(base INTEGER, map INTEGER, type INTEGER, name TEXT, holder TEXT, "
            "place INTEGER" MS_REC_IDENTITY(COLUMN) KEYED("base, map")},
    {"look", "CREATE TABLE look(moment INTEGER, map INTEGER, doubt INTEGER, entries INTEGER, slots INTEGER, "
             "bytes INTEGER, waste INTEGER, figures BLOB" KEYED("moment, map")},
    {"gone", "CREATE TABLE gone(moment INTEGER, map INTEGER" KEYED("moment, map")},
    {"detail", "CREATE TABLE detail(moment INTEGER, map INTEGER, packed BLOB, PRIMARY KEY(moment, map))"},
    /* For people with sqlite3: the figures of maps with their names, at the moments they changed. */
    {"history",
     "CREATE VIEW history AS SELECT look.moment, datetime(wall_ns / 1000000000, 'unixepoch') AS time, "
     "look.map, "
     "coalesce(map.name, map.holder, type.name || '@' || type.site, type.name) AS label, type.name AS type, "
     "look.entries, look.slots, look.bytes, look.waste FROM look "
     "JOIN moment ON moment.moment = look.moment JOIN map ON map.base = moment.base AND map.map = look.map "
     "LEFT JOIN type ON type.base = moment.base AND type.type = map.type"},
};
const size_t ms_rec_table_count = sizeof ms_rec_tables / sizeof *ms_rec_tables;

const struct ms_rec_insert ms_rec_insert[MS_REC_ROWS] = {
    [MS_REC_RECORDING] = {"INSERT INTO recording VALUES(?,?,?,?,?,?,?,?,?)", 9},
    [MS_REC_MOMENT] = {"INSERT INTO moment VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", 17},
    [MS_REC_LIBRARY] = {"INSERT INTO library VALUES(?,?,?,?,?,?,?,?,?,?,?)", 11},
    [MS_REC_TEXT] = {"INSERT INTO text VALUES(?,?,?)", 3},
    [MS_REC_TYPE_ROW] = {"INSERT INTO type VALUES(?,?,?,?,?,?" MS_REC_TYPE(PARAMETER) ")",
                         6 + MS_REC_TYPE_COUNT},
    [MS_REC_MAP] = {"INSERT INTO map VALUES(?,?,?,?,?,?" MS_REC_IDENTITY(PARAMETER) ")",
                    6 + MS_REC_IDENTITY_COUNT},
    [MS_REC_LOOK] = {"INSERT INTO look VALUES(?,?,?,?,?,?,?,?)", 8},
    [MS_REC_GONE] = {"INSERT INTO gone VALUES(?,?)", 2},
    [MS_REC_DETAIL] = {"INSERT INTO detail VALUES(?,?,?)", 3},
};

#define OF_MAP(column, member, most)                                                                         \
    {#column, offsetof(struct ms_map, member), sizeof((struct ms_map *)0)->member, (most)},
#define OF_TYPE(column, member, most)                                                                        \
    {#column, offsetof(struct ms_type, member), sizeof((struct ms_type *)0)->member, (most)},
const struct ms_rec_field ms_rec_figure[] = {MS_REC_FIGURES(OF_MAP)};
const struct ms_rec_field ms_rec_identity[] = {MS_REC_IDENTITY(OF_MAP)};
const struct ms_rec_field ms_rec_type[] = {MS_REC_TYPE(OF_TYPE)};

/* What is added to these has to be recorded too. */
static_assert(MS_PARTS == 11 && MS_TABLE_SIZES == 8, "every part and every size has its column");
static_assert(sizeof(bool) == 1, "as a byte");

void ms_rec_get(const struct ms_rec_field *f, size_t n, const void *from, uint64_t *value) {
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)from + f[i].at;
        uint32_t word;
        switch (f[i].width) {
        case 1: value[i] = *(const uint8_t *)at; break;
        case 4: memcpy(&word, at, sizeof word), value[i] = word; break;
        default: memcpy(&value[i], at, sizeof value[i]);
        }
    }
}

bool ms_rec_set(const struct ms_rec_field *f, size_t n, const uint64_t *value, void *to) {
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)to + f[i].at;
        if (value[i] > f[i].most) return false;
        uint32_t word = (uint32_t)value[i];
        switch (f[i].width) {
        case 1: *(uint8_t *)at = (uint8_t)value[i]; break;
        case 4: memcpy(at, &word, sizeof word); break;
        default: memcpy(at, &value[i], sizeof value[i]);
        }
    }
    return true;
}

size_t ms_rec_pack_numbers(const uint64_t *n, size_t count, uint8_t *out) {
    uint8_t *at = out;
    for (size_t i = 0; i < count; i++) {
        uint64_t rest = n[i] + 1;
        for (; rest > 127; rest >>= 7) *at++ = (uint8_t)(rest | 128);
        *at++ = (uint8_t)rest;
    }
    return (size_t)(at - out);
}

bool ms_rec_unpack_numbers(const uint8_t *bytes, size_t len, uint64_t *n, size_t count) {
    const uint8_t *end = bytes + len;
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        unsigned shift = 0;
        for (; bytes<end && * bytes> 127 && shift < 63; shift += 7)
            sum |= (uint64_t)(*bytes++ & 127) << shift;
        if (bytes == end || *bytes > 127) return false;
        n[i] = (sum | (uint64_t)*bytes++ << shift) - 1;
    }
    return bytes == end;
}
