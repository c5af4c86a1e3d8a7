/* options.c - the command line: options, the verb's arguments, help.
 *
 * Options may stand anywhere.  Each verb says which it knows by their letters in its row of the verb table,
 * so a wrong one is refused instead of ignored.  Nothing is opened here but the output files, and those only
 * when everything else on the line was right.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Letters stand for options in ms_verb.options; those above 'z' have no short form. */
enum {
    OPT_SVG = 'A',
    OPT_PNG = 'B',
    OPT_HTML = 'C',
    OPT_GROUP = 'D',
    OPT_RANGE = 'E',
    OPT_ONCE = 'F',
    OPT_RESIDENT = 'G',
    OPT_EXE = 'Z',
    OPT_RETAINED = 'I',
    OPT_BY = 'J',
    OPT_HEX = 'L',
    OPT_SHOW_DATA = 'M',
    OPT_EXPAND = 'K',
    OPT_VERSION = 'V',
    OPT_STOP = 'X',
    OPT_SNAPSHOT = 'Y',
    OPT_FILE = 'O', /* -o of a verb that writes a file */
    OPT_COUNT = 'P',
    OPT_MAX_BYTES = 'Q',
    OPT_KEEP = 'R',
    OPT_DETAILS = 'S',
    OPT_AT = 'T',
    OPT_FAIL_ON = 'U',
    OPT_SECONDS = '0',
    OPT_SET = '1',
    OPT_RULE = '2',
    OPT_IGNORE = '3',
    OPT_UNUSED = '4',
    OPT_WHEN = '5',
    OPT_BUDGET = '6',
    OPT_PERFETTO = '8',
    OPT_SAMPLE_INDEX = 'H',
    OPT_INTO = 'N',
    OPT_BY_LABEL = 'W', /* --by of a verb whose rows are samples */
    OPT_LISTEN = 'l',
    OPT_TOKEN_FILE = 't',
    OPT_PROBES = 'p',
    OPT_JOIN = 'j',
    OPT_ASSIGN = 'a',
    OPT_COMMAND = '7' /* no option: it takes a command behind -- */
};

static const struct option longs[] = {
    {"output", required_argument, NULL, 'o'},
    {"limit", required_argument, NULL, 'n'},
    {"sort", required_argument, NULL, 's'},
    {"filter", required_argument, NULL, 'f'},
    {"interval", required_argument, NULL, 'i'},
    {"wide", no_argument, NULL, 'w'},
    {"help", no_argument, NULL, 'h'},
    {"svg", required_argument, NULL, OPT_SVG},
    {"png", required_argument, NULL, OPT_PNG},
    {"html", required_argument, NULL, OPT_HTML},
    {"perfetto", required_argument, NULL, OPT_PERFETTO},
    {"file", required_argument, NULL, OPT_INTO},
    {"sample-index", required_argument, NULL, OPT_SAMPLE_INDEX},
    {"group", required_argument, NULL, OPT_GROUP},
    {"range", required_argument, NULL, OPT_RANGE},
    {"once", no_argument, NULL, OPT_ONCE},
    {"resident", no_argument, NULL, OPT_RESIDENT},
    {"retained", no_argument, NULL, OPT_RETAINED},
    {"hex", required_argument, NULL, OPT_HEX},
    {"show-data", no_argument, NULL, OPT_SHOW_DATA},
    {"by", required_argument, NULL, OPT_BY},
    {"expand", no_argument, NULL, OPT_EXPAND},
    {"exe", required_argument, NULL, OPT_EXE},
    {"stop", no_argument, NULL, OPT_STOP},
    {"snapshot", no_argument, NULL, OPT_SNAPSHOT},
    {"count", required_argument, NULL, OPT_COUNT},
    {"max-bytes", required_argument, NULL, OPT_MAX_BYTES},
    {"keep", required_argument, NULL, OPT_KEEP},
    {"details", required_argument, NULL, OPT_DETAILS},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"at", required_argument, NULL, OPT_AT},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"set", required_argument, NULL, OPT_SET},
    {"when", required_argument, NULL, OPT_WHEN},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"rule", required_argument, NULL, OPT_RULE},
    {"ignore", required_argument, NULL, OPT_IGNORE},
    {"unused", no_argument, NULL, OPT_UNUSED},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"probes", no_argument, NULL, OPT_PROBES},
    {"join", no_argument, NULL, OPT_JOIN},
    {"assign", no_argument, NULL, OPT_ASSIGN},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

