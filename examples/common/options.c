/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "program.h"

static void *field(const struct option *o, void *target)
{
    return (char *)target + o->offset;
}

/* A finite number that ends at one of the bytes in `ends`. */
static int read_real(double *out, const char **text, const char *ends)
{
    char *end;

    *out = strtod(*text, &end);
    if (end == *text || !isfinite(*out) || !strchr(ends, *end))
        return -1;
    *text = end;
    return 0;
}

static int is_inside(const struct option *o, double v)
{
    return v >= o->lo && v <= o->hi;
}

static int set_int(const struct option *o, int64_t *out, const char *value)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(value, &end, 10);
    if (errno || end == value || *end || !is_inside(o, (double)v))
        return -1;
    *out = v;
    return 0;
}

static int set_real(const struct option *o, double *out, const char *value)
{
    double v;

    if (read_real(&v, &value, "") < 0 || !is_inside(o, v))
        return -1;
    *out = v;
    return 0;
}

/* A alone leaves the second number as it is, but never above the first. */
static int set_pair(const struct option *o, double *out, const char *value)
{
    double a, b = out[1];

    if (read_real(&a, &value, ":") < 0 || !is_inside(o, a))
        return -1;
    if (*value == ':') {
        value++;
        if (read_real(&b, &value, "") < 0 || !is_inside(o, b))
            return -1;
    } else if (!o->bare) {
        return -1;
    } else if (*o->bare) {
        b = strtod(o->bare, NULL);
    } else if (b > a) {
        b = a;
    }
    out[0] = a;
    out[1] = b;
    return 0;
}

static int set_tau(const struct option *o, struct option_tau *out,
                   const char *value)
{
    struct option_tau t = {0, 0, 0, 0};

    if (read_real(&t.first, &value, ":") < 0 || !is_inside(o, t.first))
        return -1;
    t.last = t.first;
    if (*value == ':') {
        value++;
        t.schedule = HNAS_TAU_LINEAR;
        if (read_real(&t.last, &value, ":") < 0 || !is_inside(o, t.last))
            return -1;
    }
    if (*value == ':') {
        value++;
        if (!strcmp(value, "exp"))
            t.schedule = HNAS_TAU_EXP;
        else if (read_real(&t.fall, &value, "") == 0 && t.fall >= 0)
            t.schedule = HNAS_TAU_EPOCH;
        else if (strcmp(value, "linear"))
            return -1;
    }
    *out = t;
    return 0;
}

static int set_list(const struct option *o, struct option_list *out,
                    const char *value)
{
    struct option_list l = {0, {0}};

    for (;;) {
        double v;

        if (l.n == OPTION_LIST_MAX || read_real(&v, &value, ",") < 0 ||
            !is_inside(o, v))
            return -1;
        l.value[l.n++] = v;
        if (!*value)
            break;
        value++;
    }
    *out = l;
    return 0;
}

static int find_name(const char *const *names, const char *value)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], value))
            return i;
    return -1;
}

static int set_choice(const struct option *o, int32_t *out, const char *value)
{
    const int i = find_name(o->names, value);

    if (i < 0)
        return -1;
    *out = i;
    return 0;
}

static int set_switch(int32_t *out, const char *value)
{
    const int is_on = !strcmp(value, "on");

    if (!is_on && strcmp(value, "off"))
        return -1;
    *out = is_on;
    return 0;
}

static int set_value(const struct option *o, void *f, const char *value)
{
    switch (o->kind) {
    case OPTION_FLAG:
        *(int32_t *)f = 1;
        return 0;
    case OPTION_SWITCH:
        return set_switch(f, value);
    case OPTION_INT:
        return set_int(o, f, value);
    case OPTION_REAL:
        return set_real(o, f, value);
    case OPTION_CHOICE:
        return set_choice(o, f, value);
    case OPTION_TEXT:
        *(const char **)f = value;
        return *value ? 0 : -1;
    case OPTION_PAIR:
        return set_pair(o, f, value);
    case OPTION_TAU:
        return set_tau(o, f, value);
    case OPTION_LIST:
        return set_list(o, f, value);
    }
    return -1;
}

