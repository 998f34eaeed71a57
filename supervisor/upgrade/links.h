#pragma once
/*
 * The small durable marks in nodes/NAME that decide what runs: the links
 * `current` and `previous`, `staged/VERSION`, and `permit`. All functions take
 * the open directory nodes/NAME.
 */
#include <stdbool.h>
#include "util/fault.h"

/* The version that "current" or "previous" names. *ret NULL if there is no such link; -EBADMSG if it is odd.
 */
int release_link_read(int node_dirfd, const char *link, char **ret, Fault *reterr);

/* Durable, by rename. @version NULL removes the link. Only syncs if it already is so. */
int release_link_write(int node_dirfd, const char *link, const char *version, Fault *reterr);

/* The same, but durable only with the release_link_write() that follows: one sync does for both. */
int release_link_put(int node_dirfd, const char *link, const char *version, Fault *reterr);

/* -ENOENT: never accepted; -EBADMSG. The MANIFEST's digest that was accepted. */
int release_accepted_digest(int node_dirfd, const char *version, char ret[static 65], Fault *reterr);

/* The digest of releases/VERSION/MANIFEST as it is now. */
int release_manifest_digest(int node_dirfd, const char *version, char ret[static 65], Fault *reterr);

/* From here on the launcher may execute this release. */
int release_accept(int node_dirfd, const char *version, const char *digest, Fault *reterr);

/* Takes that back, durably. One that was never accepted is success. */
int release_unaccept(int node_dirfd, const char *version, Fault *reterr);

/* Versions in staged/, sorted, owned. */
int release_accepted_list(int node_dirfd, char ***ret, Fault *reterr);

/* Without a permit systemd refuses to start the node (AssertPathExists=). */
bool permit_exists(int node_dirfd);
int permit_write(int node_dirfd, Fault *reterr);
int permit_remove(int node_dirfd, Fault *reterr);
