/* Which of two Debian versions is newer (deb-version(7)).
 *
 * [epoch:]upstream[-revision].  Upstream and revision are compared in turns: a run of non-digits by a
 * special order ('~' before the end before letters before the rest), then a run of digits as a number.
 * Numbers are compared as text after leading zeros, so they may be of any length. */
#include "debversion.h"

#include <stdlib.h>
#include <string.h>

static int is_digit(int c) { return c >= '0' && c <= '9'; }

static int rank(int c) {
    if (c == '~') return -1;
    if (c == '\0' || is_digit(c)) return 0;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return c;
    return c + 256;
}

struct part {
    const char *at, *end;
};

static int peek(const struct part *p) { return p->at < p->end ? (unsigned char)*p->at : '\0'; }

static int compare_part(struct part a, struct part b) {
    while (a.at < a.end || b.at < b.end) {
        while ((a.at < a.end && !is_digit(*a.at)) || (b.at < b.end && !is_digit(*b.at))) {
            const int diff = rank(peek(&a)) - rank(peek(&b));
            if (diff) return diff;
            a.at++, b.at++; /* equal ranks: neither is at its end, or the loop would have left */
        }
        while (peek(&a) == '0') a.at++;
        while (peek(&b) == '0') b.at++;
        int first_diff = 0;
        while (is_digit(peek(&a)) && is_digit(peek(&b))) {
            if (!first_diff) first_diff = *a.at - *b.at;
            a.at++, b.at++;
        }
        if (is_digit(peek(&a))) return 1;
        if (is_digit(peek(&b))) return -1;
        if (first_diff) return first_diff;
    }
    return 0;
}

static void split(const char *version, unsigned long *epoch, struct part *upstream, struct part *revision) {
    const char *colon = strchr(version, ':');
    *epoch = colon ? strtoul(version, NULL, 10) : 0;
    upstream->at = colon ? colon + 1 : version;
    const char *end = upstream->at + strlen(upstream->at);
    const char *dash = strrchr(upstream->at, '-');
    upstream->end = dash ? dash : end;
    revision->at = dash ? dash + 1 : end;
    revision->end = end;
}

int debversion_compare(const char *a, const char *b) {
    unsigned long epoch_a, epoch_b;
    struct part up_a, up_b, rev_a, rev_b;
    split(a, &epoch_a, &up_a, &rev_a);
    split(b, &epoch_b, &up_b, &rev_b);
    if (epoch_a != epoch_b) return epoch_a < epoch_b ? -1 : 1;
    const int diff = compare_part(up_a, up_b);
    return diff ? diff : compare_part(rev_a, rev_b);
}
