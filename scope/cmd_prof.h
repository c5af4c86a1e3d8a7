/* cmd_prof.h - what `prof` is made of: private to cmd_prof*.c. */
#ifndef MS_CMD_PROF_H
#define MS_CMD_PROF_H

#include "cmd.h"
#include "view/profile.h"

/* Samples of a Go program's own memory profile, and its maps.  *p->sampled: why there are none. */
int ms_prof_go(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p, struct ms_error *err);
/* The same of the libraries in a C program, or in a Go program beside its own maps. */
int ms_prof_c(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p, struct ms_error *err);
/* Name the places of a profile that have none by the symbol tables and debug information of the images they lie in. */
int ms_prof_symbols(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *p,
                    struct ms_error *err);

/* Fill in where an image lies, and its build id; the text of its path. */
struct ms_prof_mapping ms_prof_image(struct ms_session *s, struct ms_profile *p, const struct ms_image *im);

#endif
