/* cmd_ls.c - `mapscope ls`: which processes have maps.
 *
 * Every process is opened, its ELF images are looked through, and those with a gomap in them get a row, as do programs of
 * Go: these have maps in any case, but finding them takes a walk over the heap, so here only the version is told, which
 * stands in the program's image.  What may not be read is counted and the missing right named once; what ends
 * meanwhile is nobody's error.
 */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct found {
    struct ms_snapshot snap; /* without its maps; snap.copies 0: its maps are Go's, and were not looked for */
    struct ms_totals totals;
};

struct search {
    struct found *found;
    size_t count, room;
    size_t looked, denied, bits32;
    char denied_why[512];
    bool uncertain;
};

static int look_at(struct search *q, int pid, struct ms_error *err) {
    struct ms_session s;
    struct found f = {.totals = {0}};
    ms_snapshot_init(&f.snap);
    int status = ms_session_open_pid(&s, pid, err);
    char *runtime = status == MS_OK ? ms_session_go_version(&s) : NULL;
    bool shown = s.roots || runtime;
    if (status == MS_OK && shown) status = ms_session_snapshot(&s, true, false, &f.snap, err);
    f.snap.runtime = runtime;
    if (status == MS_PERMISSION && q->denied++ == 0)
        snprintf(q->denied_why, sizeof q->denied_why, "%s", err->line);
    if (status == MS_OK) q->looked++;
    if (status == MS_OK && s.roots == 0 && s.main_is_32bit) q->bits32++;
    if (status == MS_OK && shown) {
        ms_view_totals(f.snap.map, f.snap.maps, &f.totals);
        q->uncertain = q->uncertain || f.snap.uncertain;
        MS_ROOM(q->found, q->count, q->room);
        q->found[q->count++] = f;
    } else {
        ms_snapshot_free(&f.snap);
    }
    ms_session_close(&s);
    return status == MS_INTERNAL ? status : MS_OK;
}

static void put_json(struct ms_cmd *cmd, const struct search *q) {
    struct ms_json j;
    ms_json_head(&j, cmd->out, "ls");
    ms_json_array(&j, "processes");
    for (size_t i = 0; i < q->count; i++) {
        ms_json_object(&j, NULL);
        ms_json_target(&j, "target", &q->found[i].snap);
        if (q->found[i].snap.copies)
            ms_json_totals(&j, &q->found[i].totals);
        else
            ms_json_text(&j, "totals", NULL);
        ms_json_notes(&j, &q->found[i].snap);
        ms_json_close(&j, '}');
    }
    ms_json_close(&j, ']');
    ms_json_number(&j, "looked_at", q->looked);
    ms_json_number(&j, "not_readable", q->denied);
    ms_json_number(&j, "programs_32bit", q->bits32);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

/* "gomap", "gomap x2", "go1.26.8": what its maps are of. */
static void put_made_of(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    char text[160];
    size_t at = 0;
    if (s->copies == 1) at = (size_t)snprintf(text, sizeof text, "gomap");
    if (s->copies > 1) at = (size_t)snprintf(text, sizeof text, "gomap x%zu", s->copies);
    if (s->runtime) /* without the experiments it was built with */
        snprintf(text + at, sizeof text - at, "%s%.*s", at ? ", " : "", (int)strcspn(s->runtime, " "),
                 s->runtime);
    char *clean = ms_text_escape(text, st->utf8);
    ms_text_cut(f, clean, 12, st->utf8);
    free(clean);
}

/* Sums over maps, or that they are not known. */
static void put_sums(FILE *f, const struct found *p) {
    char maps[16], entries[16], bytes[16], waste[16];
    if (p->snap.copies)
        fprintf(f, " %6u %7s %8s %6s %6s", p->snap.target.uid, ms_text_count(p->totals.maps, maps),
                ms_text_count(p->totals.entries, entries), ms_text_bytes(p->totals.bytes, bytes),
                ms_text_bytes(p->totals.waste, waste));
    else
        fprintf(f, " %6u %7s %8s %6s %6s", p->snap.target.uid, "-", "-", "-", "-");
}

static void put_rows(struct ms_cmd *cmd, const struct search *q) {
    FILE *f = cmd->out;
    const struct ms_style *st = &cmd->style;
    fprintf(f, "%7s %-15s %6s %7s %8s %6s %6s %6s %s\n", "PID", "NAME", "UID", "MAPS", "ENTRIES", "BYTES",
            "WASTE", "RSS", "LIBRARY");
    for (size_t i = 0; i < q->count; i++) {
        const struct found *p = &q->found[i];
        char rss[16], *name = ms_text_escape(p->snap.target.comm, st->utf8);
        fprintf(f, "%7d ", p->snap.target.pid);
        ms_text_fit(f, name, 15, st->utf8);
        put_sums(f, p);
        fprintf(f, " %6s ", ms_text_bytes(p->snap.target.rss_bytes, rss));
        put_made_of(f, st, &p->snap);
        fputc('\n', f);
        free(name);
    }
}

static void put_table(struct ms_cmd *cmd, const struct search *q) {
    FILE *f = cmd->out;
    const struct ms_style *st = &cmd->style;
    size_t go = 0;
    put_rows(cmd, q);
    for (size_t i = 0; i < q->count; i++) go += q->found[i].snap.copies == 0;
    fprintf(f, "%zu of %zu processes have maps", q->count, q->looked);
    if (q->denied) fprintf(f, "; %zu may not be read", q->denied);
    if (q->bits32) fprintf(f, "; %zu 32-bit programs", q->bits32);
    if (go) fprintf(f, "\nof Go programs only a walk over the heap tells: mapscope list PID");
    fputc('\n', f);
    fflush(f);
    for (size_t i = 0; i < q->count; i++) ms_table_notes(stderr, st, &q->found[i].snap);
    if (q->denied) {
        char *why = ms_text_escape(q->denied_why, st->utf8);
        fprintf(stderr, "mapscope: not readable, for example: %s\n", why);
        free(why);
    }
}

int ms_cmd_ls(struct ms_cmd *cmd, struct ms_error *err) {
    struct search q = {0};
    int *pid, status = MS_OK;
    size_t n = ms_process_all(&pid);
    for (size_t i = 0; i < n && status == MS_OK; i++)
        if (pid[i] != getpid()) status = look_at(&q, pid[i], err);
    free(pid);
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json)
            put_json(cmd, &q);
        else
            put_table(cmd, &q);
        err->line[0] = 0;
        if (q.uncertain) status = MS_UNCERTAIN;
    }
    for (size_t i = 0; i < q.count; i++) ms_snapshot_free(&q.found[i].snap);
    free(q.found);
    return status;
}
