/* gobuildinfo.h - which Go made a program: the build information every Go binary carries, stripped or not.
 *
 * Bytes come through a callback and may be anything.
 */
#ifndef MS_GOBUILDINFO_H
#define MS_GOBUILDINFO_H

#include "elfscan.h"

enum { MS_GOVERSION_MAX = 128 };

struct ms_gobuild {
    char version[MS_GOVERSION_MAX]; /* "go1.26.8 X:nogreenteagc": as written, experiments included */
    int minor;                      /* 26 of go1.26.8; -1: not of this form */
    bool nogreentea, noswissmap;    /* the experiment is switched off by name */
};

/* Look for it in the writable segments of an image in memory.  False: not a Go program, or one older than
 * Go 1.18, which wrote it in another form. */
bool ms_gobuild_find(const struct ms_elf *e, struct ms_gobuild *out);

/* Take a version string apart; exposed for tests. */
void ms_gobuild_parse(struct ms_gobuild *b);

#endif
