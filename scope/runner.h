/* runner.h - programs that mapscope runs: for `check`, and when `watch` has something to tell.
 *
 *   mapscope, filtered: may not start programs, trace, or send signals
 *       | socket: run, signal, go on          started, exits, ended
 *       v
 *   runner, forked before the filter closed -- fork, exec --> the program
 *
 * The program a runner holds to its exit is stopped there for a last look, while all its memory is still in place: what it
 * is told by is the exit event of ptrace(2), and nothing of the program is read or written by that.
 */
#ifndef MS_RUNNER_H
#define MS_RUNNER_H

#include "error.h"

#include <stdbool.h>
#include <sys/types.h>

struct ms_runner {
    int fd; /* -1: none was started */
    pid_t pid;
};

enum ms_ran {
    MS_RAN_ON,    /* it runs */
    MS_RAN_EXITS, /* it is stopped at its exit until ms_runner_go_on */
    MS_RAN_ENDED, /* *status as of wait(2) */
};

/* Before the sandbox closes. argv is the one command it will ever run. */
int ms_runner_start(struct ms_runner *r, char **argv, struct ms_error *err);
/* Start the command, with `env` ("NAME=value" texts, NULL ends; NULL: none) beside the environment.  hold: stop it at its
 * exit; *held says whether that can be.  MS_USAGE: it cannot be started. */
int ms_runner_run(struct ms_runner *r, const char *const *env, bool hold, int *pid, bool *held,
                  struct ms_error *err);
/* What became of it, within timeout_ns.  Something to read from `other` (-1: none) ends the wait early, with MS_RAN_ON. */
int ms_runner_wait(struct ms_runner *r, int other, uint64_t timeout_ns, enum ms_ran *ran, int *status,
                   struct ms_error *err);
int ms_runner_signal(struct ms_runner *r, int signal, struct ms_error *err);
int ms_runner_go_on(struct ms_runner *r, struct ms_error *err);
/* A program that still runs gets SIGTERM. */
void ms_runner_end(struct ms_runner *r);

#endif
