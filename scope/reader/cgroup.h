/* cgroup.h - the memory control group of a process: what it uses, what it may use. */
#ifndef MS_CGROUP_H
#define MS_CGROUP_H

#include "process.h"

/* Bytes; UINT64_MAX: not told. */
struct ms_cgroup {
    int version; /* 0: none, or out of sight; 1, 2 */
    char *path;  /* as the process's cgroup file says; NULL with version 0 */
    char *why;   /* with version 0 */
    uint64_t current, swap;
    uint64_t limit;              /* the least of it and the groups around it; UINT64_MAX: none */
    char *limited_by;            /* path of the group with that limit; NULL */
    uint64_t tight_limit, tight_used; /* of the group, it or one around it, that leaves least; UINT64_MAX: none */
    uint64_t anon, file, kernel;      /* from memory.stat, read after current */
};

/* Never fails: what cannot be read is not told. */
void ms_cgroup_load(struct ms_process *p, struct ms_cgroup *out);
/* The same of given texts: the process's cgroup file, and the mountinfo of whoever looks. */
void ms_cgroup_read(const char *cgroup, const char *mountinfo, struct ms_cgroup *out);
void ms_cgroup_free(struct ms_cgroup *c);
/* What the machine has to give; UINT64_MAX: not told. */
uint64_t ms_memory_available(void);

#endif