/* A range without end is none to be told. */
static void describe_numbers(const struct option *o, char *buffer, size_t size)
{
    const char *noun = o->kind == OPTION_INT    ? "an integer"
                       : o->kind == OPTION_REAL ? "a number"
                                                : "numbers";
    int n = snprintf(buffer, size, "%s, ", o->arg);

    if (o->kind == OPTION_LIST)
        n += snprintf(buffer + n, size - (size_t)n, "at most %d ",
                      OPTION_LIST_MAX);
    if (o->hi < 1e30)
        snprintf(buffer + n, size - (size_t)n, "%s in %.9g..%.9g", noun, o->lo,
                 o->hi);
    else
        snprintf(buffer + n, size - (size_t)n, "%s%s", noun,
                 o->lo < 0 ? "" : " from 0 on");
}

/* What a value should have been. */
static void describe(const struct option *o, char *buffer, size_t size)
{
    size_t n = 0;

    if (o->kind == OPTION_CHOICE) {
        for (int i = 0; o->names[i] && n < size; i++)
            n += (size_t)snprintf(buffer + n, size - n, "%s%s", i ? ", " : "",
                                  o->names[i]);
        return;
    }
    if (o->kind == OPTION_SWITCH)
        snprintf(buffer, size, "on or off");
    else if (o->kind == OPTION_TEXT || o->kind == OPTION_FLAG)
        snprintf(buffer, size, "%s", o->arg ? o->arg : "nothing");
    else
        describe_numbers(o, buffer, size);
}

static int set_option(const struct option *o, void *target, const char *value)
{
    char want[400];

    if (set_value(o, field(o, target), value) == 0)
        return 0;
    describe(o, want, sizeof want);
    return usage_error("--%s %.80s: want %s", o->name, *value ? value : "''",
                       want);
}

/* ---- reading a command line ---- */

static int find_option(const struct command_line *line, const char *name,
                       size_t length)
{
    for (int i = 0; i < line->n_options; i++)
        if (strlen(line->options[i].name) == length &&
            !strncmp(line->options[i].name, name, length))
            return i;
    return -1;
}

/* The value of an option: after '=', the next word, or the bare one. */
static int find_value(const struct option *o, const char *after,
                      const char *next, const char **value, int *used)
{
    *used = 0;
    *value = "";
    if (!o->arg) {
        if (after)
            return usage_error("--%s=%.80s: takes no value", o->name, after);
        return 0;
    }
    if (after) {
        *value = after;
        return 0;
    }
    if (o->bare && o->kind != OPTION_PAIR &&
        (!next || !strncmp(next, "--", 2))) {
        *value = o->bare;
        return 0;
    }
    if (!next) {
        char want[400];

        describe(o, want, sizeof want);
        return usage_error("--%s: needs a value, %s", o->name, want);
    }
    *value = next;
    *used = 1;
    return 0;
}

static int read_option(struct command_line *line, void *target,
                       const char *word, const char *next, int *used)
{
    const char *name = word + 2, *value;
    const size_t length = strcspn(name, "=");
    const int i = find_option(line, name, length);
    int rc;

    if (i < 0)
        return usage_error("%.80s: unknown option; --help lists them", word);
    rc = find_value(&line->options[i], name[length] ? name + length + 1 : NULL,
                    next, &value, used);
    if (rc)
        return rc;
    line->given[i] = 1;
    return set_option(&line->options[i], target, value);
}

