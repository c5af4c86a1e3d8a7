/* The commands of pkgindex. */
#ifndef PKGINDEX_QUERY_H
#define PKGINDEX_QUERY_H

#include "catalog.h"

/* Runs one command line (it is cut up in the process) and prints its answer to out.
 * false: the command was `quit`. */
bool query_run(struct catalog *catalog, char *line, FILE *out);

#endif
