/* tool_completion.c - the scripts that complete command lines: they name every verb and option that help names, and bash's
 * really completes; what it offers is what the tool takes.
 */
#include "toolkit.h"

#include <unistd.h>

enum { WORDS_MOST = 256, LINE_MOST = 8192 };

struct words {
    char text[LINE_MOST];
    char *word[WORDS_MOST];
    size_t count;
};

static void add(struct words *w, const char *from, size_t len) {
    size_t at = w->count ? (size_t)(w->word[w->count - 1] - w->text) + strlen(w->word[w->count - 1]) + 1 : 0;
    assert_true(w->count < WORDS_MOST && at + len < LINE_MOST);
    w->word[w->count] = memcpy(w->text + at, from, len);
    w->word[w->count++][len] = 0;
}

static bool has(const struct words *w, const char *word) {
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->word[i], word) == 0) return true;
    return false;
}

/* Verbs, from the lines of help that are indented by two. */
static void verbs_of_help(struct words *out) {
    struct tk_result r;
    *out = (struct words){.count = 0};
    TK_RUN(&r, "--help");
    TK_CODE(&r, 0);
    for (const char *p = strstr(r.out, "\n  "); p; p = strstr(p + 1, "\n  "))
        add(out, p + 3, strcspn(p + 3, " \n"));
    tk_result_free(&r);
    assert_true(out->count > 8 && has(out, "list") && has(out, "explain") && has(out, "mem"));
}

/* Options of a verb: what help has behind the commas and dashes. */
static void options_of_help(const char *verb, struct words *out) {
    struct tk_result r;
    *out = (struct words){.count = 0};
    TK_RUN(&r, verb, "--help");
    TK_CODE(&r, 0);
    const char *p = strstr(r.out, "\noptions:\n");
    assert_non_null(p);
    for (p = strchr(p + 1, '\n'); p && p[1]; p = strchr(p + 1, '\n')) {
        if (strncmp(p, "\n  -", 4) == 0) add(out, p + 3, 2);
        if (strncmp(p, "\n  -", 4) == 0) add(out, p + 7, strcspn(p + 7, " \n"));
        if (strncmp(p, "\n      --", 9) == 0) add(out, p + 7, strcspn(p + 7, " \n"));
    }
    tk_result_free(&r);
    assert_true(has(out, "--help"));
}

static char *script_of(const char *shell) {
    struct tk_result r;
    TK_RUN(&r, "completion", shell);
    TK_CODE(&r, 0);
    assert_int_equal(r.err_len, 0);
    char *text = r.out;
    free(r.err);
    return text;
}

/* What bash offers for the last of the words. */
static void complete(const char *script, const char *line, struct words *out) {
    struct tk_result r;
    char *command = NULL;
    assert_true(
        asprintf(&command,
                 "%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\ncompopt() { :; }\n_mapscope\n"
                 "printf '%%s\\n' \"${COMPREPLY[@]}\"\n",
                 script, line) > 0);
    tk_run_how(&r, &(struct tk_how){.program = "bash"}, (const char *const[]){"--norc", "-c", command, NULL});
    free(command);
    TK_CODE(&r, 0);
    if (r.err_len) print_error("bash says: %s\n", r.err);
    assert_int_equal(r.err_len, 0);
    *out = (struct words){.count = 0};
    for (const char *p = r.out; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (*p != '\n' && out->count < WORDS_MOST - 1) add(out, p, strcspn(p, "\n"));
    tk_result_free(&r);
}

static void test_bash_completes_verbs(void **state) {
    (void)state;
    struct words verbs, got;
    char *script = script_of("bash");
    verbs_of_help(&verbs);
    complete(script, "mapscope ''", &got);
    for (size_t i = 0; i < verbs.count; i++) assert_true(has(&got, verbs.word[i]));
    complete(script, "mapscope lis", &got);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.word[0], "list");
    complete(script, "mapscope nothing-begins-so", &got);
    assert_int_equal(got.count, 0);
    free(script);
}

