/* Order of Debian version numbers. */
#ifndef PKGINDEX_DEBVERSION_H
#define PKGINDEX_DEBVERSION_H

/* <0, 0, >0: a is older than, as old as, newer than b. */
int debversion_compare(const char *a, const char *b);

#endif
