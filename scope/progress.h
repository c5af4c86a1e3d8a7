/* progress.h - a line on stderr while the tool reads for long; on a terminal only, and not before a second has passed. */
#ifndef MS_PROGRESS_H
#define MS_PROGRESS_H

#include "reader/reader.h"

/* What is read is counted by r, which must live until the end.  name: "process 4711 (x)", kept by reference. */
void ms_progress_begin(const char *name, const struct ms_reader *r);
/* Take the line away.  Before anything is printed; harmless without a beginning. */
void ms_progress_end(void);

#endif