static const struct {
    int letter;
    const char *text;
} option_help[] = {
    {'o', "-o, --output FMT    table (default) or json"},
    {'s', "-s, --sort FIELD    bytes entries waste gain load slots resident id name type\n"
          "                      site kind state growth place; -FIELD turns the order round"},
    {'f', "-f, --filter EXPR   like 'bytes>1M,load<0.5' or 'name~user'; all must hold"},
    {'n', "-n, --limit N       at most N rows; the totals are of all"},
    {'i', "-i, --interval SEC  time between looks (default 1)"},
    {OPT_ONCE, "    --once          print one look and end"},
    {OPT_RESIDENT, "    --resident      look up which pages are in memory (reads pagemap in\n"
                   "                      pieces of 2 MiB; holds the target's mmap lock meanwhile)"},
    {OPT_HEX, "    --hex N         the bytes of group N with addresses and cache lines"},
    {OPT_SHOW_DATA, "    --show-data     with the bytes of keys and values"},
    {OPT_BY, "    --by WHAT       one row for maps that are alike: by place (the default for\n"
             "                      Go programs), type or holder (trees); map: a row a map\n"
             "                      (the default for others)"},
    {OPT_EXPAND, "    --expand        below each such row its maps"},
    {OPT_RETAINED, "    --retained      count what of a Go program's heap only this map leads to"},
    {OPT_EXE, "    --exe FILE      names for a stripped Go program, from its copy before it\n"
              "                      was stripped; the build ids must be equal"},
    {OPT_STOP, "    --stop          stop all threads of the target while it is read, 2 s most"},
    {OPT_SNAPSHOT, "    --snapshot      stop it while a copy-on-write copy is made, read that\n"
                   "                      (borrows a thread for two system calls: not harmless if\n"
                   "                      the process doing so is killed just then; x86-64)"},
    {OPT_AT, "    --at TIME       print the moment of that time and end"},
    {OPT_FAIL_ON, "    --fail-on EXPR  exit with 1 if a difference is so: 'bytes>1M' (grew more),\n"
                  "                      'change=came,name~user', 'total>10M' (of all maps)"},
    {OPT_FILE, "-o, --output FILE   the recording: a new file"},
    {OPT_COUNT, "    --count N       so many moments"},
    {OPT_MAX_BYTES, "    --max-bytes N   a ring: no more than that, 1M at least"},
    {OPT_KEEP, "    --keep TIME     a ring: the last 90s, 30m, 12h or 2d"},
    {OPT_DETAILS, "    --details WHAT  record histograms and heat maps too, of the N largest\n"
                  "                      maps or of those that match a filter; 64 at most"},
    {OPT_SECONDS, "    --seconds N     look again for so long, to see what changes"},
    {OPT_RULE, "    --rule ID       only this rule; may be given more than once"},
    {OPT_IGNORE, "    --ignore ID     all rules but this one"},
    {OPT_SET, "    --set R.L=N     limit L of rule R, like never-shrunk.load=10%"},
    {OPT_UNUSED, "    --unused        types of which there is no map too"},
    {OPT_WHEN, "    --when EXPR     like 'bytes>1G' or 'name=sessions,load<10%'; all must hold"},
    {OPT_BUDGET, "    --budget EXPR   what must hold, like 'name=sessions,waste<10M'; without a text\n"
                 "                    of all maps together: 'bytes<100M'; may be given 32 times"},
    {OPT_GROUP, "    --group N       one group with its tophash bytes"},
    {OPT_RANGE, "    --range A:B     groups A to B only (B included)"},
    {OPT_SVG, "    --svg FILE      write the heat map as SVG"},
    {OPT_PNG, "    --png FILE      write the heat map as PNG"},
    {OPT_INTO, "    --file FILE     write to a file: all of it, or none"},
    {OPT_SAMPLE_INDEX, "    --sample-index V  alloc_objects alloc_space inuse_objects inuse_space\n"
                       "                      (default) map_entries map_waste map_resident map_lazyfree"},
    {OPT_BY_LABEL, "    --by WHAT       a row for each stack (default), function, map, type,\n"
                   "                      holder, site, or value of a label of the program's"},
    {OPT_PERFETTO, "    --perfetto FILE write trace events for ui.perfetto.dev and chrome://tracing"},
    {OPT_LISTEN, "    --listen ADDR   PORT or ADDRESS:PORT, port 0: a free one; any address but\n"
                 "                      loopback needs a token"},
    {OPT_TOKEN_FILE, "    --token-file FILE  asks for its first line, as bearer token or password"},
    {OPT_PROBES, "    --probes        watch it by breakpoints, which it hits at its rare events"},
    {OPT_JOIN, "    --join          and its pauses, large allocations, page faults, CPU samples"},
    {OPT_ASSIGN, "    --assign        and each write to a map of a Go program: 2 or 3 us each"},
    {OPT_HTML, "    --html FILE     write a report that is one HTML file"},
    {'w', "-w, --wide          do not cut lines to the terminal or 80 columns"},
    {'h', "-h, --help          this text"},
};

