#pragma once
/*
 * What may be a release's binary: ELF of this machine's architecture, or a
 * script that names its interpreter.
 */
#include <stdbool.h>
#include <stddef.h>
#include "util/fault.h"

#define BINARY_HEAD 64 /* bytes that decide */

/* Whether @head begins as ELF or "#!". */
bool binary_is_bare(const void *head, size_t size);

/* 0, or -ENOEXEC: the fault names @path and both architectures, or what was expected. Reads by pread(). */
int binary_check(int fd, const char *path, Fault *reterr);
