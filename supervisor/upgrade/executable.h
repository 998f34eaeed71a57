#pragma once
/*
 * Why a file does not execute, in words: the kernel's errno says "No such
 * file or directory" for a missing ELF interpreter and "Exec format error"
 * for another machine's binary. Only explains; the kernel decides.
 */
#include "util/fault.h"

/* @r: execve()'s -errno for @path. Returns @r. */
int executable_explain(const char *path, int r, Fault *reterr);
