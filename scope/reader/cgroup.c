/* cgroup.c - see cgroup.h.
 *
 *   /proc/PID/cgroup    0::/a/b  or, in version 1,  4:memory:/a/b
 *   mountinfo           31 23 0:27 ROOT MOUNTPOINT ... - cgroup2 ...      ROOT: the part of the tree that is mounted
 *
 * The files of the group are below MOUNTPOINT, at the path less ROOT.  A process of another container may be in a part of
 * the tree that is not mounted here: then nothing is told, and why.  Paths of both files may hold anything; octal
 * escapes of mountinfo are undone, and no path with ".." is followed.
 *
 * current is read first and memory.stat after it: the kernel gives no common moment.  On the way up to the root each group
 * may have a limit; the least counts.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MOST = 1 << 20, DEPTH_MOST = 64 };
#define NO_LIMIT_1 (UINT64_C(1) << 62) /* version 1 writes a number near 2^63 for none */

/* A whole small file; NULL: not to be had.  Allocated. */
static char *slurp(int dir, const char *path) {
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return NULL;
    size_t have = 0, room = 4096;
    char *text = ms_alloc(room);
    for (ssize_t n; have < TEXT_MOST && (n = read(fd, text + have, room - 1 - have)) > 0;) {
        have += (size_t)n;
        if (room - have < 2) text = ms_grow(text, room *= 2, 1);
    }
    close(fd);
    text[have] = 0;
    return text;
}

/* A number in a file of the group; UINT64_MAX: none, or "max". */
static uint64_t number_in(const char *dir, const char *name) {
    char *path = ms_asprintf("%s/%s", dir, name), *text = slurp(AT_FDCWD, path), *end = NULL;
    uint64_t n = UINT64_MAX;
    if (text) {
        n = strtoull(text, &end, 10);
        if (end == text) n = UINT64_MAX;
    }
    free(text);
    free(path);
    return n;
}

/* The number behind a name at the start of a line; UINT64_MAX: there is none. */
static uint64_t field(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *p = text; p && *p; p = strchr(p, '\n'), p += p != NULL)
        if (strncmp(p, name, n) == 0 && p[n] == ' ') return strtoull(p + n, NULL, 10);
    return UINT64_MAX;
}

/* ---- where it is ------------------------------------------------------------------------------- */

/* Up to the next blank, octal escapes undone; returns what follows.  Allocated. */
static const char *take_word(const char *p, char **out) {
    char *w = *out = ms_alloc(strcspn(p, " \n") + 1);
    while (*p && *p != ' ' && *p != '\n') {
        if (p[0] == '\\' && p[1] >= '0' && p[1] < '4' && p[2] >= '0' && p[2] < '8' && p[3] >= '0' &&
            p[3] < '8') {
            *w++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
        } else {
            *w++ = *p++;
        }
    }
    *w = 0;
    return *p == ' ' ? p + 1 : p;
}

/* The path in the line of a hierarchy: of controller `memory`, or of the one without a name.  Allocated. */
static char *path_in(const char *cgroup, bool v2) {
    for (const char *p = cgroup; p && *p; p = strchr(p, '\n'), p += p != NULL) {
        const char *controllers = memchr(p, ':', strcspn(p, "\n"));
        const char *path = controllers ? memchr(controllers + 1, ':', strcspn(controllers + 1, "\n")) : NULL;
        if (!path) continue;
        size_t n = (size_t)(path - controllers - 1);
        bool unnamed = n == 0 && p[0] == '0', memory = false;
        for (const char *c = controllers + 1; c < path; c += strcspn(c, ",:") + 1)
            memory = memory || (strncmp(c, "memory", 6) == 0 && (c[6] == ',' || c[6] == ':'));
        if (v2 ? !unnamed : !memory) continue;
        size_t len = strcspn(path + 1, "\n");
        char *out = ms_alloc(len + 1);
        memcpy(out, path + 1, len);
        out[len] = 0;
        return out;
    }
    return NULL;
}

/* Is it a mount of that kind of tree?  Then its root and place. */
static bool take_mount(const char *line, bool v2, char **root, char **place) {
    char *skipped;
    const char *p = line;
    for (int i = 0; i < 3; i++) p = take_word(p, &skipped), free(skipped);
    p = take_word(p, root);
    p = take_word(p, place);
    size_t rest = strcspn(p, "\n");
    const char *dash = memmem(p, rest, " - ", 3);
    bool right = false;
    if (dash) {
        size_t left = rest - (size_t)(dash - p);
        right = v2 ? memmem(dash, left, " - cgroup2 ", 11) != NULL
                   : memmem(dash, left, " - cgroup ", 10) != NULL && memmem(dash, left, "memory", 6) != NULL;
    }
    if (right) return true;
    free(*root);
    free(*place);
    return false;
}

