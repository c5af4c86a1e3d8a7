/* cmd_completion.c - `mapscope completion SHELL`: a script that completes verbs, options and their words in bash, zsh or fish.
 *
 * All of it is made from the verb table and the options, of which help is made too, so it cannot fall behind them.  What
 * an option takes its help says by one word: FILE is a file, those in `words` are one of a list, others are free.
 *
 *   mapscope VERB [TARGET] [MAP] --option WORD
 *            |     |              |        '- of the option
 *            |     |              '- those the verb knows
 *            |     '- PIDs, core:FILE, rec:FILE
 *            '- the table's
 */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

/* What an option takes that is one of a list; of two that have one name, the beginning of their help tells which. */
static const struct {
    const char *option, *words, *help;
} words[] = {
    {"output", "table json"},
    {"by", "stack function map type holder site", "a row for each"},
    {"by", "map place type holder"},
    {"sample-index",
     "alloc_objects alloc_space inuse_objects inuse_space map_entries map_waste map_resident map_lazyfree"},
    {"sort", "bytes entries waste gain load slots resident id name type site kind state growth place"},
};

static const char *words_of(const struct ms_option_row *o) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].option, o->name) == 0 &&
            (!words[i].help || strncmp(words[i].help, o->help, strlen(words[i].help)) == 0))
            return words[i].words;
    return NULL;
}

/* A word of `words` is not for those that take a file: `record` writes its --output to one. */
static bool takes_file(const struct ms_option_row *o) { return strcmp(o->takes, "FILE") == 0; }
static bool takes_target(const struct ms_verb *v) { return strstr(v->arguments, "TARGET") != NULL; }
static bool knows(const struct ms_verb *v, const struct ms_option_row *o) {
    return strchr(v->options, o->letter) != NULL;
}

/* A text between single quotes of a shell; colons escaped for zsh. */
static void put_quoted(FILE *f, const char *text, bool colons) {
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            fputs("'\\''", f);
        else if (colons && (*p == ':' || *p == '[' || *p == ']'))
            fprintf(f, "\\%c", *p);
        else
            fputc(*p, f);
    }
}

/* ---- bash -------------------------------------------------------------------------------------- */

static void bash_verbs(FILE *f) {
    struct ms_option_row o;
    fputs("        case $verb in\n", f);
    for (size_t i = 0; i < ms_verb_count; i++) {
        fprintf(f, "        %s) options='", ms_verbs[i].name);
        for (size_t k = 0; ms_options_row(k, &o); k++) {
            if (!knows(&ms_verbs[i], &o)) continue;
            if (o.short_form) fprintf(f, "-%c ", o.short_form);
            fprintf(f, "--%s ", o.name);
        }
        fprintf(f, "' targets=%s ;;\n", takes_target(&ms_verbs[i]) ? "yes" : "");
    }
    fputs("        esac\n", f);
}

/* What an option takes; of two that have one name the one the verb knows. */
static void bash_values(FILE *f) {
    struct ms_option_row o;
    fputs("    case $before in\n", f);
    for (size_t k = 0; ms_options_row(k, &o); k++) {
        if (!*o.takes) continue;
        fputs("    ", f);
        if (o.short_form) fprintf(f, "-%c | ", o.short_form);
        fprintf(f, "--%s) [[ ' ", o.name);
        for (size_t i = 0; i < ms_verb_count; i++)
            if (knows(&ms_verbs[i], &o)) fprintf(f, "%s ", ms_verbs[i].name);
        fputs("' == *\" $verb \"* ]] && {", f);
        if (takes_file(&o))
            fputs(" mapfile -t COMPREPLY < <(compgen -f -- \"$word\");", f);
        else if (words_of(&o))
            fprintf(f, " mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\");", words_of(&o));
        fputs(" return; } ;;&\n", f);
    }
    fputs("    esac\n", f);
}

static void put_bash(FILE *f) {
    fputs("# bash completion for mapscope; made by: mapscope completion bash\n"
          "_mapscope() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb='' options='' "
          "targets='' i\n"
          "    COMPREPLY=()\n",
          f);
    fputs("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        -* | help) ;;\n"
          "        *) verb=${COMP_WORDS[i]} && break ;;\n"
          "        esac\n"
          "    done\n",
          f);
    bash_values(f);
    fputs("    if [ -z \"$verb\" ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '",
          f);
    for (size_t i = 0; i < ms_verb_count; i++) fprintf(f, "%s ", ms_verbs[i].name);
    fputs("help --help --version' -- \"$word\")\n"
          "    else\n",
          f);
    bash_verbs(f);
    fputs(
        "        if [[ $word == -* ]]; then\n"
        "            mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
        "        elif [ -n \"$targets\" ] && [ \"$before\" = \"$verb\" ]; then\n"
        "            mapfile -t COMPREPLY < <(compgen -W \"$(cd /proc && echo [0-9]*) core: rec:\" -- \"$word\")\n"
        "            [[ ${COMPREPLY[*]} == *: ]] && compopt -o nospace\n"
        "        elif [ \"$before\" = : ]; then\n" /* the colon of core: parts words */
        "            mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
        "        elif [ \"$verb\" = completion ]; then\n"
        "            mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- \"$word\")\n"
        "        fi\n"
        "    fi\n"
        "    return 0\n"
        "}\n"
        "complete -F _mapscope mapscope\n",
        f);
}

