#pragma once
/*
 * What the commands create, verify and inspect of muster-restore share: their
 * options, how they fail, how they show where they are.
 */
#include <stdbool.h>
#include "archive/fetch.h"
#include "archive/manifest.h"
#include "restore/commands.h"
#include "restore/progress-bar.h"
#include "util/json.h"

/* Shows an error as text or as {"error","exit"} and returns @code. */
int snapshot_fail(bool json, int code, int r, const Fault *fault);

/* Prints @object and a line break on stdout; takes it over. EXIT_SUCCESS, or EXIT_FAILURE without memory. */
int snapshot_print(json_t *object);

/* "2027-01-31", "2027-01-31T12:00:00Z", or a duration from now on as "90d"; seconds since 1970. -EINVAL. */
int snapshot_parse_time(const char *text, uint64_t *ret);

/*
 * What no snapshot may hold: keys and signing state of every chain family, also where
 * the directory is the one above or below the data directory, what else is the
 * node's own in @family (NULL: any), and @operators. Owned strv. -EINVAL: no such family.
 */
int snapshot_protect(const char *family, char *const *operators, char ***ret, Fault *reterr);

/* The file @path as a manifest. */
int snapshot_open_manifest(const char *path, Manifest **ret, Fault *reterr);

/* Progress and notices on stderr; SIGINT and SIGTERM cancel. */
typedef struct SnapshotShow {
        FetchControl control;
        ProgressBar bar;
        bool quiet;
} SnapshotShow;

void snapshot_show_init(SnapshotShow *show, bool quiet);
