/* cmd_prof.c - `mapscope prof TARGET`: where the memory of its maps comes from, in the formats of profilers.
 *
 *   what the target sampled (cmd_profgo.c, cmd_profc.c) + its maps -> profile (view/profile.h) -> one of out/prof*.c
 *
 * A profile goes to --file, which is written whole or not there, or to standard output.
 */
#include "cmd_prof.h"

#include "elf/elfscan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct ms_prof_mapping ms_prof_image(struct ms_session *s, struct ms_profile *p, const struct ms_image *im) {
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
    struct ms_prof_mapping m = {.start = im->start, .end = im->end, .file = ms_profile_text(p, im->path)};
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    uint8_t id[MS_BUILD_ID_MAX];
    char hex[2 * MS_BUILD_ID_MAX + 1] = "";
    bool missing;
    size_t n = ms_elf_open(elf, memory, im->start) == MS_ELF_OK ? ms_elf_build_id(elf, id, &missing) : 0;
    for (size_t i = 0; i < n && i < sizeof id; i++) sprintf(hex + 2 * i, "%02x", id[i]);
    m.build_id = ms_profile_text(p, hex);
    free(elf);
    return m;
}

int ms_session_profile(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *out,
                       struct ms_error *err) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    int status = s->go ? ms_prof_go(s, snap, out, err) : MS_OK;
    return status == MS_OK && (s->roots || !s->go) ? ms_prof_c(s, snap, out, err) : status;
}

/* ---- the verb -------------------------------------------------------------------------------------- */

struct profiled {
    struct ms_cmd *cmd;
    struct ms_snapshot *snap;
    const struct ms_profile *p;
    enum ms_prof_value value;
};

static int put(FILE *f, void *ctx, struct ms_error *err) {
    const struct profiled *x = ctx;
    const struct ms_cmd *cmd = x->cmd;
    const char *by = cmd->by_text ? cmd->by_text : "stack", *format = cmd->format ? cmd->format : "";
    if (strcmp(format, "pprof") == 0) return ms_prof_proto(f, x->p, err);
    if (strcmp(format, "folded") == 0)
        ms_prof_folded(f, x->p, x->value);
    else if (strcmp(format, "speedscope") == 0)
        ms_prof_speedscope(f, x->snap, x->p, x->value);
    else if (strcmp(format, "svg") == 0)
        ms_prof_flame(f, x->snap, x->p, x->value);
    else if (cmd->json)
        ms_json_prof(f, x->snap, x->p, by, x->value, cmd->limit);
    else
        ms_table_prof(f, &cmd->style, x->snap, x->p, by, x->value, cmd->limit);
    return MS_OK;
}

static int make(struct profiled *x, struct ms_session *s, struct ms_profile *p, struct ms_error *err) {
    struct ms_cmd *cmd = x->cmd;
    int status = ms_session_look(cmd, s, cmd->resident, x->snap, err);
    if (status == MS_OK) status = ms_session_profile(s, x->snap, p, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, s, x->snap, err);
    if (status) return status;
    if (p->sampled)
        ms_snapshot_note(x->snap, "%s: only what maps hold is shown, not who allocated it", p->sampled);
    if (p->sampled && s->go) x->snap->uncertain = true;
    if (cmd->prof.has_value) p->shows = cmd->prof.value;
    x->value = ms_profile_default(p);
    return MS_OK;
}

int ms_cmd_prof(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_profile p;
    struct profiled x = {.cmd = cmd, .snap = &snap, .p = &p};
    if (cmd->format && strcmp(cmd->format, "pprof") == 0 && !cmd->prof.file.path && isatty(STDOUT_FILENO))
        return ms_fail(err, MS_USAGE, "a profile is no text: --file FILE, or a pipe");
    ms_snapshot_init(&snap);
    ms_profile_init(&p);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK && s.rec) status = ms_rec_lacks(s.rec, "allocations", NULL, err);
    if (status == MS_OK) status = make(&x, &s, &p, err);
    cmd->documented = status == MS_OK && cmd->json && !cmd->prof.file.path;
    if (status == MS_OK)
        status =
            cmd->prof.file.path ? ms_output_write(&cmd->prof.file, put, &x, err) : put(cmd->out, &x, err);
    if (status == MS_OK) status = ms_session_verdict(cmd, &snap, err);
    if (status == MS_OK) status = ms_session_whole(&s, err);
    ms_profile_free(&p);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
