/* answers.h - what is told of one look at maps: the same from mapscope and from a program that serves itself. */
#ifndef HTTP_ANSWERS_H
#define HTTP_ANSWERS_H

#include "scope/out/openmetrics.h"
#include "scope/view/view.h"
#include "web/gopprof.h"

/* One look.  Zeros: none was taken. */
struct ms_answers {
    struct ms_snapshot snap;
    struct ms_totals totals;
    struct ms_scraped scraped;
    size_t shown;   /* of snap.map, the largest first */
    uint64_t at_ns; /* CLOCK_MONOTONIC; 0: none was taken, and nothing else counts */
    int status;     /* not MS_OK: why there are no figures stands in err */
    struct ms_error err;
    const char *version; /* of who answers */
};

/* Of a snapshot that was taken: totals, rows, the `most` largest maps first. */
void ms_answers_fill(struct ms_answers *a, const struct ms_room *room, size_t most);
void ms_answers_free(struct ms_answers *a);

void ms_answer_metrics(const struct ms_answers *a, const struct web_request *q, struct web_reply *r);
void ms_answer_maps(const struct ms_answers *a, struct web_reply *r);
void ms_answer_table(const struct ms_answers *a,
                     struct web_reply *r); /* the figures of /metrics as a document */
void ms_answer_forecast(const struct ms_answers *a, struct web_reply *r);

#endif
