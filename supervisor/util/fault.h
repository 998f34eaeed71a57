#pragma once
/*
 * The operator's text of an error. Return codes decide, a Fault explains:
 * functions that can fail for a reason worth telling take `Fault *reterr`,
 * which may be NULL. A Fault is written once, at the place that knows, and
 * may be prefixed by callers that know the larger object.
 */
#include "util/cleanup.h"

typedef struct Fault {
        char *text; /* owned; NULL while nothing went wrong or memory ran out */
} Fault;

/* Replaces the text. @reterr may be NULL. Returns @r, so that `return fault_set(reterr, -EINVAL, ...)`
 * reads. */
int fault_set(Fault *reterr, int r, const char *format, ...) _printf_(3, 4);

/* As fault_set(), with ": " and strerror(-r) appended. */
int fault_errno(Fault *reterr, int r, const char *format, ...) _printf_(3, 4);

/* Puts "text: " before what is there, or sets text alone if nothing is. Returns @r. */
int fault_prefix(Fault *reterr, int r, const char *format, ...) _printf_(3, 4);

/* Never NULL: the text, or strerror(-r) where there is none. */
const char *fault_text(const Fault *fault, int r);

void fault_done(Fault *fault);
#define cleanup_fault_ cleanup_(fault_done)
