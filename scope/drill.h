/* drill.h - one map as pages of text, drawn by the functions of the verbs of the same names. */
#ifndef MS_DRILL_H
#define MS_DRILL_H

#include "cmd.h"

enum ms_drill { MS_DRILL_SHOW, MS_DRILL_HEAT, MS_DRILL_HOLDERS, MS_DRILL_EVENTS, MS_DRILL_GROUPS, MS_DRILLS };

const char *ms_drill_name(enum ms_drill page);
/* Write the page to f.  m: of the session's last snapshot.  Reads the map anew.  What the target does not have, or what went
 * wrong, is an error with a line, as of the verb. */
int ms_drill_put(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m, enum ms_drill page,
                 const struct ms_style *st, FILE *f, struct ms_error *err);

#endif