/* ---- zsh --------------------------------------------------------------------------------------- */

static void zsh_option(FILE *f, const struct ms_option_row *o) {
    fputs("            ", f);
    if (o->short_form) fprintf(f, "{-%c,--%s}", o->short_form, o->name);
    fprintf(f, "'%s%s[", o->short_form ? "" : "--", o->short_form ? "" : o->name);
    put_quoted(f, o->help, true);
    fputc(']', f);
    if (*o->takes) fprintf(f, ":%s:", o->takes);
    if (takes_file(o))
        fputs("_files", f);
    else if (words_of(o))
        fprintf(f, "(%s)", words_of(o));
    fputs("' \\\n", f);
}

static void put_zsh(FILE *f) {
    struct ms_option_row o;
    fputs("#compdef mapscope\n"
          "# zsh completion for mapscope; made by: mapscope completion zsh\n"
          "_mapscope_targets() { _alternative 'pids:process:_pids' 'files:file:(core\\: rec\\:)' }\n"
          "_mapscope() {\n"
          "    local -a verbs\n"
          "    verbs=(\n",
          f);
    for (size_t i = 0; i < ms_verb_count; i++) {
        fprintf(f, "        '%s:", ms_verbs[i].name);
        put_quoted(f, ms_verbs[i].summary, true);
        fputs("'\n", f);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe verb verbs\n"
          "        return\n"
          "    fi\n"
          "    local verb=$words[2]\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $verb in\n",
          f);
    for (size_t i = 0; i < ms_verb_count; i++) {
        fprintf(f, "        (%s) _arguments -S \\\n", ms_verbs[i].name);
        for (size_t k = 0; ms_options_row(k, &o); k++)
            if (knows(&ms_verbs[i], &o)) zsh_option(f, &o);
        fputs(takes_target(&ms_verbs[i]) ? "            '1:target:_mapscope_targets' '2:map:' ;;\n"
                                         : "            '*:' ;;\n",
              f);
    }
    fputs("    esac\n"
          "}\n"
          "_mapscope \"$@\"\n",
          f);
}

/* ---- fish -------------------------------------------------------------------------------------- */

static void fish_option(FILE *f, const struct ms_verb *v, const struct ms_option_row *o) {
    fprintf(f, "complete -c mapscope -n '__fish_seen_subcommand_from %s' -l %s", v->name, o->name);
    if (o->short_form) fprintf(f, " -s %c", o->short_form);
    if (takes_file(o))
        fputs(" -r -F", f);
    else if (*o->takes)
        fprintf(f, " -x -a '%s'", words_of(o) ? words_of(o) : "");
    fputs(" -d '", f);
    put_quoted(f, o->help, false);
    fputs("'\n", f);
}

static void put_fish(FILE *f) {
    struct ms_option_row o;
    fputs("# fish completion for mapscope; made by: mapscope completion fish\n"
          "complete -c mapscope -f\n",
          f);
    for (size_t i = 0; i < ms_verb_count; i++) {
        const struct ms_verb *v = &ms_verbs[i];
        fprintf(f, "complete -c mapscope -n __fish_use_subcommand -a %s -d '", v->name);
        put_quoted(f, v->summary, false);
        fputs("'\n", f);
        if (takes_target(v))
            fprintf(f,
                    "complete -c mapscope -n '__fish_seen_subcommand_from %s' -a '(__fish_complete_pids) "
                    "core: rec:'\n",
                    v->name);
        for (size_t k = 0; ms_options_row(k, &o); k++)
            if (knows(v, &o)) fish_option(f, v, &o);
    }
}

/* ---- the verb ---------------------------------------------------------------------------------- */

int ms_cmd_completion(struct ms_cmd *cmd, struct ms_error *err) {
    static const struct {
        const char *shell;
        void (*put)(FILE *f);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(cmd->target, shells[i].shell) == 0) {
            shells[i].put(cmd->out);
            return MS_OK;
        }
    return ms_fail(err, MS_USAGE, "completion: no shell '%s': bash, zsh, fish", cmd->target);
}
