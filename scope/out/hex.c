/* hex.c - the bytes of one group or bucket, with what a cache sees of them.
 *
 *   0x7f5c3a0010f0  0 48    tophash            9a001743b33a43af 04ff06f0000000
 *   0x7f5c3a001100  0  0 |  slot 0    live     16 bytes
 *   0x7f5c3a001138  8 56 +  slot 7    empty    16 bytes
 *
 * "|" starts a cache line of 64 bytes, "+" goes over the end of one.  Keys and values are bytes of the target's users:
 * they are here only if they were asked for.
 */
#include "out.h"

#include <inttypes.h>

enum { LINE = 64, PER_ROW = 16 };

static char mark_of(uint64_t addr, uint64_t len) {
    if (addr % LINE == 0) return '|';
    return addr % LINE + len > LINE ? '+' : ' ';
}

static void put_part(FILE *f, const struct ms_bucket_part *p) {
    char what[32];
    if (p->slot >= 0)
        snprintf(what, sizeof what, "%s %d", p->what, p->slot);
    else
        snprintf(what, sizeof what, "%s", p->what);
    for (uint32_t at = 0; at < p->len; at += PER_ROW) {
        uint64_t addr = p->addr + at;
        uint32_t n = p->len - at < PER_ROW ? p->len - at : PER_ROW;
        bool whole = !p->bytes && at == 0; /* bytes that are not shown take one row */
        fprintf(f, "0x%012" PRIx64 " %2u %2u %c %-9s %-7s", addr, (unsigned)(addr % 16),
                (unsigned)(addr % LINE), mark_of(addr, whole ? p->len : n), at ? "" : what,
                at || !p->state ? "" : p->state);
        if (!p->bytes) {
            fprintf(f, " %" PRIu32 " bytes\n", p->len);
            return;
        }
        for (uint32_t i = 0; i < n; i++) fprintf(f, "%s%02x", i % 8 ? "" : " ", p->bytes[at + i]);
        fputc('\n', f);
    }
}

void ms_hex_table(FILE *f, const struct ms_group *g, const struct ms_bucket_part *part, size_t n) {
    bool hidden = false;
    fprintf(f, "\ngroup %" PRIu64 ", %u of %u slots live\n", g->index, g->live, g->slots);
    fprintf(f, "%-14s %2s %2s   %-9s %-7s bytes\n", "address", "16", "64", "what", "state");
    for (size_t i = 0; i < n; i++) {
        put_part(f, &part[i]);
        hidden = hidden || !part[i].bytes;
    }
    fprintf(f, "16, 64: address modulo; | starts a cache line, + goes over the end of one\n");
    if (hidden) fprintf(f, "bytes of keys and values: --show-data\n");
}

void ms_hex_json(struct ms_json *j, const struct ms_group *g, const struct ms_bucket_part *part, size_t n) {
    ms_json_object(j, "hex");
    ms_json_number(j, "group", g->index);
    ms_json_number(j, "live", g->live);
    ms_json_array(j, "parts");
    for (size_t i = 0; i < n; i++) {
        const struct ms_bucket_part *p = &part[i];
        ms_json_object(j, NULL);
        ms_json_text(j, "what", p->what);
        ms_json_known(j, "slot", p->slot >= 0 ? (uint64_t)p->slot : MS_UNKNOWN);
        ms_json_text(j, "state", p->state);
        ms_json_number(j, "address", p->addr);
        ms_json_number(j, "size", p->len);
        ms_json_number(j, "mod16", p->addr % 16);
        ms_json_number(j, "mod64", p->addr % LINE);
        ms_json_bool(j, "crosses_line", p->addr % LINE + p->len > LINE);
        if (p->bytes) {
            ms_json_array(j, "bytes");
            for (uint32_t k = 0; k < p->len; k++) ms_json_number(j, NULL, p->bytes[k]);
            ms_json_close(j, ']');
        } else {
            ms_json_text(j, "bytes", NULL);
        }
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
    ms_json_close(j, '}');
}
