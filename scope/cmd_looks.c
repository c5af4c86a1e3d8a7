/* cmd_looks.c - several looks at one target, evenly spread over --seconds: what `doctor` and `forecast` compare. */
#include "cmd.h"

#include <signal.h>
#include <time.h>

uint64_t ms_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void ms_wait_until(uint64_t ns) {
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {}
}

bool ms_wait_or_signal(const sigset_t *ends, uint64_t ns) {
    for (;;) {
        uint64_t now = ms_now_ns(), left = ns > now ? ns - now : 0;
        struct timespec t = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
        if (sigtimedwait(ends, NULL, &t) > 0) return true;
        if (ms_now_ns() >= ns) return false;
    }
}

static int take_one(struct ms_cmd *cmd, struct ms_session *s, struct ms_looks *l, struct ms_error *err) {
    struct ms_snapshot *snap = &l->snap[l->looks];
    ms_snapshot_init(snap);
    uint64_t before = ms_now_ns();
    int status = l->looks ? ms_session_find(s, err) : MS_OK; /* libraries may have come */
    if (status == MS_OK) status = ms_session_look(cmd, s, cmd->resident, snap, err);
    l->look[l->looks++] = (struct ms_look){snap->map, snap->maps, before + (ms_now_ns() - before) / 2};
    return status;
}

int ms_looks_take(struct ms_cmd *cmd, struct ms_session *s, double seconds, struct ms_looks *l,
                  struct ms_error *err) {
    size_t n = seconds > 0 ? MS_LOOKS_MOST : 1;
    *l = (struct ms_looks){.looks = 0};
    int status = n > 1 ? ms_session_runs(s, "--seconds is", err) : MS_OK;
    if (status) return status;
    uint64_t start = ms_now_ns(), step = n > 1 ? (uint64_t)(seconds * 1e9 / (double)(n - 1)) : 0;
    status = take_one(cmd, s, l, err);
    while (status == MS_OK && l->looks < n) {
        status = ms_session_thaw(cmd, s, &l->snap[l->looks - 1], err);
        ms_wait_until(start + l->looks * step);
        if (status == MS_OK) status = take_one(cmd, s, l, err);
    }
    return status;
}

struct ms_snapshot *ms_looks_last(struct ms_looks *l) {
    return &l->snap[l->looks - 1];
}

void ms_looks_free(struct ms_looks *l) {
    for (size_t i = 0; i < l->looks; i++) ms_snapshot_free(&l->snap[i]);
    *l = (struct ms_looks){.looks = 0};
}
