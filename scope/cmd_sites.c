/* cmd_sites.c - where probes are to stand: rare functions of a Go program's runtime, USDT probes of the library.
 *
 * What is read at a site is said in the terms of USDT.  Since Go 1.17 arguments come in registers: rax, rbx, rcx; r14 is the
 * goroutine.  Functions, and fields of map headers, have been where they are since 1.18 (classic) and 1.24 (Swiss).
 */
#include "cmd_trace.h"

#include "elf/gosite.h"
#include "elf/usdt.h"
#include "goruntime/goruntime.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSIC = 1, SWISS = 2, BOTH = 3, R14 = 1, GOROUTINE = 4, PROBES_MAX = 256 };

static const struct {
    const char *function, *operands;
    enum ms_site_kind enter, leave; /* MS_AT_NONE: no probe there */
    uint8_t maps;
    bool assign, join; /* only when asked for */
} functions[] = {
    {"runtime.hashGrow", "8@%rbx 8@%rax 8@0(%rbx) 1@9(%rbx)", MS_AT_GROW, MS_AT_GROWN, CLASSIC, false, false},
    {"internal/runtime/maps.(*table).rehash", "8@%rcx 8@%rbx 8@0(%rcx) 2@2(%rax)", MS_AT_REHASH, MS_AT_GROWN,
     SWISS, false, false},
    {"internal/runtime/maps.(*Map).growToTable", "8@%rax 8@%rbx 8@0(%rax) 8@$8", MS_AT_REHASH, MS_AT_GROWN,
     SWISS, false, false},
    {"runtime.mapassign", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.mapassign_fast32", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.mapassign_fast32ptr", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.mapassign_fast64", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.mapassign_fast64ptr", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.mapassign_faststr", "8@%rbx 8@%rax 8@0(%rbx)", MS_AT_ASSIGN, MS_AT_NONE, BOTH, true, false},
    {"runtime.(*mcache).allocLarge", "8@$0 8@$0 8@%rbx", MS_AT_ALLOC, MS_AT_NONE, BOTH, false, true},
    {"runtime.stopTheWorldWithSema", "8@$0 8@$0 1@%rax", MS_AT_STOP, MS_AT_NONE, BOTH, false, true},
    {"runtime.startTheWorldWithSema", "", MS_AT_NONE, MS_AT_START, BOTH, false, true},
};

static bool take_operands(const char *text, struct ms_site_values *out) {
    struct ms_usdt_operand o;
    *out = (struct ms_site_values){.stack = 1};
    size_t n = 0;
    for (; n < MS_HIT_VALUES && ms_usdt_operand(&text, &o); n++)
        out->value[n] = (struct ms_operand){.how = o.how == MS_USDT_CONST ? MS_OPERAND_CONST
                                                   : o.how == MS_USDT_REG ? MS_OPERAND_REG
                                                                          : MS_OPERAND_MEM,
                                            .reg = (__u8)o.reg,
                                            .size = (__u8)o.size,
                                            .offset = o.offset};
    return *(text + strspn(text, " ")) == 0;
}

static void add(struct ms_sites *out, size_t file, uint64_t offset, const struct ms_site_values *values,
                struct ms_site site) {
    uint32_t n = out->request.sites;
    if (n == MS_SITES_MAX) return;
    out->request.site[n] =
        (struct ms_trace_site){.offset = offset, .file = (uint32_t)file, .values = *values};
    out->site[n] = site;
    out->request.sites = n + 1;
}

/* ---- Go programs ----------------------------------------------------------------------------------- */

/* A program's code by address, from its file: memory may have the breakpoints of somebody else. */
struct code {
    const struct ms_elf *elf;
    int fd;
};

static bool get_code(void *ctx, uint64_t addr, void *buf, size_t len) {
    const struct code *c = ctx;
    uint64_t offset;
    int fd = c->fd;
    return ms_elf_file_offset(c->elf, addr, &offset) && ms_bytes_of_file(&fd, offset, buf, len);
}

static void add_go(struct ms_go *go, struct ms_sites *out, uint64_t addr, const char *operands,
                   enum ms_site_kind kind) {
    struct ms_site_values values;
    uint64_t offset;
    take_operands(operands, &values);
    if (kind != MS_AT_STOP && kind != MS_AT_START) /* these run on a stack of the system */
        values.value[GOROUTINE] = (struct ms_operand){MS_OPERAND_MEM, R14, 8, 0, (int32_t)go->layout.g_goid};
    if (kind == MS_AT_GROWN) values.stack = 0; /* its beginning has it */
    if (ms_elf_file_offset(go->elf, addr, &offset))
        add(out, 0, offset, &values, (struct ms_site){.kind = kind});
}

static int find_in_go(struct ms_cmd *cmd, struct ms_session *s, struct ms_sites *out, struct ms_error *err) {
    struct ms_go *go = s->go;
    struct code code = {go->elf, out->file[0]};
    struct ms_bytes bytes = {get_code, &code};
    const struct ms_gopclntab *table = go->modules ? &go->module[0].functions : NULL;
    size_t growing = 0;
    for (size_t i = 0; table && i < sizeof functions / sizeof *functions; i++) {
        struct ms_gosite at;
        bool wanted = (functions[i].assign ? cmd->assign
                       : functions[i].join ? cmd->join
                                           : true) &&
                      (functions[i].maps & (go->layout.swiss ? SWISS : CLASSIC));
        if (!wanted) continue;
        const char *why = ms_gosite_find(table, bytes, functions[i].function, &at);
        bool grows = functions[i].leave == MS_AT_GROWN;
        if (!why && functions[i].leave && !at.leaves)
            out->lacking = functions[i].function, out->why = "where it returns is not known";
        if (why && (grows || functions[i].join)) out->lacking = functions[i].function, out->why = why;
        if (why) continue;
        const char *operands =
            functions[i].enter == MS_AT_STOP && go->build.minor < 21 ? "" : functions[i].operands;
        if (functions[i].enter) add_go(go, out, at.enter, operands, functions[i].enter);
        for (size_t k = 0; functions[i].leave && k < at.leaves; k++)
            add_go(go, out, at.leave[k], "", functions[i].leave);
        growing += grows;
    }
    if (growing) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "process %d (%s): no probe for growths of its maps: %s: %s",
                   s->process.pid, s->process.comm, out->lacking ? out->lacking : "its functions",
                   out->why ? out->why : "are not known");
}

