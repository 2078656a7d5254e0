/* SPDX-License-Identifier: BSD-3-Clause */
/* What hosts do to a library: fork, many contexts at once, cancel from
 * another thread, open and close for days. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/fork.h"
#include "world.h"

enum { N_THREADS = 4, CONTEXTS = 8, STEPS = 6, CYCLES = 200, MANY = 1000 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void steps(struct life *l, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(life_step(l), HNAS_OK);
}

/* Of a folder; two of them are . and .. */
static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- fork ---- */

/* In the child: search on, save, release; its sum goes through the pipe. */
static void child_life(struct life *l, int to)
{
    uint64_t sum;

    steps(l, STEPS);
    sum = life_sum(l);
    if (count_entries("/proc/self/task") < 2 + N_THREADS)
        _exit(2); /* the parent's threads are not here: it needs its own */
    life_close(l);
    _exit(write(to, &sum, sizeof sum) == sizeof sum ? 0 : 1);
}

static uint64_t sum_of_child(struct life *l)
{
    uint64_t sum = 0;
    int ends[2], status;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork_at_rest();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        child_life(l, ends[1]);
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &sum, sizeof sum), sizeof sum);
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return sum;
}

START_TEST(a_child_goes_on_and_so_does_its_parent)
{
    struct life l;

    life_open(&l, N_THREADS);
    steps(&l, 2); /* the pool's threads run */
    for (int i = 0; i < 3; i++) {
        const uint64_t child = sum_of_child(&l);

        steps(&l, STEPS);
        ck_assert_msg(life_sum(&l) == child, "fork %d: other bits", i);
    }
    life_close(&l);
}
END_TEST

/* Threads that the child has not must not be waited for. */
START_TEST(a_child_may_release_at_once)
{
    struct life l;
    int status;
    pid_t child;

    life_open(&l, N_THREADS);
    steps(&l, 2);
    child = fork_at_rest();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        life_close(&l);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    steps(&l, 2);
    life_close(&l);
}
END_TEST

/* ---- contexts side by side ---- */

static void *one_life(void *user)
{
    struct life l;

    life_open(&l, *(int32_t *)user);
    steps(&l, 4 * STEPS);
    *(uint64_t *)((int32_t *)user + 2) = life_sum(&l);
    life_close(&l);
    return NULL;
}

START_TEST(eight_contexts_of_four_threads_share_two_cores)
{
    struct {
        int32_t n_threads, unused;
        uint64_t sum;
    } run[CONTEXTS], alone = {1, 0, 0};
    pthread_t thread[CONTEXTS];
    double began_s = now_s(), alone_s, together_s;

    for (int i = 0; i < CONTEXTS; i++)
        one_life(&alone);
    alone_s = now_s() - began_s;
    began_s = now_s();
    for (int i = 0; i < CONTEXTS; i++) {
        run[i].n_threads = 4;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, one_life, &run[i]),
                         0);
    }
    for (int i = 0; i < CONTEXTS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    together_s = now_s() - began_s;
    printf("8 contexts: %.2f s on one thread, %.2f s on 8 x 4\n", alone_s,
           together_s);
    for (int i = 0; i < CONTEXTS; i++)
        ck_assert_msg(run[i].sum == alone.sum, "context %d: other bits", i);
    ck_assert_msg(together_s < 3 * alone_s + 0.5, "%.2f s, one thread %.2f s",
                  together_s, alone_s);
}
END_TEST

/* ---- cancel ---- */

struct canceller {
    hnas_search *search;
    _Atomic int quits;
    int n;
};

static void *cancel_often(void *user)
{
    struct canceller *c = user;
    const struct timespec pause = {0, 300000};

    while (!c->quits) {
        hnas_search_cancel(c->search);
        c->n++;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

START_TEST(cancel_from_another_thread_loses_no_step)
{
    const double began_s = now_s();
    struct life calm, l;
    struct canceller c = {0};
    pthread_t thread;
    int n_stopped = 0;

    life_open(&l, 2);
    c.search = l.search;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_often, &c), 0);
    while (n_stopped < 50 && now_s() < began_s + 60) {
        const uint64_t before = life_sum(&l);
        const hnas_status st = life_step(&l);

        ck_assert(st == HNAS_OK || st == HNAS_STOPPED);
        ck_assert(st == HNAS_OK || life_sum(&l) == before);
        n_stopped += st == HNAS_STOPPED;
    }
    c.quits = 1;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    printf("%d cancels, %d of %d steps stopped\n", c.n, n_stopped,
           n_stopped + (int)hnas_search_get_steps(l.search));
    ck_assert_int_eq(n_stopped, 50);
    life_open(&calm, 1);
    steps(&calm, (int)hnas_search_get_steps(l.search));
    ck_assert(life_sum(&l) == life_sum(&calm));
    life_close(&l);
    life_close(&calm);
}
END_TEST

