/* foldedevents.c - samples of CPU time as folded stacks: "server;main.main;main.load;runtime.hashGrow 12". */
#include "out.h"

#include <stdlib.h>
#include <string.h>

/* Names end at a semicolon there, and lines at a newline. */
static void put_name(FILE *f, const char *name) {
    char *s = ms_text_escape(name, true);
    for (char *at = s; *at; at++)
        if (*at == ';') *at = ':';
    fputs(s, f);
    free(s);
}

static int by_stack(const void *a, const void *b) {
    const struct ms_sight *x = (*(const struct ms_moment *const *)a)->sight,
                          *y = (*(const struct ms_moment *const *)b)->sight;
    size_t n = ms_min(x->frames, y->frames);
    for (size_t i = 0; i < n; i++) { /* from the root; lines do not matter */
        const struct ms_frame *p = x->frame[x->frames - 1 - i], *q = y->frame[y->frames - 1 - i];
        int order = strcmp(p->function ? p->function : "", q->function ? q->function : "");
        if (order) return order;
    }
    return (x->frames > y->frames) - (x->frames < y->frames);
}

void ms_folded_samples(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t) {
    const struct ms_moment **sample = ms_alloc((t->moments + 1) * sizeof *sample);
    size_t n = 0;
    for (size_t i = 0; i < t->moments; i++)
        if (t->moment[i].event->kind == MS_EVENT_CPU && t->moment[i].sight) sample[n++] = &t->moment[i];
    if (n) qsort(sample, n, sizeof *sample, by_stack);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && by_stack(&sample[i], &sample[end]) == 0;) end++;
        put_name(f, s->target.comm);
        const struct ms_sight *of = sample[i]->sight;
        for (size_t k = of->frames; k--;) {
            fputc(';', f);
            put_name(f, of->frame[k]->function ? of->frame[k]->function : "[unknown]");
        }
        fprintf(f, " %zu\n", end - i);
    }
    free(sample);
}
