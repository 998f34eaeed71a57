#pragma once
/*
 * A JOB as people read it, and waiting for one.
 */
#include "musterctl/screen.h"
#include "musterctl/watch.h"

#define JOB_PATIENCE (60 * USEC_PER_SEC) /* musterd may be away this long while a job is waited for */

/* "upgrade 1.7.0 → 1.7.1", "stage 1.7.1". Owned; NULL without memory. */
char *job_title(const Screen *screen, const json_t *job);

/*
 * "armed → draining → stopping → [guarding] → switching ...": the states that
 * @events (EVENT array, may be NULL) show for this job, the present one, and
 * what comes if all goes well, within @width columns (0: no limit).
 */
void job_chain_put(FILE *f, const Screen *screen, const json_t *job, const json_t *events, unsigned width);

/* "42% fetching..." -> 42 and the text behind; -1 without a share. *ret_text is borrowed, never NULL. */
int job_progress(const char *progress, const char **ret_text);

/* "[=====>     ]  42% fetching..." in at most @width columns; without a share the text alone. */
void job_bar_put(FILE *f, const Screen *screen, const char *progress, unsigned width);

/* "kcn1: committed: runs 1.7.1 (was 1.7.0), 2.31s of downtime", in the tone of its end. */
void job_end_put(FILE *f, const Screen *screen, const char *node, const json_t *job);

/*
 * Waits until the job is over, showing its transitions and, on a terminal, its
 * progress (nothing of both with --json). @job is what is known of it: id, kind,
 * version; *ret is the JOB as it ended.
 * CTL_DETACHED after Ctrl-C; CTL_AWAY when musterd stays away.
 */
int job_wait(Daemon *daemon, Watch *watch, const char *node, const json_t *job, json_t **ret, Fault *reterr);

/*
 * What a verb does with its job: waits and reports its end (JSON or text), and
 * returns the verb's exit status; prints what goes wrong. @watch was made
 * before the job; NULL: does not wait, says only that it was accepted.
 */
int job_follow(Daemon *daemon, Watch *watch, const char *node, const char *id, const char *kind,
               const char *version);
