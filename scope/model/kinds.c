/* kinds.c - a question about one map, put to the file that knows its kind.
 *
 * Apart from model.c, so that who only loads maps of one kind need not have the others.
 */
#include "pieces.h"

static const struct ms_backend *of(const struct ms_map *m) {
    if (m->recorded) return &ms_rec_backend;
    switch ((enum ms_kind)m->kind) {
    case MS_KIND_CLASSIC: return &ms_classic_backend;
    case MS_KIND_GO_CLASSIC: return &ms_go_classic_backend;
    case MS_KIND_GO_SWISS: return &ms_go_swiss_backend;
    case MS_KIND_GO_SYNC: return &ms_go_sync_backend;
    case MS_KIND_GOMAP:
    case MS_KIND_GOMAP_SHARED: break;
    }
    return &ms_gomap_backend;
}

int ms_map_resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    return of(m)->resident(r, s, m, err);
}

int ms_map_detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    return of(m)->detail(r, s, m, out, err);
}

int ms_map_detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    return of(m)->detail_head(r, m, out, err);
}

int ms_map_cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out,
                 uint64_t *error_bound, struct ms_error *err) {
    return of(m)->cells(r, s, m, other, first, count, max_cells, out, error_bound, err);
}

int ms_map_groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    return of(m)->groups(r, s, m, first, count, out, n, err);
}

int ms_map_pieces(struct ms_reader *r, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  ms_piece_fn fn, void *ctx, struct ms_error *err) {
    enum { NODES_MOST = 1 << 18 };
    uint64_t most = ms_add(ms_add(m->entries / 4, ms_mul(m->groups, 2)), 64); /* a sound map has fewer chain nodes */
    struct ms_telling t = {.r = r, .fn = fn, .ctx = ctx, .nodes_most = ms_min(most, NODES_MOST)};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    int status = of(m)->pieces(&t, s, m, deep, err);
    if (status == MS_OK && t.nodes > t.nodes_most)
        return ms_fail(err, MS_UNCERTAIN, "it has more overflow nodes than are looked at");
    return status;
}
