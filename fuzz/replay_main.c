/* fuzz/replay_main.c - runs a fuzz target without libFuzzer.
 *
 *     fuzz_model_replay FILE-OR-FOLDER...          runs kept inputs: the regression tests
 *     fuzz_model_replay --random N [--seed S]      makes N inputs of its own, so that any compiler's build and
 *                                                  any sanitizer exercises the target
 *
 * A finding aborts inside the target.  In random mode the input is then in fuzz_finding.bin, for a replay.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 1 << 20 };
static uint8_t input[LONGEST];
static size_t input_len;

static uint64_t state;
static uint64_t next_random(void) {
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Keep the input that ended the program. */
static void on_abort(int sig) {
    FILE *f = fopen("fuzz_finding.bin", "wb");
    if (f) {
        (void)!fwrite(input, 1, input_len, f);
        fclose(f);
        fprintf(stderr, "the input is in fuzz_finding.bin\n");
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static int run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 0;
    }
    size_t n = fread(input, 1, sizeof input, f);
    fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* its end is the end of the memory: reads beyond it are seen */
    if (!exact) return 0;
    memcpy(exact, input, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int run_path(const char *path) {
    struct stat st = {0}; /* the memory sanitizer does not know every stat */
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) return run_file(path);
    DIR *dir = opendir(path);
    int ran = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char inner[4096];
        if (e->d_name[0] != '.' && snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) < (int)sizeof inner)
            ran += run_file(inner);
    }
    if (dir) closedir(dir);
    return ran;
}

static int run_random(uint64_t n, uint64_t seed) {
    signal(SIGABRT, on_abort);
    printf("# replay with --random %" PRIu64 " --seed %" PRIu64 "\n", n, seed);
    fflush(stdout);
    for (uint64_t i = 0; i < n; i++) {
        state = seed + i * 1000003;
        input_len = 4 + next_random() % (next_random() % 8 ? 400 : 4000);
        for (size_t at = 0; at < input_len; at++) input[at] = (uint8_t)next_random();
        LLVMFuzzerTestOneInput(input, input_len);
    }
    return n > 0;
}

int main(int argc, char **argv) {
    /* a commit is judged by the same inputs each time; long runs explore */
    uint64_t random = 0, seed = getenv("GOMAP_TEST_LONG") ? (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid() : 1;
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--random") && i + 1 < argc)
            random = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else
            ran += run_path(argv[i]);
    }
    if (random) ran += run_random(random, seed);
    if (!ran) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER... | --random N [--seed S]\n", argv[0]);
        return 2;
    }
    return 0;
}
