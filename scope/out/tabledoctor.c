/* tabledoctor.c - findings for people: a block each, wrapped, code uncut, since it is to be copied. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 3, CODE_INDENT = 7 };

static int room_of(const struct ms_style *st) { return st->width > INDENT + 20 ? st->width - INDENT : 0; }

/* Words of an escaped text, in lines of the width that is there. */
static void put_wrapped(FILE *f, const struct ms_style *st, const char *raw) {
    char *text = ms_text_escape(raw, st->utf8), *save = NULL;
    int room = room_of(st), used = 0;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        int width = ms_text_width(word);
        if (used && room && used + 1 + width > room) fputc('\n', f), used = 0;
        fprintf(f, "%*s%s", used ? 1 : INDENT, "", word);
        used += (used != 0) + width;
    }
    fputc('\n', f);
    free(text);
}

static void put_code(FILE *f, const struct ms_style *st, const char *code) {
    for (const char *line = code; *line;) {
        size_t len = strcspn(line, "\n"), tabs = strspn(line, "\t");
        if (tabs > len) tabs = len;
        char *raw = ms_asprintf("%.*s", (int)(len - tabs), line + tabs),
             *text = ms_text_escape(raw, st->utf8);
        fprintf(f, "%*s%s\n", (int)(CODE_INDENT + 4 * tabs), "", text);
        free(text);
        free(raw);
        line += len + (line[len] == '\n');
    }
}

static void put_title(FILE *f, const struct ms_style *st, size_t number, const struct ms_finding *x,
                      const struct ms_map *m) {
    char bytes[16], id[64] = "", *name = ms_text_escape(x->name ? x->name : "the process", st->utf8);
    if (m) ms_map_id(m, id);
    fprintf(f, "\n%2zu %s%s%s  %s  ", number, st->colour ? "\033[1m" : "", ms_rule_at(x->rule)->id,
            st->colour ? "\033[0m" : "", ms_text_bytes(x->cost, bytes));
    if (x->maps > 1)
        fprintf(f, "%" PRIu64 " maps, the worst %s\n", x->maps, id);
    else
        fprintf(f, "%s\n", m ? id : "");
    fprintf(f, "%*s", INDENT, "");
    ms_text_cut(f, name, room_of(st), st->utf8);
    fputc('\n', f);
    free(name);
}

static void put_finding(FILE *f, const struct ms_style *st, size_t number, const struct ms_finding *x,
                        const struct ms_map *m) {
    const struct ms_rule *r = ms_rule_at(x->rule);
    put_title(f, st, number, x, m);
    char *what = ms_asprintf("%s: %s", r->title, x->evidence),
         *but = ms_asprintf("Harmless if %s", r->harmless);
    put_wrapped(f, st, what);
    put_wrapped(f, st, but);
    put_code(f, st, x->fix);
    free(what);
    free(but);
}

/* Rules that nobody switched off, but that lacked what they need. */
static void put_unasked(FILE *f, const struct ms_style *st, const struct ms_doctor *d,
                        const struct ms_diagnosis *x) {
    static const char *const option[] = {[MS_NEEDS_LOOKS] = "--seconds", [MS_NEEDS_MEMORY] = "--resident"};
    char *line = ms_strdup("");
    for (int r = 0; r < MS_RULES; r++) {
        enum ms_rule_needs needs = ms_rule_at(r)->needs;
        if (x->asked[r] || d->off[r] || (needs != MS_NEEDS_LOOKS && needs != MS_NEEDS_MEMORY)) continue;
        char *longer =
            ms_asprintf("%s%s %s (%s)", line, *line ? "," : "Not asked:", ms_rule_at(r)->id, option[needs]);
        free(line);
        line = longer;
    }
    if (*line) {
        fputc('\n', f);
        put_wrapped(f, st, line);
    }
    free(line);
}

void ms_table_doctor(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                     const struct ms_doctor *d, const struct ms_diagnosis *x) {
    fprintf(f, "%zu finding%s in %zu map%s", x->findings, x->findings == 1 ? "" : "s", s->maps,
            s->maps == 1 ? "" : "s");
    fputs(x->findings > 1 ? ", dearest first; costs for the same map overlap\n" : "\n", f);
    for (size_t i = 0; i < x->findings; i++) {
        uint64_t worst = x->finding[i].worst;
        put_finding(f, st, i + 1, &x->finding[i], worst == MS_UNKNOWN ? NULL : &s->map[worst]);
    }
    put_unasked(f, st, d, x);
    if (x->findings)
        fputs("\nmapscope-doctor(1) and docs/doctor.md have a section for each of these names\n", f);
}