/* Of each verb exactly the options of its help. */
static void test_bash_completes_options(void **state) {
    (void)state;
    struct words verbs, options, got;
    char *script = script_of("bash"), line[128];
    verbs_of_help(&verbs);
    for (size_t i = 0; i < verbs.count; i++) {
        options_of_help(verbs.word[i], &options);
        snprintf(line, sizeof line, "mapscope %s -", verbs.word[i]);
        complete(script, line, &got);
        for (size_t k = 0; k < options.count; k++)
            if (!has(&got, options.word[k])) {
                print_error("%s is not completed behind %s\n", options.word[k], verbs.word[i]);
                fail();
            }
        assert_int_equal(got.count, options.count);
    }
    free(script);
}

static void test_bash_completes_arguments(void **state) {
    (void)state;
    struct words got;
    char *script = script_of("bash"), line[256], pid[16];
    complete(script, "mapscope list --output ''", &got);
    assert_int_equal(got.count, 2);
    assert_true(has(&got, "table") && has(&got, "json"));
    complete(script, "mapscope list --by pl", &got);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.word[0], "place");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(line, sizeof line, "mapscope show %s", pid);
    complete(script, line, &got);
    assert_true(has(&got, pid));
    complete(script, "mapscope explain co", &got);
    assert_true(has(&got, "core:"));
    char *file = tk_path_in(tk_scratch(), "picture.svg");
    tk_copy_file("/proc/self/stat", file);
    snprintf(line, sizeof line, "mapscope heat 1 x --svg %s/pict", tk_scratch());
    complete(script, line, &got);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.word[0], file);
    complete(script, "mapscope completion ''", &got);
    assert_int_equal(got.count, 3);
    free(file);
    free(script);
}

/* No offered word is one that the tool refuses: beyond the options it finds that there is no such process. */
static void test_words_are_taken(void **state) {
    (void)state;
    static const char *const option[] = {"--sort", "--by", "--output"};
    struct words got;
    char *script = script_of("bash"), line[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(line, sizeof line, "mapscope list %s ''", option[i]);
        complete(script, line, &got);
        assert_true(got.count >= 2);
        for (size_t k = 0; k < got.count; k++) {
            struct tk_result r;
            TK_RUN(&r, "list", "999999999", option[i], got.word[k]);
            TK_CODE(&r, 3);
            tk_result_free(&r);
        }
    }
    free(script);
}

/* Verbs and options as whole words; and a shell that is there finds nothing wrong with the script. */
static void check_script(const char *shell) {
    struct words verbs, options;
    struct tk_result r;
    char *script = script_of(shell), *file = tk_path_in(tk_scratch(), shell);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(script, f);
    fclose(f);
    verbs_of_help(&verbs);
    for (size_t i = 0; i < verbs.count; i++) {
        assert_non_null(strstr(script, verbs.word[i]));
        options_of_help(verbs.word[i], &options);
        for (size_t k = 0; k < options.count; k++)
            if (options.word[k][1] == '-' && !strstr(script, options.word[k] + 2)) {
                print_error("%s does not know %s\n", shell, options.word[k]);
                fail();
            }
    }
    tk_run_how(&r, &(struct tk_how){.program = shell, .unchecked = true},
               (const char *const[]){"-n", file, NULL});
    if (r.code == 126)
        print_message("# %s is not installed: its script was not run\n", shell);
    else if (r.code)
        fail_msg("%s says: %s", shell, r.err);
    tk_result_free(&r);
    free(file);
    free(script);
}

static void test_zsh(void **state) {
    (void)state;
    check_script("zsh");
}

static void test_fish(void **state) {
    (void)state;
    check_script("fish");
}

static void test_wrong_shell(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "completion", "tcsh");
    TK_REFUSED(&r, 2, "no shell 'tcsh'", "bash, zsh, fish");
    tk_result_free(&r);
    TK_RUN(&r, "completion");
    TK_REFUSED(&r, 2, "usage: mapscope completion");
    tk_result_free(&r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bash_completes_verbs),
        cmocka_unit_test(test_bash_completes_options),
        cmocka_unit_test(test_bash_completes_arguments),
        cmocka_unit_test(test_words_are_taken),
        cmocka_unit_test(test_zsh),
        cmocka_unit_test(test_fish),
        cmocka_unit_test(test_wrong_shell),
    };
    return tk_main(argc, argv, "tool_completion", tests, sizeof tests / sizeof *tests);
}
