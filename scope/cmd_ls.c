/* cmd_ls.c - `mapscope ls`: which processes have maps.
 *
 * Every process is opened, its ELF images are looked through, and those with a gomap in them get a row.  What
 * may not be read is counted and the missing right named once; what ends meanwhile is nobody's error.
 */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct found {
    struct ms_snapshot snap; /* without its maps */
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
    if (status == MS_OK && s.roots) status = ms_session_snapshot(&s, true, false, &f.snap, err);
    if (status == MS_PERMISSION && q->denied++ == 0)
        snprintf(q->denied_why, sizeof q->denied_why, "%s", err->line);
    if (status == MS_OK) q->looked++;
    if (status == MS_OK && s.roots == 0 && s.main_is_32bit) q->bits32++;
    if (status == MS_OK && s.roots) {
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
        ms_json_totals(&j, &q->found[i].totals);
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

static void put_table(struct ms_cmd *cmd, const struct search *q) {
    FILE *f = cmd->out;
    const struct ms_style *st = &cmd->style;
    fprintf(f, "%7s %-20s %6s %7s %8s %6s %6s %6s %3s\n", "PID", "NAME", "UID", "MAPS", "ENTRIES", "BYTES",
            "WASTE", "RSS", "LIB");
    for (size_t i = 0; i < q->count; i++) {
        const struct found *p = &q->found[i];
        char maps[16], entries[16], bytes[16], waste[16], rss[16];
        char *name = ms_text_escape(p->snap.target.comm, st->utf8);
        fprintf(f, "%7d ", p->snap.target.pid);
        ms_text_fit(f, name, 20, st->utf8);
        fprintf(f, " %6u %7s %8s %6s %6s %6s %3zu\n", p->snap.target.uid, ms_text_count(p->totals.maps, maps),
                ms_text_count(p->totals.entries, entries), ms_text_bytes(p->totals.bytes, bytes),
                ms_text_bytes(p->totals.waste, waste), ms_text_bytes(p->snap.target.rss_bytes, rss),
                p->snap.copies);
        free(name);
    }
    fprintf(f, "%zu of %zu processes have maps", q->count, q->looked);
    if (q->denied) fprintf(f, "; %zu may not be read", q->denied);
    if (q->bits32) fprintf(f, "; %zu 32-bit programs", q->bits32);
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
