/* main.c - mapscope: the verb table, and the frame around every verb.
 *
 *   parse the line -> open the outputs it names -> start the keeper, if asked for -> close the sandbox -> run the verb -> flush -> exit code
 *
 * Errors are one line on stderr; with -o json a document with the same line goes to stdout, so that a program
 * never has to read prose.  stdout is written through one large buffer and checked when it is closed: a full
 * disk is an error, a reader that went away (SIGPIPE) ends the tool quietly.
 */
#include "cmd.h"
#include "sandbox.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct ms_verb ms_verbs[] = {
    {"ls", "", 0, 0, "owh", "list the processes that have maps",
     "Processes that may not be read are counted, not shown: run as their user or as\nroot.\n", ms_cmd_ls},
    {"list", "TARGET", 1, 1, "osfnwhCGJKXYZ", "list every map of a process",
     "A row a map: name or type@site, type, entries, load, bytes allocated, waste\n"
     "(empty slots, padding, pool slack), resident bytes, growth.\nTotals are of all maps.\n"
     "Maps of a Go program that are alike share a row, with the id of the worst.\n",
     ms_cmd_list},
    {"top", "TARGET", 1, 1, "osfnwhiFGZ", "watch the maps of a process",
     "Keys: q quit, s next sort field, r reverse, space pause, arrows and page keys\nscroll.\n", ms_cmd_top},
    {"show", "TARGET MAP", 2, 2, "owhCGILMXYZ", "show everything about one map",
     "Bytes by part (they sum to the allocated bytes exactly), histograms of group\n"
     "occupancy and chain length, the next growth and its peak, counters, events.\n",
     ms_cmd_show},
    {"heat", "TARGET MAP", 2, 2, "owhABDEXYZ", "draw how full a map's table is",
     "The whole table in the order of its hashes, from left to right and top to\n"
     "bottom; zoom with --range down to one --group.  While it grows both geometries\n"
     "are marked.\n",
     ms_cmd_heat},
    {"holders", "TARGET MAP", 2, 2, "onwhIXYZ", "tell who holds a map",
     "Every shortest path from a root to each word that points to the map, and what\n"
     "all paths have in common (the dominator).  In a Go program pointers are known\n"
     "by types.  In a C program writable memory is scanned for the map's address in\n"
     "bounded pieces, which is marked as conservative.\n",
     ms_cmd_holders},
    {"version", "", 0, 0, "oh", "tell versions and what can be read", "", ms_cmd_version},
};
const size_t ms_verb_count = sizeof ms_verbs / sizeof *ms_verbs;

static void print_error(const struct ms_error *err) {
    char *line = ms_text_escape(err->line, true);
    fprintf(stderr, "mapscope: %s\n", line);
    free(line);
}

static int close_stdout(void) {
    errno = 0;
    bool bad = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !bad && close(STDOUT_FILENO) == 0) return MS_OK;
    if (errno == EBADF && !bad) return MS_OK; /* it was closed before we started, and nothing was written */
    fprintf(stderr, "mapscope: standard output: %s\n", errno ? strerror(errno) : "write error");
    return MS_INTERNAL;
}

int main(int argc, char **argv) {
    struct ms_cmd cmd = {.out = stdout, .keeper.fd = -1, .svg.fd = -1, .png.fd = -1, .html.fd = -1};
    struct ms_error err = {""};
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_DFL);
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int status = ms_options_parse(&cmd, argc, argv, &err);
    if (status == MS_OK && cmd.verb && cmd.mode != MS_MODE_LIVE) status = ms_keeper_start(&cmd.keeper, &err);
    if (status == MS_OK && cmd.verb) status = ms_sandbox_enter(MS_SANDBOX_READER, &err);
    if (status == MS_OK && cmd.verb) status = cmd.verb->run(&cmd, &err);
    if (status != MS_OK && err.line[0]) {
        if (cmd.json && !cmd.documented) ms_json_error(stdout, status, err.line);
        fflush(stdout);
        print_error(&err);
    }
    ms_keeper_end(&cmd.keeper);
    ms_output_end(&cmd.svg);
    ms_output_end(&cmd.png);
    ms_output_end(&cmd.html);
    int closed = close_stdout();
    return closed != MS_OK ? closed : status;
}