void ms_help(FILE *f, const struct ms_verb *verb) {
    if (verb) {
        fprintf(f, "usage: mapscope %s%s%s [options]\n\n%s.\n%s\noptions:\n", verb->name,
                *verb->arguments ? " " : "", verb->arguments, verb->summary, verb->help);
        for (size_t i = 0; i < sizeof option_help / sizeof *option_help; i++) {
            if (!strchr(verb->options, option_help[i].letter)) continue;
            fprintf(f, "  %s\n", option_help[i].text);
            if (option_help[i].letter == 'o' && verb->formats) fprintf(f, "                      or %s\n", verb->formats);
        }
        return;
    }
    fputs("mapscope shows the hash maps of processes, untouched, and of core files.\n\n"
          "usage: mapscope VERB [TARGET] [MAP] [options]\n\n",
          f);
    for (size_t i = 0; i < ms_verb_count; i++) {
        fprintf(f, "  %-11s %s\n", ms_verbs[i].name, ms_verbs[i].summary);
    }
    fputs("\nTARGET is a PID, the name of a process, core:FILE[,EXE]: a core file and, if it\n"
          "is not where the core says, its program, or rec:FILE[@TIME]: a recording.  MAP\n"
          "is an id, a name, or the beginning of a name or of type@site.\n"
          "mapscope VERB --help tells about a verb.\n"
          "exit status: 0 ok, 1 finding, 2 usage, 3 target gone, 4 data not certain,\n"
          "5 permission missing, 6 internal error\n",
          f);
}

/* Copy a word; returns where it ends. */
static const char *take_word(const char *p, char *out, size_t room) {
    size_t n = strcspn(p, " ");
    snprintf(out, room, "%.*s", (int)n, p);
    return p + n;
}

/* "-o, --output FMT    table (default) or json" */
bool ms_options_row(size_t i, struct ms_option_row *out) {
    if (i >= sizeof option_help / sizeof *option_help) return false;
    const char *text = option_help[i].text, *p = strstr(text, "--");
    *out = (struct ms_option_row){.letter = option_help[i].letter, .short_form = text[0] == '-' ? text[1] : 0};
    p = take_word(p + 2, out->name, sizeof out->name);
    if (p[0] == ' ' && p[1] != ' ') p = take_word(p + 1, out->takes, sizeof out->takes);
    p += strspn(p, " ");
    size_t n = strcspn(p, "\n;");
    while (n && p[n - 1] == ' ') n--;
    snprintf(out->help, sizeof out->help, "%.*s", (int)n, p);
    return true;
}

static int number(const char *text, const char *what, uint64_t most, uint64_t *out, struct ms_error *err) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || errno || *text == '-' || v > most)
        return ms_fail(err, MS_USAGE, "%s: '%s' is not a number from 0 to %llu", what, text,
                       (unsigned long long)most);
    *out = v;
    return MS_OK;
}

