#pragma once
/*
 * The faults of one configuration file, gathered so that an operator sees all
 * of them at once: "FILE:LINE: KEY: what was expected", by line, at most 20.
 */
#include <stdbool.h>
#include <stddef.h>
#include "util/fault.h"

#define CONFIG_FAULTS_SHOWN 20

typedef struct ConfigFault {
        unsigned line;
        char *text;
} ConfigFault;

typedef struct FaultList {
        const char *path; /* borrowed */
        ConfigFault *items;
        size_t n;
        size_t n_more; /* beyond what is kept */
        bool oom;
} FaultList;

/* @key may be NULL. Running out of memory is remembered and told by fault_list_report(). */
void fault_list_add(FaultList *list, unsigned line, const char *key, const char *format, ...) _printf_(4, 5);

/* 0 if there are none; -EINVAL with all of them, one a line; -ENOMEM. */
int fault_list_report(FaultList *list, Fault *reterr);

void fault_list_done(FaultList *list);
#define cleanup_fault_list_ cleanup_(fault_list_done)
