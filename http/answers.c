/* answers.c - documents of one look at maps: answers.h. */
#include "answers.h"

#include "scope/out/out.h"

#include <stdlib.h>
#include <string.h>

void ms_answers_fill(struct ms_answers *a, const struct ms_room *room, size_t most) {
    ms_view_totals(a->snap.map, a->snap.maps, &a->totals);
    (void)ms_view_sort(a->snap.map, a->snap.maps, "bytes", NULL); /* there is such a field */
    a->shown = a->snap.maps < most ? a->snap.maps : most;
    ms_scraped_fill(&a->scraped, &a->snap, room, most);
}

void ms_answers_free(struct ms_answers *a) {
    if (a->at_ns) ms_snapshot_free(&a->snap);
    ms_scraped_free(&a->scraped);
    *a = (struct ms_answers){.at_ns = 0};
}

void ms_answer_metrics(const struct ms_answers *a, const struct web_request *q, struct web_reply *r) {
    bool open = strstr(q->accept, "application/openmetrics-text") != NULL;
    enum ms_exposition form = open ? MS_OPENMETRICS : MS_PROMETHEUS_TEXT;
    r->type = ms_exposition_type(form);
    ms_openmetrics(r->out, form, a->version, &a->scraped, 1, MS_UNKNOWN);
}

/* false: there are no figures, and the reply says why. */
static bool is_document(const struct ms_answers *a, struct web_reply *r) {
    r->type = "application/json";
    if (a->status == MS_OK) return true;
    r->status = 503;
    ms_json_error(r->out, a->status, a->err.line);
    return false;
}

void ms_answer_maps(const struct ms_answers *a, struct web_reply *r) {
    if (is_document(a, r)) ms_json_list(r->out, "list", &a->snap, &a->totals, a->snap.map, a->shown, NULL);
}

void ms_answer_table(const struct ms_answers *a, struct web_reply *r) {
    if (is_document(a, r)) ms_json_metrics(r->out, &a->snap, &a->scraped);
}

void ms_answer_forecast(const struct ms_answers *a, struct web_reply *r) {
    struct ms_look one = {.map = a->snap.map, .maps = a->snap.maps};
    struct ms_forecast *next;
    if (!is_document(a, r)) return;
    size_t n = ms_view_forecast(&one, 1, &a->scraped.room, &next);
    ms_json_forecast(r->out, &a->snap, 1, 0, &a->scraped.room, next, n < a->shown ? n : a->shown);
    free(next);
}