static int range(struct ms_cmd *c, const char *text, struct ms_error *err) {
    const char *colon = strchr(text, ':');
    uint64_t last = 0;
    if (!colon) return ms_fail(err, MS_USAGE, "--range: '%s' is not A:B", text);
    char *first = ms_strdup(text);
    first[colon - text] = 0;
    int status = number(first, "--range", UINT32_MAX, &c->first, err);
    free(first);
    if (status == MS_OK) status = number(colon + 1, "--range", UINT32_MAX, &last, err);
    if (status == MS_OK && last < c->first)
        return ms_fail(err, MS_USAGE, "--range: '%s' ends before it begins", text);
    c->groups = last - c->first + 1;
    c->has_range = true;
    return status;
}

static int by(struct ms_cmd *c, const char *text, struct ms_error *err) {
    static const char *const what[] = {
        [MS_BY_MAP] = "map", [MS_BY_PLACE] = "place", [MS_BY_TYPE] = "type", [MS_BY_HOLDER] = "holder"};
    for (size_t i = 0; i < sizeof what / sizeof *what; i++)
        if (strcmp(what[i], text) == 0) {
            c->by = (enum ms_by)i;
            c->has_by = true;
            return MS_OK;
        }
    return ms_fail(err, MS_USAGE, "--by: no '%s': map, place, type, holder", text);
}

static int interval(struct ms_cmd *c, const char *text, struct ms_error *err) {
    char *end;
    c->interval = strtod(text, &end);
    if (end == text || *end || !(c->interval >= 0.1 && c->interval <= 3600))
        return ms_fail(err, MS_USAGE, "--interval: '%s' is not a number of seconds from 0.1 to 3600", text);
    return MS_OK;
}

static int seconds(struct ms_cmd *c, const char *text, struct ms_error *err) {
    char *end;
    c->seconds = strtod(text, &end);
    if (end == text || *end || !(c->seconds >= 0.1 && c->seconds <= 86400))
        return ms_fail(err, MS_USAGE, "--seconds: '%s' is not a number of seconds from 0.1 to 86400", text);
    return MS_OK;
}

static int max_bytes(struct ms_cmd *c, const char *text, struct ms_error *err) {
    double n;
    if (!ms_view_number(text, true, &n) || n < MS_REC_BYTES_LEAST || n > 1e18)
        return ms_fail(err, MS_USAGE, "--max-bytes: '%s' is not a number of bytes from 1M on", text);
    c->record.bounds.most_bytes = (uint64_t)n;
    return MS_OK;
}

static int keep(struct ms_cmd *c, const char *text, struct ms_error *err) {
    if (!ms_rec_duration(text, &c->record.bounds.keep_ns) || c->record.bounds.keep_ns == 0)
        return ms_fail(err, MS_USAGE, "--keep: '%s' is no time like 90s, 30m, 12h or 2d", text);
    return MS_OK;
}

static int details(struct ms_cmd *c, const char *text, struct ms_error *err) {
    uint64_t n = 0;
    if (text[strspn(text, "0123456789")]) return ms_filter_parse(&c->record.detail_filter, text, err);
    int status = number(text, "--details", 64, &n, err);
    c->record.details = (size_t)n;
    return status;
}

static bool has_format(const char *formats, const char *text) {
    size_t n = strlen(text);
    for (const char *p = formats; p && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && memcmp(p, text, n) == 0) return true;
    return false;
}

/* -o: what it names, the verb knows. */
static int output(struct ms_cmd *c, const char *text, struct ms_error *err) {
    bool file = strchr(c->verb->options, OPT_FILE) != NULL;
    if (file && !text) return ms_fail(err, MS_USAGE, "%s: -o FILE names the file to write", c->verb->name);
    if (!text) return MS_OK;
    bool format = c->json || strcmp(text, "table") == 0;
    if (!file && has_format(c->verb->formats, text)) return c->format = text, MS_OK;
    c->json = c->json && !file;
    if (!file && !format)
        return ms_fail(err, MS_USAGE, "--output: no format '%s': table, json%s%s", text, c->verb->formats ? " " : "",
                       c->verb->formats ? c->verb->formats : "");
    if (file && format)
        return ms_fail(err, MS_USAGE, "%s: -o names a file here: one of this name is ./%s", c->verb->name, text);
    if (file) c->record.file = text;
    return MS_OK;
}

