/* jsondoctor.c - the document of `doctor`, schema mapscope/1. */
#include "out.h"

#include <stdlib.h>

static void put_finding(struct ms_json *j, const struct ms_snapshot *s, const struct ms_finding *x) {
    const struct ms_rule *r = ms_rule_at(x->rule);
    char *page = ms_asprintf("docs/doctor.md#%s", r->id), id[64] = "";
    if (x->worst != MS_UNKNOWN) ms_map_id(&s->map[x->worst], id);
    ms_json_object(j, NULL);
    ms_json_text(j, "rule", r->id);
    ms_json_text(j, "title", r->title);
    ms_json_text(j, "page", page);
    ms_json_number(j, "cost_bytes", x->cost);
    ms_json_text(j, "name", x->name);
    ms_json_number(j, "maps", x->maps);
    ms_json_text(j, "worst", *id ? id : NULL);
    ms_json_text(j, "type", *id && s->map[x->worst].type ? s->map[x->worst].type->name : NULL);
    ms_json_text(j, "evidence", x->evidence);
    ms_json_object(j, "figures");
    for (size_t i = 0; i < x->figures; i++) ms_json_number(j, x->figure[i].name, x->figure[i].value);
    ms_json_close(j, '}');
    ms_json_object(j, "fix");
    ms_json_text(j, "language", x->fix_go ? "go" : "c");
    ms_json_text(j, "code", x->fix);
    ms_json_close(j, '}');
    ms_json_text(j, "harmless_if", r->harmless);
    ms_json_close(j, '}');
    free(page);
}

static void put_rule(struct ms_json *j, const struct ms_doctor *d, enum ms_rule_number n, bool asked) {
    const struct ms_rule *r = ms_rule_at(n);
    ms_json_object(j, NULL);
    ms_json_text(j, "id", r->id);
    ms_json_bool(j, "asked", asked);
    ms_json_object(j, "limits");
    for (int i = 0; i < MS_RULE_LIMITS && r->limit[i].name; i++)
        if (r->limit[i].bytes && d->limit[n][i] < 1e18)
            ms_json_number(j, r->limit[i].name, (uint64_t)d->limit[n][i]);
        else
            ms_json_ratio(j, r->limit[i].name, d->limit[n][i]);
    ms_json_close(j, '}');
    ms_json_close(j, '}');
}

void ms_json_doctor(FILE *f, const struct ms_snapshot *s, const struct ms_doctor *d,
                    const struct ms_diagnosis *x) {
    struct ms_json j;
    struct ms_totals t;
    ms_view_totals(s->map, s->maps, &t);
    ms_json_head(&j, f, "doctor");
    ms_json_target(&j, "target", s);
    ms_json_totals(&j, &t);
    ms_json_array(&j, "findings");
    for (size_t i = 0; i < x->findings; i++) put_finding(&j, s, &x->finding[i]);
    ms_json_close(&j, ']');
    ms_json_array(&j, "rules");
    for (int r = 0; r < MS_RULES; r++) put_rule(&j, d, (enum ms_rule_number)r, x->asked[r]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
