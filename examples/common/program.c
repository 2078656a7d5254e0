/* SPDX-License-Identifier: BSD-3-Clause */
#include "program.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ranks.h"

static const char *program = "hnas";
static volatile sig_atomic_t interrupted;
static int agreed;

void program_begin(const char *name)
{
    program = name;
}

static void say(const char *format, va_list args)
{
    char line[2048];

    vsnprintf(line, sizeof line, format, args);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; /* of a file's name: a message is one line */
    fprintf(stderr, "%s: %s\n", program, line);
}

int failure(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_FAILED;
}

void note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

int program_end(int status)
{
    const int is_lost = fflush(stdout) || ferror(stdout);

    if (is_lost && status == EXIT_DONE)
        return failure("standard output: can't be written");
    return status == EXIT_INTERRUPTED && interrupted == SIGTERM
               ? EXIT_TERMINATED
               : status;
}

int usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_USAGE;
}

/* A status that came without a message. */
static const char *words_of(hnas_status status)
{
    switch (status) {
    case HNAS_E_NOMEM:
        return "out of memory";
    case HNAS_E_THREAD:
        return "the system starts no more threads";
    default:
        return hnas_status_name(status);
    }
}

int library_failure(hnas_context *ctx, hnas_status status, int is_setting)
{
    const char *message = ctx ? hnas_context_message(ctx) : "";
    const int is_value = status == HNAS_E_RANGE || status == HNAS_E_NAME ||
                         status == HNAS_E_UNSUPPORTED || status == HNAS_E_SHAPE;

    if (status == HNAS_E_STOPPED && is_interrupted())
        return EXIT_INTERRUPTED; /* as asked */
    failure("%s", *message ? message : words_of(status));
    return is_setting && is_value ? EXIT_USAGE : EXIT_FAILED;
}

/* Whether a call that computes is to end at once.  Ranks end together, between
 * steps. */
static int32_t ask_interrupt(void *user)
{
    (void)user;
    return ranks_count() == 1 && interrupted != 0;
}

/* The number behind `word` in a file, or that it begins with without one; 0:
 * there is none. */
static double number_in(const char *path, const char *word)
{
    FILE *f = fopen(path, "r");
    char line[256];
    double value = 0;

    while (f && !value && fgets(line, sizeof line, f))
        if (!strncmp(line, word, strlen(word)))
            value = strtod(line + strlen(word), NULL);
    if (f)
        fclose(f);
    return value > 0 ? value : 0; /* "max" too */
}

/* Bytes that the system can give, so that more is refused instead of the
 * program being killed for it; 0: it does not tell. */
static size_t available_bytes(void)
{
    static const char *const group[] = {
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    };
    double bytes = 1024 * (number_in("/proc/meminfo", "MemAvailable:") +
                           number_in("/proc/meminfo", "SwapFree:"));

    for (size_t i = 0; i < sizeof group / sizeof *group; i++) {
        const double most = number_in(group[i], "");

        if (most && (!bytes || most < bytes))
            bytes = most;
    }
    return bytes < 9e18 ? (size_t)bytes : 0;
}

int program_open(hnas_context **out, int64_t threads, int64_t seed)
{
    hnas_context_opts opts;
    hnas_status st;

    hnas_context_opts_init(&opts, sizeof opts);
    opts.n_threads = (int32_t)threads;
    opts.seed = (uint64_t)seed;
    opts.poll = ask_interrupt;
    opts.memory_limit = available_bytes();
    st = hnas_context_create(out, &opts);
    if (st < 0)
        return failure("--threads %lld: %s", (long long)threads, words_of(st));
    return 0;
}

/* What BLIS would be, whether or not it is what the context chose. */
static void print_blis(void)
{
    const char *version = hnas_blis_version();
    hnas_context_opts opts;
    hnas_context *ctx;

    hnas_context_opts_init(&opts, sizeof opts);
    opts.gemm = HNAS_GEMM_BLIS;
    if (!version || hnas_context_create(&ctx, &opts) < 0) {
        printf("BLIS: none\n");
        return;
    }
    printf("BLIS: %s%s\n", version, /* "blis", and the architecture it knows */
           hnas_context_get_gemm(ctx) + strlen("blis"));
    hnas_context_destroy(ctx);
}

int program_version(int64_t threads)
{
    hnas_context *ctx;
    int rc = program_open(&ctx, threads, 0);

    if (rc)
        return rc;
    printf("%s %s (ABI %d)\nkernels: %s\nmatrix products: %s\n", program,
           hnas_version(), (int)hnas_abi(), hnas_context_get_kernels(ctx),
           hnas_context_get_gemm(ctx));
    print_blis();
    printf("threads: %d\n", (int)hnas_context_get_threads(ctx));
    hnas_context_destroy(ctx);
    return EXIT_DONE;
}

double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t peak_bytes(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *values, int64_t n)
{
    if (n < 1)
        return NAN;
    qsort(values, (size_t)n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

static void on_interrupt(int number)
{
    interrupted = number;
}

void catch_interrupt(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int tell_interrupted(int32_t json)
{
    if (json)
        printf("{\"interrupted\": true}\n");
    return EXIT_INTERRUPTED;
}

int was_interrupted_here(void)
{
    return interrupted != 0;
}

void set_interrupted(void)
{
    agreed = 1;
}

/* Ranks stop together: at a step, where they hear of each other. */
int is_interrupted(void)
{
    return ranks_count() > 1 ? agreed : interrupted != 0;
}