static int take_option(struct ms_cmd *c, int letter, const char *arg, struct ms_error *err) {
    uint64_t n = 0;
    int status = MS_OK;
    switch (letter) {
    case OPT_COUNT: return number(arg, "--count", INT64_MAX, &c->record.count, err);
    case OPT_MAX_BYTES: return max_bytes(c, arg, err);
    case OPT_KEEP: return keep(c, arg, err);
    case OPT_DETAILS: return details(c, arg, err);
    case OPT_AT: c->at = arg; return MS_OK;
    case OPT_FAIL_ON: c->fail_on_text = arg; return ms_filter_parse_changes(&c->fail_on, arg, err);
    case 'n':
        status = number(arg, "--limit", INT32_MAX, &n, err);
        if (status == MS_OK && n == 0) return ms_fail(err, MS_USAGE, "--limit: 0 rows show nothing");
        c->limit = n;
        return status;
    case 's': c->sort = arg; return ms_view_sort(NULL, 0, arg, err);
    case 'f': c->filter_text = arg; return ms_filter_parse(&c->filter, arg, err);
    case 'i': return interval(c, arg, err);
    case 'w': c->style.width = 0; return MS_OK;
    case OPT_SVG: c->svg.path = arg; return MS_OK;
    case OPT_PNG: c->png.path = arg; return MS_OK;
    case OPT_HTML: c->html.path = arg; return MS_OK;
    case OPT_PERFETTO: c->perfetto.path = arg; return MS_OK;
    case OPT_LISTEN: c->listen = arg; return MS_OK;
    case OPT_TOKEN_FILE: c->token_file = arg; return MS_OK;
    case OPT_PROBES: c->probes = true; return MS_OK;
    case OPT_JOIN: c->probes = c->join = true; return MS_OK;
    case OPT_ASSIGN: c->probes = c->assign = true; return MS_OK;
    case OPT_EXE: c->exe = arg; return MS_OK;
    case OPT_ONCE: c->once = true; return MS_OK;
    case OPT_RESIDENT: c->resident = c->style.resident = true; return MS_OK;
    case OPT_HEX: c->has_hex = true; return number(arg, "--hex", UINT32_MAX, &c->hex, err);
    case OPT_SHOW_DATA: c->show_data = true; return MS_OK;
    case OPT_BY: c->by_text = arg; return MS_OK;
    case OPT_INTO: c->prof.file.path = arg; return MS_OK;
    case OPT_SAMPLE_INDEX: c->prof.has_value = true; return ms_prof_value_of(arg, &c->prof.value, err);
    case OPT_EXPAND: c->expand = true; return MS_OK;
    case OPT_RETAINED: c->retained = true; return MS_OK;
    case OPT_STOP:
    case OPT_SNAPSHOT:
        if (c->mode != MS_MODE_LIVE) return ms_fail(err, MS_USAGE, "--stop and --snapshot: give one, once");
        c->mode = letter == OPT_STOP ? MS_MODE_STOP : MS_MODE_SNAPSHOT;
        return MS_OK;
    case OPT_SECONDS: return seconds(c, arg, err);
    case OPT_WHEN: c->when = arg; return ms_filter_parse(&c->filter, arg, err);
    case OPT_BUDGET:
        if (c->budgets == sizeof c->budget / sizeof *c->budget)
            return ms_fail(err, MS_USAGE, "--budget: more than %zu of them", c->budgets);
        c->budget[c->budgets++] = arg;
        return MS_OK;
    case OPT_SET: return ms_doctor_set(&c->doctor, arg, err);
    case OPT_RULE: return ms_doctor_choose(&c->doctor, arg, false, err);
    case OPT_IGNORE: return ms_doctor_choose(&c->doctor, arg, true, err);
    case OPT_UNUSED: c->unused = true; return MS_OK;
    case OPT_RANGE: return range(c, arg, err);
    case OPT_GROUP:
        status = number(arg, "--group", UINT32_MAX, &c->first, err);
        c->groups = 1;
        c->has_range = true;
        return status;
    }
    return MS_OK;
}

static void terminal(struct ms_cmd *c) {
    struct winsize ws;
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool tty = isatty(STDOUT_FILENO);
    c->style.width = 80;
    if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= 20) c->style.width = ws.ws_col;
    c->style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    c->style.colour = tty && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

