/* readmostly.h - a map whose readers take no lock, as Go's sync.Map was up to 1.23.
 *
 *        read ----> view: a map of key -> cell, never written again        dirty: the same, and the new keys
 *                     |                                                      |        (under the lock)
 *                     '-----> cell: the value, atomic <----------------------'
 *
 * A known key is read and overwritten through its cell, without the lock.  A new key goes into `dirty` under the lock;
 * the first one after a promotion copies the whole view into it: O(n).  Lookups that the view cannot answer take the
 * lock and count as misses; after as many misses as dirty has entries, dirty becomes the view.
 *
 * Who still reads an old view is not known here (Go's collector knows): old views are kept until the map is freed.
 * There is no delete.
 */
#ifndef LAB_READMOSTLY_H
#define LAB_READMOSTLY_H

#include "../merges/engines.h"
#include "lock.h"

struct readmostly;
/* engine: what the views are made of. */
struct readmostly *readmostly_new(const struct engine *engine, const struct lock_limits *limits);
void readmostly_put(struct readmostly *m, uint64_t key, uint64_t value);
bool readmostly_get(struct readmostly *m, uint64_t key, uint64_t *value);
/* While no other thread uses it: */
size_t readmostly_len(struct readmostly *m);
size_t readmostly_promotions(const struct readmostly *m);
const struct lock *readmostly_lock(const struct readmostly *m);
void readmostly_free(struct readmostly *m);

#endif