int options_parse(struct command_line *line, void *target, int argc,
                  char **argv)
{
    int only_words = 0;

    line->n_words = 0;
    for (int i = 1; i < argc; i++) {
        int used = 0, rc;

        if (!only_words && !strcmp(argv[i], "--help"))
            return OPTIONS_HELP;
        if (!only_words && !strcmp(argv[i], "--version"))
            return OPTIONS_VERSION;
        if (!only_words && !strcmp(argv[i], "--")) {
            only_words = 1;
        } else if (!only_words && !strncmp(argv[i], "--", 2)) {
            rc = read_option(line, target, argv[i],
                             i + 1 < argc ? argv[i + 1] : NULL, &used);
            if (rc)
                return rc;
            i += used;
        } else if (line->n_words == line->most_words ||
                   (!only_words && argv[i][0] == '-')) {
            return usage_error("%.80s: unexpected; --help lists the options",
                               argv[i]);
        } else if (!*argv[i]) {
            return usage_error("'': want a name; --help lists the options");
        } else {
            line->words[line->n_words++] = argv[i];
        }
    }
    return 0;
}

/* ---- writing ---- */

static void write_field(struct json *j, const struct option *o, const void *f)
{
    const struct option_tau *tau = f;
    const struct option_list *list = f;
    const double *pair = f;
    char text[80];
    int n;

    switch (o->kind) {
    case OPTION_FLAG:
    case OPTION_SWITCH:
        json_bool(j, *(const int32_t *)f);
        break;
    case OPTION_INT:
        json_int(j, *(const int64_t *)f);
        break;
    case OPTION_REAL:
        json_real(j, *pair);
        break;
    case OPTION_CHOICE:
        json_string(j, o->names[*(const int32_t *)f]);
        break;
    case OPTION_TEXT:
        json_string(j, *(const char *const *)f);
        break;
    case OPTION_PAIR:
        snprintf(text, sizeof text, "%.17g:%.17g", pair[0], pair[1]);
        json_string(j, text);
        break;
    case OPTION_TAU:
        n = snprintf(text, sizeof text, "%.17g:%.17g%s", tau->first, tau->last,
                     tau->schedule == HNAS_TAU_EXP ? ":exp" : "");
        if (tau->schedule == HNAS_TAU_EPOCH)
            snprintf(text + n, sizeof text - (size_t)n, ":%.17g", tau->fall);
        json_string(j, text);
        break;
    case OPTION_LIST:
        json_open(j, '[');
        for (int32_t i = 0; i < list->n; i++)
            json_real(j, list->value[i]);
        json_close(j, ']');
        break;
    }
}

void option_write(const struct option *o, const void *target, char *buffer,
                  size_t size)
{
    FILE *f = fmemopen(buffer, size, "w");
    struct json j;

    buffer[0] = '\0';
    if (!f)
        return;
    json_begin(&j, f);
    write_field(&j, o, (const char *)target + o->offset);
    fclose(f);
    buffer[size - 1] = '\0';
}

void options_help(const struct command_line *line)
{
    printf("usage: %s %s\n\n%s\n\n", line->program, line->usage, line->about);
    for (int i = 0; i < line->n_options; i++) {
        const struct option *o = &line->options[i];
        char left[120];

        snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
        if (strlen(left) > 26)
            printf("  %s\n%30s%s\n", left, "", o->help);
        else
            printf("  %-28s%s\n", left, o->help);
    }
    printf("  %-28s%s\n  %-28s%s\n", "--help", "print this", "--version",
           "print library, kernels, matrix products, BLIS and threads");
}

int option_restore(const struct option *o, void *target, char *value)
{
    char *text;

    if (o->kind == OPTION_FLAG || o->kind == OPTION_SWITCH) {
        *(int32_t *)((char *)target + o->offset) = !strcmp(value, "true");
        return 0;
    }
    if (*value == '"')
        json_unquote(value);
    if (*value == '[') {
        memmove(value, value + 1, strlen(value));
        value[strcspn(value, "]")] = '\0';
        if (!*value) {
            ((struct option_list *)field(o, target))->n = 0;
            return 0;
        }
    }
    text = strdup(value); /* lives as long as the program */
    return text ? set_option(o, target, text) : failure("out of memory");
}