/* ---- open and close ---- */

static int64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long long pages = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %lld", &pages), 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void cycle(void)
{
    struct life l;
    hnas_search *loaded;
    hnas_dataset *data;

    life_open(&l, 2);
    steps(&l, 1);
    ck_assert_int_eq(hnas_search_save(l.search, fault_path("search"), NULL),
                     HNAS_OK);
    ck_assert_int_eq(hnas_search_load(&loaded, l.ctx, fault_path("search")),
                     HNAS_OK);
    hnas_search_destroy(loaded);
    /* what a host gets wrong leaves nothing open either */
    ck_assert_int_lt(hnas_search_load(&loaded, l.ctx, "/dev/null"), 0);
    ck_assert_int_lt(hnas_search_load(&loaded, l.ctx, "/nowhere"), 0);
    ck_assert_int_lt(hnas_dataset_open_idx(&data, l.ctx, fault_path("search"),
                                           fault_path("search")),
                     0);
    life_close(&l);
}

/* What a process holds. */
struct held {
    int descriptors, threads;
    int64_t bytes;
};

static struct held look(void)
{
    struct held h = {count_entries("/proc/self/fd"),
                     count_entries("/proc/self/task"), resident_bytes()};

    return h;
}

/* Fail where more is held than before. */
static void expect_no_more(struct held before, int n, const char *what)
{
    const struct held now = look();
    const int64_t more = now.bytes - before.bytes;

    printf("%d %s: %+d descriptors, %+d threads, %+lld bytes resident\n", n,
           what, now.descriptors - before.descriptors,
           now.threads - before.threads, (long long)more);
    ck_assert_int_eq(now.descriptors, before.descriptors);
    ck_assert_int_eq(now.threads, before.threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(more, 1 << 20); /* sanitizers keep more */
#endif
}

/* n, or what a campaign asks for. */
static int times(const char *variable, int n)
{
    const char *said = getenv(variable);

    return said ? atoi(said) : n;
}

/* A campaign's HNAS_CYCLES are 2,000. */
START_TEST(nothing_stays_after_create_and_destroy)
{
    const int n = times("HNAS_CYCLES", CYCLES);
    struct held before;

    for (int i = 0; i < 50; i++)
        cycle(); /* what the C library keeps is there by now */
    before = look();
    for (int i = 0; i < n; i++)
        cycle();
    expect_no_more(before, n, "cycles");
}
END_TEST

/* Steps, questions and checkpoints, as a search of hours goes on.  A campaign's
 * HNAS_STEPS are 20,000. */
static void long_search(struct life *l, int n)
{
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(life_step(l), HNAS_OK);
        if (i % 50)
            continue;
        ck_assert_int_eq(
            hnas_search_derive(&l->arch, l->search, 1e-3, HNAS_RULE_ARGMAX),
            HNAS_OK);
        hnas_arch_destroy(l->arch);
        l->arch = NULL;
        ck_assert_int_eq(hnas_search_save(l->search, fault_path("search"), ""),
                         HNAS_OK);
    }
}

START_TEST(a_long_search_holds_no_more_than_a_short_one)
{
    const int n = times("HNAS_STEPS", MANY);
    struct held before;
    struct life l;

    life_open(&l, 2);
    long_search(&l, 500); /* the largest draws of gates have been there */
    before = look();
    long_search(&l, n);
    expect_no_more(before, n, "steps");
    life_close(&l);
}
END_TEST

static void teardown(void)
{
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("hosts");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, NULL, teardown);
#ifndef __SANITIZE_THREAD__ /* it knows no threads of a child's own */
    tcase_add_test(t, a_child_goes_on_and_so_does_its_parent);
#endif
    tcase_add_test(t, a_child_may_release_at_once);
    tcase_add_test(t, eight_contexts_of_four_threads_share_two_cores);
    tcase_add_test(t, cancel_from_another_thread_loses_no_step);
    tcase_add_test(t, nothing_stays_after_create_and_destroy);
    tcase_add_test(t, a_long_search_holds_no_more_than_a_short_one);
    suite_add_tcase(s, t);
    return run_suite(s);
}
