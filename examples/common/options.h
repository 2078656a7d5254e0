/* SPDX-License-Identifier: BSD-3-Clause */
/* Command lines from a table: one row an option, one field of a struct a
 * row.  The same rows write the settings down and compare them later. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

/* What an option's value is, and the field that holds it. */
enum option_kind {
    OPTION_FLAG,   /* int32_t: 1 where the option stands */
    OPTION_SWITCH, /* int32_t: on or off */
    OPTION_INT,    /* int64_t in lo..hi */
    OPTION_REAL,   /* double in lo..hi */
    OPTION_CHOICE, /* int32_t: index into names */
    OPTION_TEXT,   /* const char * into argv */
    OPTION_PAIR,   /* double[2]: A:B, or A alone where `bare` allows it */
    OPTION_TAU,    /* struct option_tau: A, A:B, A:B:linear, A:B:exp, A:B:F */
    OPTION_LIST    /* struct option_list: numbers between commas */
};

/* A temperature and how it moves; schedule as HNAS_TAU_. */
struct option_tau {
    double first, last, fall; /* fall: an epoch, with HNAS_TAU_EPOCH */
    int32_t schedule;
};

#define OPTION_LIST_MAX 64

struct option_list {
    int32_t n;
    double value[OPTION_LIST_MAX];
};

struct option {
    const char *name; /* without the dashes */
    const char *arg;  /* what the help calls the value, NULL: none */
    const char *help;
    enum option_kind kind;
    size_t offset;            /* of the field */
    double lo, hi;            /* of numbers */
    const char *const *names; /* of a choice, NULL at the end */
    const char *bare;         /* the value where none follows, NULL: needed; of
                               * A alone: B, "": as it is, at most A */
    int32_t is_free;          /* 1: no part of the saved settings */
};

/* A program's command line. */
struct command_line {
    const char *program; /* as "hnas-search" */
    const char *usage;   /* the line after "usage: " */
    const char *about;   /* a paragraph */
    const struct option *options;
    int32_t n_options;
    int32_t most_words;   /* arguments that are no option */
    const char **words;   /* where they go */
    int32_t n_words;      /* how many came */
    unsigned char *given; /* n_options: 1 where an option stood */
};

/* Read argv into `target`.  0, 2 after a message, or one of these. */
enum { OPTIONS_HELP = 3, OPTIONS_VERSION = 4 };
int options_parse(struct command_line *line, void *target, int argc,
                  char **argv);

/* Cut a list between commas into at most `most` names, in place; each stands
 * there once.  0, or 2 after a message. */
int option_split(const char *option, char *text, const char **names,
                 int32_t most, int32_t *n);

/* Refuse a text that a file can't keep, before hours of work that it is to
 * name.  0, or 2 after a message. */
int option_check_text(const char *name, const char *text);

/* Write a field as a JSON value. */
void option_write(const struct option *option, const void *target, char *buffer,
                  size_t size);

/* Take back what option_write wrote; value is overwritten.  0, or an exit
 * status after a message. */
int option_restore(const struct option *option, void *target, char *value);

/* Print the help. */
void options_help(const struct command_line *line);

#endif
