/* target_copies.c - a process with several copies of the library: one linked in (unless built with
 * NO_OWN_COPY), and one more from each shared library named as an argument, loaded with dlopen.
 *
 * Copy i holds i + 1 maps called "copy i map k" with 10 i + k entries.  "load PATH" loads one more
 * while it runs.
 */
#include <gomap/gomap.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct library {
    gomap_err (*new_map)(const gomap_config *, gomap **);
    gomap_err (*put)(gomap *, const void *, const void *);
    gomap_err (*set_name)(gomap *, const char *);
};
static int copies;

static int fill(const struct library *l) {
    for (int k = 0; k <= copies; k++) {
        gomap_config c = GOMAP_CONFIG(8, 8);
        gomap *m;
        char name[32];
        snprintf(name, sizeof name, "copy %d map %d", copies, k);
        if (l->new_map(&c, &m) || l->set_name(m, name)) return 1;
        for (uint64_t i = 0; i < (uint64_t)(10 * copies + k); i++)
            if (l->put(m, &i, &i)) return 1;
    }
    copies++;
    return 0;
}

static int load(const char *path) {
    struct library l;
    void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!h) return fprintf(stderr, "%s\n", dlerror()), 1;
    *(void **)&l.new_map = dlsym(h, "gomap_new");
    *(void **)&l.put = dlsym(h, "gomap_put");
    *(void **)&l.set_name = dlsym(h, "gomap_set_name");
    return l.new_map && l.put && l.set_name ? fill(&l) : 1;
}

int main(int argc, char **argv) {
    char line[4096];
#ifndef NO_OWN_COPY
    const struct library own = {gomap_new, gomap_put, gomap_set_name};
    if (fill(&own)) return 1;
#endif
    for (int i = 1; i < argc; i++)
        if (load(argv[i])) return 1;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        printf("%s\n", strncmp(line, "load ", 5) == 0 && load(line + 5) == 0 ? "ok" : "no");
        fflush(stdout);
    }
    return 0;
}