static const struct ms_verb *verb_named(const char *name) {
    for (size_t i = 0; i < ms_verb_count; i++)
        if (strcmp(ms_verbs[i].name, name) == 0) return &ms_verbs[i];
    return NULL;
}

static int check_arguments(struct ms_cmd *c, int count, char **arg, const char *used, struct ms_error *err) {
    for (; *used; used++)
        if (*used != 'h' && !strchr(c->verb->options, *used) &&
            !(*used == 'o' && strchr(c->verb->options, OPT_FILE)) &&
            !(*used == OPT_BY && strchr(c->verb->options, OPT_BY_LABEL))) {
            const char *name = "?";
            for (const struct option *o = longs; o->name; o++)
                if (o->val == *used) name = o->name;
            return ms_fail(err, MS_USAGE, "%s does not know --%s; try: mapscope %s --help", c->verb->name,
                           name, c->verb->name);
        }
    if (count < c->verb->needs || count > c->verb->takes)
        return ms_fail(err, MS_USAGE, "usage: mapscope %s%s%s [options]", c->verb->name,
                       *c->verb->arguments ? " " : "", c->verb->arguments);
    if (count > 0) c->target = arg[0];
    if (count > 1) c->map = arg[1];
    int own = strncmp(c->verb->arguments, "--", 2) != 0; /* arguments before the command */
    if (strchr(c->verb->options, OPT_COMMAND) && count > own) c->command = arg + own;
    if (count > 2) c->change = arg[2];
    if (count > 3) c->operand = arg[3];
    return MS_OK;
}

int ms_options_parse(struct ms_cmd *c, int argc, char **argv, struct ms_error *err) {
    char used[128] = "";
    size_t uses = 0;
    bool help = false, wide = false, version = false;
    const char *out = NULL;
    int status = MS_OK, letter, deferred = MS_OK;
    terminal(c);
    opterr = 0;
    c->interval = 1;
    ms_doctor_init(&c->doctor);
    while ((letter = getopt_long(argc, argv, ":o:n:s:f:i:wh", longs, NULL)) != -1) {
        if (letter == '?' || letter == ':') {
            const char *what = argv[optind - 1];
            if (letter == ':')
                deferred = ms_fail(err, MS_USAGE, "option %s needs an argument", what);
            else
                deferred = ms_fail(err, MS_USAGE, "no option %s; try: mapscope --help", what);
            break;
        }
        if (uses < sizeof used - 1) used[uses++] = (char)letter;
        help = help || letter == 'h';
        wide = wide || letter == 'w';
        version = version || letter == OPT_VERSION;
        if (letter == 'o') out = optarg, c->json = strcmp(optarg, "json") == 0; /* for errors before the verb is known */
        status = take_option(c, letter, optarg, err);
        if (status) return status;
    }
    if (deferred) return deferred;
    used[uses] = 0;
    const char *name = optind < argc ? argv[optind++] : NULL;
    if (version && !name) name = "version", used[0] = 0;
    if (name && strcmp(name, "help") == 0) help = true, name = optind < argc ? argv[optind++] : NULL;
    if (!name && !help) return ms_fail(err, MS_USAGE, "no verb; try: mapscope --help");
    if (name && !(c->verb = verb_named(name)))
        return ms_fail(err, MS_USAGE, "no verb '%s'; try: mapscope --help", name);
    if (help) {
        ms_help(stdout, c->verb);
        c->verb = NULL;
        return MS_OK;
    }
    if (wide) c->style.width = 0;
    status = check_arguments(c, argc - optind, argv + optind, used, err);
    if (status == MS_OK) status = output(c, out, err);
    if (status == MS_OK && c->by_text && strchr(c->verb->options, OPT_BY)) status = by(c, c->by_text, err);
    if (status == MS_OK) status = ms_output_open(&c->svg, err);
    if (status == MS_OK) status = ms_output_open(&c->png, err);
    if (status == MS_OK) status = ms_output_open(&c->html, err);
    if (status == MS_OK) status = ms_output_open(&c->perfetto, err);
    if (status == MS_OK) status = ms_output_open(&c->prof.file, err);
    return status;
}
