/* cmd_version.c - which mapscope this is, and what it can read. */
#include "cmd.h"

#include "goruntime/goruntime.h"

#include "gomap/inspect.h"

#include <zlib.h>

int ms_cmd_version(struct ms_cmd *cmd, struct ms_error *err) {
    (void)err;
    if (cmd->json) {
        struct ms_json j;
        ms_json_head(&j, cmd->out, "version");
        ms_json_text(&j, "version", MS_VERSION);
        ms_json_number(&j, "gomap_inspect_version", GOMAP_INSPECT_VERSION);
        ms_json_text(&j, "zlib", zlibVersion());
        ms_json_array(&j, "kinds");
        ms_json_text(&j, NULL, ms_kind_name(MS_KIND_GOMAP));
        ms_json_text(&j, NULL, ms_kind_name(MS_KIND_CLASSIC));
        ms_json_text(&j, NULL, ms_kind_name(MS_KIND_GO_CLASSIC));
        ms_json_text(&j, NULL, ms_kind_name(MS_KIND_GO_SWISS));
        ms_json_text(&j, NULL, ms_kind_name(MS_KIND_GO_SYNC));
        ms_json_close(&j, ']');
        ms_json_close(&j, '}');
        ms_json_end(&j);
        return MS_OK;
    }
    fprintf(cmd->out,
            "mapscope %s\nreads: gomap and classic, self-description version %u; Go 1.%d to 1.%d\n"
            "of: 64-bit processes and core files\nzlib %s\n",
            MS_VERSION, GOMAP_INSPECT_VERSION, MS_GO_OLDEST, MS_GO_NEWEST, zlibVersion());
    return MS_OK;
}