/* ---- USDT ------------------------------------------------------------------------------------------- */

/* The kind of event that a probe of this name is; 0: of none. */
static uint32_t event_named(const char *name) {
    for (uint32_t kind = 1; kind < MS_EVENT_ASSIGN; kind++)
        if (strcmp(ms_event_name(kind), name) == 0) return strcmp(name, "unknown") == 0 ? 0 : kind;
    return 0;
}

static uint32_t copy_of(const struct ms_snapshot *snap, const char *path) {
    for (size_t i = 0; i < snap->copies; i++)
        if (snap->copy[i].image && strcmp(snap->copy[i].image, path) == 0) return (uint32_t)i;
    return 0;
}

static void add_usdt(struct ms_sites *out, size_t file, const struct ms_elf *elf, const struct ms_usdt *probe,
                     uint32_t copy) {
    struct ms_site_values values;
    struct ms_site site = {MS_AT_USDT, event_named(probe->name), copy};
    uint64_t offset;
    if (!site.event || !take_operands(probe->arguments, &values) ||
        !ms_elf_file_offset(elf, probe->addr, &offset)) {
        out->lacking = "a probe of the library", out->why = "its arguments lie where is not known";
        return;
    }
    add(out, file, offset, &values, site);
}

static void find_in_image(struct ms_session *s, const struct ms_image *im, const struct ms_snapshot *snap,
                          struct ms_sites *out) {
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    struct ms_usdt *probe = ms_alloc(PROBES_MAX * sizeof *probe);
    int fd = ms_elf_open(elf, memory, im->start) == MS_ELF_OK ? ms_image_open(&s->process, im) : -1;
    struct ms_bytes file = {ms_bytes_of_file, &fd};
    size_t n = fd >= 0 ? ms_usdt_find(elf, file, "gomap", probe, PROBES_MAX) : 0;
    for (size_t i = 0; i < n; i++) add_usdt(out, out->files, elf, &probe[i], copy_of(snap, im->path));
    if (n)
        out->file[out->files++] = fd;
    else if (fd >= 0)
        close(fd);
    free(probe);
    free(elf);
}

static int find_usdt(struct ms_session *s, const struct ms_images *images, const struct ms_snapshot *snap,
                     struct ms_sites *out, struct ms_error *err) {
    for (size_t i = 0; i < images->count && out->files < MS_TRACE_FILES; i++)
        find_in_image(s, &images->image[i], snap, out);
    if (out->request.sites) return MS_OK;
    return ms_fail(err, MS_USAGE,
                   "process %d (%s) has no probes: its library was built without <sys/sdt.h> (events without "
                   "--probes reads "
                   "its ring)",
                   s->process.pid, s->process.comm);
}

int ms_sites_find(struct ms_cmd *cmd, struct ms_session *s, const struct ms_snapshot *snap,
                  struct ms_sites *out, struct ms_error *err) {
    struct ms_images images;
    int status = ms_images_load(&s->process, &images, err);
    if (status == MS_OK && s->go) {
        const struct ms_image *im = ms_session_program(s, &images);
        out->file[0] = im ? ms_image_open(&s->process, im) : -1;
        out->files = out->file[0] >= 0;
        status = out->files ? find_in_go(cmd, s, out, err)
                            : ms_fail(err, MS_PERMISSION, "process %d (%s): its program file cannot be read",
                                      s->process.pid, s->process.comm);
    } else if (status == MS_OK) {
        status = find_usdt(s, &images, snap, out, err);
    }
    ms_images_free(&images);
    return status;
}
