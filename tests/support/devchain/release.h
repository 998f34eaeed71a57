#pragma once
/*
 * What release this executable is. make-release appends to a copy of the ELF file:
 *
 *      <newline>
 *      devchain-release
 *      version 1.2.0
 *      data-version 2
 *      fault stall@10                  (any number)
 *      devchain-release-end 00000071   (last 30 bytes: length of the lines above, from
 *                                       "devchain-release" on, in decimal)
 *
 * so that releases differ in their digests and carry their own ills.
 */

#define RELEASE_VERSION_DEFAULT      "1.0.0"
#define RELEASE_DATA_VERSION_DEFAULT 1

typedef struct Release {
        char version[64];
        unsigned data_version;
        char faults[2048]; /* as fault.h reads them, one a line */
} Release;

/* Reads /proc/self/exe. Without a trailer the defaults. -EINVAL for a broken trailer, -errno else. */
int release_read(Release *ret);