/* The folder of a group, or NULL: it is not below any mount.  Allocated. */
static char *folder_of(const char *mountinfo, const char *path, bool v2) {
    if (strstr(path, "..")) return NULL;
    for (const char *p = mountinfo; p && *p; p = strchr(p, '\n'), p += p != NULL) {
        char *root, *place, *out = NULL;
        if (!take_mount(p, v2, &root, &place)) continue;
        size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0))
            out = ms_asprintf("%s%s", place, strcmp(path + n, "/") == 0 ? "" : path + n);
        size_t top = strlen(place);
        free(root);
        free(place);
        if (out && strlen(out) >= top) return out;
        free(out);
    }
    return NULL;
}

/* ---- what it says ------------------------------------------------------------------------------ */

static void take_limit(const char *folder, const char *group, bool v2, struct ms_cgroup *out) {
    uint64_t limit = number_in(folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    uint64_t used = number_in(folder, v2 ? "memory.current" : "memory.usage_in_bytes");
    if (limit >= NO_LIMIT_1) return;
    if (limit < out->limit) {
        out->limit = limit;
        free(out->limited_by);
        out->limited_by = ms_strdup(*group ? group : "/");
    }
    if (used == UINT64_MAX) return;
    uint64_t left = limit > used ? limit - used : 0;
    if (out->tight_limit == UINT64_MAX || left < out->tight_limit - ms_min(out->tight_limit, out->tight_used))
        out->tight_limit = limit, out->tight_used = used;
}

/* Limits from the folder up, as long as there is one to read. */
static void find_limits(const char *folder, const char *path, bool v2, struct ms_cgroup *out) {
    char *at = ms_strdup(folder), *group = ms_strdup(path);
    for (int i = 0; i < DEPTH_MOST; i++) {
        take_limit(at, group, v2, out);
        char *slash = strrchr(at, '/'), *cut = strrchr(group, '/');
        if (!slash || slash == at || !cut || !*group) break;
        *slash = 0;
        *cut = 0;
    }
    free(at);
    free(group);
}

static uint64_t first_of(uint64_t a, uint64_t b) { return a == UINT64_MAX ? b : a; }

static bool read_group(const char *folder, bool v2, struct ms_cgroup *out) {
    out->current = number_in(folder, v2 ? "memory.current" : "memory.usage_in_bytes");
    if (out->current == UINT64_MAX) return false;
    char *path = ms_asprintf("%s/memory.stat", folder), *stat = slurp(AT_FDCWD, path);
    free(path);
    if (stat) {
        out->anon = first_of(field(stat, v2 ? "anon" : "total_rss"), field(stat, "rss"));
        out->file = first_of(field(stat, v2 ? "file" : "total_cache"), field(stat, "cache"));
        out->kernel = v2 ? field(stat, "kernel") : number_in(folder, "memory.kmem.usage_in_bytes");
    }
    free(stat);
    out->swap = v2 ? number_in(folder, "memory.swap.current") : UINT64_MAX;
    find_limits(folder, out->path, v2, out);
    return true;
}

void ms_cgroup_read(const char *cgroup, const char *mountinfo, struct ms_cgroup *out) {
    *out = (struct ms_cgroup){.current = UINT64_MAX,
                              .swap = UINT64_MAX,
                              .limit = UINT64_MAX,
                              .tight_limit = UINT64_MAX,
                              .tight_used = UINT64_MAX,
                              .anon = UINT64_MAX,
                              .file = UINT64_MAX,
                              .kernel = UINT64_MAX};
    const char *why = "it is in no group that controls memory";
    for (int v2 = 0; v2 < 2 && !out->version; v2++) {
        out->path = path_in(cgroup, v2);
        if (!out->path) continue;
        char *folder = folder_of(mountinfo, out->path, v2);
        if (folder && read_group(folder, v2, out)) out->version = v2 ? 2 : 1;
        if (!out->version) {
            why = folder ? "its group does not account for memory, as the root group does not"
                         : "its group is not mounted here";
            free(out->path);
            out->path = NULL;
        }
        free(folder);
    }
    if (!out->version) out->why = ms_strdup(why);
}

void ms_cgroup_load(struct ms_process *p, struct ms_cgroup *out) {
    char *cgroup = slurp(p->dir_fd, "cgroup"), *mountinfo = slurp(AT_FDCWD, "/proc/self/mountinfo");
    ms_cgroup_read(cgroup ? cgroup : "", mountinfo ? mountinfo : "", out);
    free(cgroup);
    free(mountinfo);
}

void ms_cgroup_free(struct ms_cgroup *c) {
    free(c->path);
    free(c->why);
    free(c->limited_by);
    *c = (struct ms_cgroup){0};
}

uint64_t ms_memory_available(void) {
    char *text = slurp(AT_FDCWD, "/proc/meminfo");
    const char *at = text ? strstr(text, "\nMemAvailable:") : NULL;
    uint64_t n = at ? strtoull(at + 14, NULL, 10) * 1024 : UINT64_MAX;
    free(text);
    return n;
}
