/* main.c - mapscope: the verb table, and the frame around every verb.
 *
 *   parse the line -> open the outputs it names -> start the keeper, if asked for -> close the sandbox -> run the verb -> flush -> exit code
 *
 * Errors are one line on stderr; with -o json a document with the same line goes to stdout, so that a program
 * never has to read prose.  stdout is written through one large buffer and checked when it is closed: a full
 * disk is an error, a reader that went away (SIGPIPE) ends the tool quietly.
 */
#include "cmd.h"
#include "progress.h"
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
    {"top", "TARGET", 1, 1, "osfnwhiFGJZ", "watch the maps of a process",
     "The list on a screen, renewed every --interval.  Keys: arrows and page keys\n"
     "move, Enter opens a map in pages (show, heat, holders, events, groups) or a row\n"
     "of many, Esc goes back, s sorts, r reverses, / filters, t groups by place, type\n"
     "or holder, space pauses, ? helps, q quits.\n",
     ms_cmd_top},
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
    {"doctor", "TARGET", 1, 1, "owhGXYZ0123", "say what is wrong with its maps, and what to change",
     "Findings by what they cost: the maps, the evidence, code that mends it, and when\n"
     "it is harmless.  Exit status 1 if there are any.  docs/doctor.md has a section\n"
     "for each rule.\n",
     ms_cmd_doctor},
    {"forecast", "TARGET", 1, 1, "ofnwhXYZ0", "say when maps grow, and what that takes",
     "For each map: inserts left, at the present rate how long that is, bytes then and\n"
     "on the way.  Exit status 1 if one does not fit into the control group's limit, or\n"
     "into the memory that is available.\n",
     ms_cmd_forecast},
    {"watch", "TARGET [-- COMMAND...]", 1, 1000, "oiwhFGZ57", "wait until an expression over a map turns true",
     "Prints a line for each map for which --when turns true, and runs the command with\n"
     "MAPSCOPE_PID, _MAP, _NAME, _ENTRIES, _BYTES and _WASTE in its environment.\n"
     "--once ends after the first.\n",
     ms_cmd_watch},
    {"check", "-- COMMAND...", 1, 1000, "oiwhG67", "run a program, and fail if its maps break a budget",
     "Looks at its maps while it runs, and when it is about to end.  The exit status is\n"
     "that of the program unless it is 0; then 1 if a budget was broken.\n",
     ms_cmd_check},
    {"explain", "TARGET [ADDR]", 1, 2, "owhXYZ", "tell what an address is",
     "Which map, and which group, slot, key or value of it; else what the map that was\n"
     "there gave up, a variable, a stack, an object of Go's heap, a mapping.  Of a core\n"
     "file without an address: where it faulted, and where its registers point.\n",
     ms_cmd_explain},
    {"layout", "TARGET|bin:FILE [TYPE]", 1, 2, "onwhXYZ4", "show what each map type's slots are made of",
     "A row a type: bytes of a slot and of a group, padding, slots that lie on two cache\n"
     "lines, and what another field order, key or value would save.  With TYPE, a name\n"
     "or part of it, one in full: every byte of a group with its holes.  bin:FILE reads\n"
     "a program that does not run, and counts a map of 1000 entries.\n",
     ms_cmd_layout},
    {"whatif", "TARGET MAP CHANGE", 3, 4, "owhXYZ", "say what a map would take after a change",
     "CHANGE is shrink (a table for its entries), presize N (made for N entries), slots N\n"
     "(made with N slots), reorder (fields of key and value), indirect (a pointer to each\n"
     "value), inline (the reverse), or key TYPE (like int32 or [16]byte).  Exit status 1\n"
     "if the keys that are there do not fit.\n",
     ms_cmd_whatif},
    {"diff", "A [B]", 1, 2, "osfnwhGJXYZ0U", "compare two targets, or one with itself later",
     "Maps that came, went, grew, shrank, or lost entries and kept their table, the\n"
     "largest difference first.  A and B are targets of any kind; rec:FILE alone is\n"
     "compared from its first moment to its last.\n",
     ms_cmd_diff},
    {"record", "TARGET -o FILE", 1, 1, "OihGXYZ0PQRS", "record the maps of a process over time",
     "Into one SQLite file, until Ctrl-C: a look every --interval, of which only what\n"
     "changed is written.  Every verb takes rec:FILE[@TIME] as its TARGET.\n",
     ms_cmd_record},
    {"replay", "rec:FILE", 1, 1, "osfnwhFJT", "look through a recording on the terminal",
     "Keys: left and right one moment, home and end, space play and pause, + and -\n"
     "speed; all others as in top.\n"
     "TIME is #12 (of the moments), +1.5h (after the first), -30s (before the last),\n"
     "20:15:03 or 2026-11-21T20:15:03: the last moment until then.\n",
     ms_cmd_replay},
    {"mem", "TARGET [MAP]", 1, 2, "owhGXZ", "tell where its memory is, from maps to control group",
     "Levels that add up: bytes of maps by part, the heap they lie in, what of it is in\n"
     "memory, lazily freed, swapped, the resident set of the process, its control group.\n"
     "Of one map: the runs of memory it consists of.  --resident looks up pages.\n",
     ms_cmd_mem},
    {"events", "TARGET", 1, 1, "onwhXYZ08pja", "tell what happened to its maps, and when",
     "From the flight recorder of the library: maps made and freed, growths and shrinks\n"
     "with their duration, memory handed back, and what the program itself noted\n"
     "(gomap_region_begin, gomap_event), oldest first.  The last 4096 are always there,\n"
     "in core files too; --seconds waits for more.\n"
     "--probes: as they happen, of Go programs too, until Ctrl-C, or for --seconds.  A\n"
     "probe is a breakpoint in the text of the process, which the kernel takes out when\n"
     "mapscope ends, in whatever way.  A hit costs the process some microseconds.\n",
     ms_cmd_events, "jsonl folded"},
    {"prof", "TARGET", 1, 1, "onwhGHNWXYZ", "tell who allocated the memory of its maps",
     "What the target sampled of its allocations, joined with its maps.  Go programs\n"
     "sample by themselves, others with GOMAP_CONF=profile_bytes:524288.  -o pprof is\n"
     "for go tool pprof: -tagroot=map, -sample_index=map_waste.\n",
     ms_cmd_prof, "pprof folded speedscope svg"},
    {"metrics", "TARGET", 1, 1, "onwhGXYZ", "print its maps as a monitoring system reads them",
     "OpenMetrics, as serve has it at /metrics: a row for each map and type, the -n\n"
     "largest by bytes (1000), and one for all others.  -o prometheus: the text format\n"
     "before OpenMetrics.\n",
     ms_cmd_metrics, "openmetrics prometheus"},
    {"serve", "TARGET", 1, 1, "inhGZlt", "serve its maps over HTTP",
     "/metrics for Prometheus, /api/v1/ with the documents of other verbs, and\n"
     "/debug/pprof/ for go tool pprof; / lists them.  At 127.0.0.1:7071, unless\n"
     "--listen says otherwise.  Looks at most once an --interval, and only when asked.\n",
     ms_cmd_serve, NULL},
    {"agent", "[PROCESSES]", 0, 1, "inhlt", "serve the maps of all processes for Prometheus",
     "/metrics of every process with maps that may be read, 64 at most, with its name\n"
     "and number as labels; or only of PROCESSES: names and numbers, between them\n"
     "commas.  At 127.0.0.1:7070, unless --listen says otherwise.  Looks at most once\n"
     "an --interval, and only when asked.\n",
     ms_cmd_agent, NULL},
    {"completion", "SHELL", 1, 1, "h", "print a script that completes command lines",
     "For bash, zsh or fish; an installed mapscope has them where these shells look.\n"
     "Here and now, in bash: source <(mapscope completion bash)\n",
     ms_cmd_completion},
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
    struct ms_cmd cmd = {.out = stdout, .keeper.fd = -1, .runner.fd = -1, .scribe.fd = -1, .svg.fd = -1, .png.fd = -1, .html.fd = -1, .perfetto.fd = -1, .tracer.fd = -1, .prof.file.fd = -1};
    struct ms_error err = {""};
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_DFL);
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int status = ms_options_parse(&cmd, argc, argv, &err);
    if (status == MS_OK && cmd.verb && cmd.mode != MS_MODE_LIVE) status = ms_keeper_start(&cmd.keeper, &err);
    if (status == MS_OK && cmd.record.file)
        status = ms_scribe_start(&cmd.scribe, cmd.record.file, &cmd.record.bounds, &err);
    if (status == MS_OK && cmd.probes) status = ms_tracer_start(&cmd.tracer, &err);
    if (status == MS_OK && cmd.command) status = ms_runner_start(&cmd.runner, cmd.command, &err);
    if (status == MS_OK && cmd.verb) status = ms_sandbox_enter(MS_SANDBOX_READER, &err);
    if (status == MS_OK && cmd.verb) status = cmd.verb->run(&cmd, &err);
    ms_progress_end();
    if (status != MS_OK && err.line[0]) {
        if (cmd.json && !cmd.documented) ms_json_error(stdout, status, err.line);
        fflush(stdout);
        print_error(&err);
    }
    ms_keeper_end(&cmd.keeper);
    ms_runner_end(&cmd.runner);
    ms_tracer_end(&cmd.tracer);
    ms_scribe_end(&cmd.scribe, &(struct ms_rec_reply){.status = MS_OK}, NULL);
    ms_output_end(&cmd.svg);
    ms_output_end(&cmd.png);
    ms_output_end(&cmd.html);
    ms_output_end(&cmd.perfetto);
    ms_output_end(&cmd.prof.file);
    int closed = close_stdout();
    return closed != MS_OK ? closed : status;
}
