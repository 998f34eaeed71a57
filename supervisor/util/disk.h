#pragma once
/*
 * How much of a disk muster may take for itself. A node lives on it too, and
 * the last bytes belong to the node: a full disk stops a validator.
 */
#include <stdint.h>

/* What is left to the node: a twentieth of the file system, at most this. */
#define DISK_RESERVE_MAX ((uint64_t) 512 << 20)

/* Bytes that may still be written to the file system of @fd; UINT64_MAX where they are not counted. 0 or
 * -errno. */
int disk_room(int fd, uint64_t *ret);
