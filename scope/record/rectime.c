/* rectime.c - which moment of a recording is meant.
 *
 *   (nothing)                     the last
 *   #12                           the twelfth in the file
 *   +30  +1.5h                    so long after the first: s, m, h or d; s is the usual
 *   -30  -5m                      so long before the last
 *   20:15  20:15:03               on the day of the last moment, or where that is later, on the one before: local time
 *   2026-11-21T20:15:03           local time; Z behind it: UTC
 *
 * Meant is the last moment that is not later.
 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000000000 };

bool ms_rec_duration(const char *text, uint64_t *ns) {
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || errno || !(v >= 0)) return false;
    for (size_t i = 0; *end && i < sizeof units / sizeof *units; i++)
        if (*end == units[i].unit) {
            v *= units[i].seconds;
            end++;
            break;
        }
    if (*end || v > 1e9) return false;
    *ns = (uint64_t)(v * SECOND);
    return true;
}

static bool clock_time(const char *text, uint64_t first_ns, uint64_t last_ns, uint64_t *ns) {
    static const char *const dated[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%d %H:%M"};
    static const char *const undated[] = {"%H:%M:%S", "%H:%M"};
    time_t day = (time_t)(last_ns / SECOND), t = -1;
    struct tm tm;
    const char *end = NULL;
    for (size_t i = 0; i < 4 && !(end && (*end == 0 || strcmp(end, "Z") == 0)); i++) {
        tm = (struct tm){.tm_isdst = -1};
        end = strptime(text, dated[i], &tm);
    }
    if (end && strcmp(end, "Z") == 0) {
        t = timegm(&tm);
    } else if (end && *end == 0) {
        t = mktime(&tm);
    } else {
        for (size_t i = 0; i < 2 && !(end && *end == 0); i++) {
            if (!localtime_r(&day, &tm)) return false;
            tm.tm_sec = 0;
            tm.tm_isdst = -1;
            end = strptime(text, undated[i], &tm);
        }
        if (!end || *end) return false;
        t = mktime(&tm);
        tm.tm_mday--, tm.tm_isdst = -1;
        time_t before = mktime(&tm);
        if (t > day && before >= 0 && (uint64_t)before >= first_ns / SECOND) t = before;
    }
    /* Seconds are all that can be named: the whole second is meant. */
    *ns = (uint64_t)t * SECOND + (SECOND - 1);
    return t >= 0;
}

int ms_rec_find(const struct ms_rec *r, const char *when, uint64_t *moment, struct ms_error *err) {
    const struct ms_rec_moment *m = r->moment;
    size_t last = r->moments - 1;
    uint64_t ns = 0;
    char *end;
    *moment = m[last].number;
    if (*when == 0) return MS_OK;
    if (*when == '#') {
        unsigned long long n = strtoull(when + 1, &end, 10);
        if (end == when + 1 || *end || n == 0 || n > r->moments)
            return ms_fail(err, MS_USAGE, "%s: no moment %s: it has %zu", r->path, when, r->moments);
        *moment = m[n - 1].number;
        return MS_OK;
    }
    bool known = strchr("+-", *when) ? ms_rec_duration(when + 1, &ns)
                                     : clock_time(when, m[0].wall_ns, m[last].wall_ns, &ns);
    if (!known)
        return ms_fail(err, MS_USAGE, "%s: '%s' is no time: #N, +1.5h, -30s, 20:15:03, 2026-11-21T20:15:03",
                       r->path, when);
    if (*when == '+') ns = ms_add(m[0].wall_ns, ns);
    if (*when == '-') ns = m[last].wall_ns > ns ? m[last].wall_ns - ns : 0;
    if (ns < m[0].wall_ns) return ms_fail(err, MS_USAGE, "%s: begins after '%s'", r->path, when);
    for (size_t i = 0; i <= last && m[i].wall_ns <= ns; i++) *moment = m[i].number;
    return MS_OK;
}
