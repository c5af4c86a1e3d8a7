/* freeze.h - holding a target still: --stop and --snapshot, done by a process of its own.
 *
 * mapscope itself never touches its target, and its seccomp filter makes sure.  Only for these two options it
 * starts a second process before the filter closes: the keeper.  It knows no maps, reads no memory, and does three
 * things: stop all threads of one process, copy that process, let it go.
 *
 *      mapscope (filter: no ptrace, no signals)          keeper (filter: no write to memory)         target
 *        |-- MS_FREEZE pid ------------------------------>| seize, interrupt each thread ------------> held
 *        |<- held, or a line why not ---------------------|                                            |
 *        |   reads /proc/PID/mem                          | waits for a word, an end of file,          |
 *        |-- MS_THAW ------------------------------------>| or the end of its patience: detach ------> runs
 *        |<- the pause, ns -------------------------------|
 *
 * With MS_COPY the target runs on before the answer comes, and what is read is the copy (injector.c).
 *
 * Who is killed when.  mapscope: the keeper reads an end of file, lets the target go, ends the copy, and ends.
 * The keeper: the kernel lets go of what it traced, and kills the copy, which it was told to.  Both leave the
 * target running.  What a kill of the keeper can break is said in injector.c.
 */
#ifndef MS_FREEZE_H
#define MS_FREEZE_H

#include "../error.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
    MS_FREEZE_MOST_MS = 2000,   /* a stopped target is let go after this time, whoever still reads */
    MS_FREEZE_SETTLE_MS = 1000, /* a thread that does not stop within this time ends the try */
    MS_FREEZE_TOGETHER =
        64, /* registers of so many threads in a message: while they are sent, the target waits */
};

enum ms_freeze_order { MS_FREEZE, MS_COPY, MS_THAW };

struct ms_freeze_request {
    enum ms_freeze_order order;
    int pid;
    uint64_t start_ticks; /* field 22 of its stat: this process, not a later one of that number */
};

struct ms_freeze_reply {
    int status;        /* enum ms_status */
    int copy;          /* pid of the copy; 0: none */
    int thread_count;  /* that were stopped */
    bool late;         /* it was let go before it was asked for */
    uint64_t pause_ns; /* from the first thread's stop to the last one's end of it; 0: it lasts */
    char line[256];    /* why, if status is not MS_OK */
};

/* The registers of a thread that was stopped; pointers may be there and nowhere else. */
struct ms_registers {
    uint32_t words, sp; /* sp: index of the stack pointer */
    uint64_t word[40];
};

/* The keeper, as mapscope sees it. */
struct ms_keeper {
    int fd; /* -1: none */
    pid_t pid;
};

/* Start it.  Before the sandbox closes, and before there are threads. */
int ms_keeper_start(struct ms_keeper *k, struct ms_error *err);
/* One order and its answer; MS_INTERNAL if the keeper is gone. */
int ms_keeper_ask(struct ms_keeper *k, const struct ms_freeze_request *q, struct ms_freeze_reply *out,
                  struct ms_error *err);
/* After MS_FREEZE or MS_COPY: registers of reply.thread_count threads; *out is allocated. */
int ms_keeper_registers(struct ms_keeper *k, const struct ms_freeze_reply *reply, struct ms_registers **out,
                        struct ms_error *err);
/* Ends it, and with it whatever it held. Waits until the target is free. */
void ms_keeper_end(struct ms_keeper *k);

/* ---- inside the keeper -------------------------------------------------------------------------- */

struct ms_thread {
    pid_t tid;
    bool stopped;
    struct ms_registers registers;
};

/* A process whose threads are held. */
struct ms_held {
    pid_t pid;
    int dir_fd; /* /proc/PID */
    struct ms_thread *thread;
    size_t count, room;
    uint64_t since_ns; /* CLOCK_MONOTONIC, before the first thread was stopped */
    pid_t copy;        /* 0: none */
    pid_t inside;      /* its number where the target lives: in a pid namespace not ours */
    bool reap_copy;    /* it is a child of the target, which has to collect it */
};

/* keeper.c */
/* Serves until the other end of fd is closed; does not return. */
_Noreturn void ms_keeper_serve(int fd);
enum ms_await { MS_STOPPED, MS_ENDED, MS_STUCK };
/* Wait for the next stop of a thread, at most so long. */
enum ms_await ms_held_await(pid_t tid, unsigned most_ms, int *wait_status);
/* A number in a file below /proc/PID, where "\nNAME:\t" precedes it; -1: not told. */
long ms_held_status(const struct ms_held *h, const char *path, const char *name);
int ms_held_stop(struct ms_held *h, const struct ms_freeze_request *q, struct ms_error *err);
void ms_held_release(struct ms_held *h);
uint64_t ms_held_clock(void);

/* injector.c: a copy of the held process in h->copy; the threads stay held.  MS_UNCERTAIN: why it cannot be done. */
int ms_held_copy(struct ms_held *h, struct ms_error *err);
/* Collect an ended child of the held process, by the number that it knows it by. */
bool ms_held_reap(struct ms_held *h, pid_t inside);

#endif
