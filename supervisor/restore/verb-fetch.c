/*
 * The mark of the job is written before the first byte of the snapshot and
 * `.muster-complete` when all is durable (snapshot/incoming.h), so a crash leaves a
 * tree to be continued, which is never exchanged. With it stands what the result
 * said, for a musterd that missed it.
 *
 * The unit sees the data directory read-only, as a mount of its own: where the
 * incoming tree has to be is therefore told by the order ("place", of the verb
 * `place` of muster-restore@) and not looked for here.
 */
#include "restore/fetch-work.h"
#include "restore/verbs.h"
#include "snapshot/children.h"
#include "snapshot/incoming.h"
#include "snapshot/marker.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>

static int incoming_of_order(const Work *w, Incoming *ret, Fault *reterr) {
        Incoming in = { .state = w->state, .subject = &w->subject, .protect = w->protect };
        cleanup_free_ char *inside = NULL, *beside = NULL;
        const char *place = json_str(w->order, "place");
        bool mounted;
        int r;

        r = work_member(w, "restore", &in.job, reterr);
        if (r >= 0)
                r = exchange_place(w->subject.data, w->state, w->state_fd, &in.data_name, &mounted, reterr);
        if (r < 0)
                return r;
        if (asprintf(&beside, "%s/incoming", w->state) < 0) {
                beside = NULL;
                return -ENOMEM;
        }
        if (asprintf(&inside, "%s/" INCOMING_INSIDE, w->subject.data) < 0) {
                inside = NULL;
                return -ENOMEM;
        }
        in.inside = str_eq(place, inside);
        if (place && !in.inside && !str_eq(place, beside))
                return fault_set(reterr, -EINVAL, "The order's place is '%s', expected '%s' or '%s'", place,
                                 beside, inside);
        *ret = in;
        return 0;
}

static int read_options(const Work *w, FetchOptions *o, char ***sources, Fault *reterr) {
        const char *const texts[] = { "manifest", "sha256", "signers", "signers_name", "prefix" };
        const char **const fields[] = { &o->manifest, &o->sha256, &o->signers, &o->signers_name,
                                        &o->prefix };
        uint64_t connections = 0;

        o->prefix = "auto";
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                *fields[i] = json_str(w->order, texts[i]) ?: *fields[i];
        if (json_strv(w->order, "sources", sources) < 0 || strv_length(*sources) == 0)
                return fault_set(reterr, -EBADMSG, "The order's \"sources\" is not a list of texts");
        if (json_u64(w->order, "limit_rate", &o->limit_rate) == -EBADMSG ||
            json_u64(w->order, "connections", &connections) == -EBADMSG || connections > UINT16_MAX)
                return fault_set(
                        reterr, -EBADMSG,
                        "The order's \"limit_rate\" or \"connections\" is no number that is expected");
        o->sources = *sources;
        o->connections = (unsigned) connections;
        o->allow_unsigned = json_bool(w->order, "unsigned");
        o->chain = w->subject.domain && *w->subject.domain ? w->subject.domain : NULL;
        o->family = json_str(w->order, "family");
        o->seed = json_bool(w->order, "seed") ? w->subject.data : NULL;
        return 0;
}

static int put_report(Work *w, const FetchReport *report) {
        const struct {
                const char *key;
                uint64_t value;
        } numbers[] = {
                { "archive_size", report->archive_size },
                { "plain_size", report->plain_size },
                { "files", report->files },
                { "received", report->received },
                { "rejected", report->rejected },
                { "seeded", report->seeded },
                { "ignored", report->ignored },
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (json_put_u64(w->result, numbers[i].key, numbers[i].value) < 0)
                        return -ENOMEM;
        if (report->height >= 0 && json_put_u64(w->result, "height", (uint64_t) report->height) < 0)
                return -ENOMEM;
        return json_put_bool(w->result, "framed", report->framed) < 0 ||
                               json_put_bool(w->result, "resumed", report->resumed) < 0 ||
                               json_put_str(w->result, "signed_by", report->signed_by) < 0 ||
                               json_put_str(w->result, "chain", report->chain) < 0
                       ? -ENOMEM
                       : 0;
}

static int say_report(Work *w, const FetchReport *report) {
        char received[SIZE_TEXT_MAX], plain[SIZE_TEXT_MAX], seeded[SIZE_TEXT_MAX];

        format_size(received, report->received);
        format_size(plain, report->plain_size);
        format_size(seeded, report->seeded);
        return work_say(w, "%s downloaded, %s in %" PRIu64 " files unpacked%s%s%s%s", received, plain,
                        report->files, report->seeded > 0 ? ", of it taken from the live data: " : "",
                        report->seeded > 0 ? seeded : "", report->signed_by ? "; signed by " : "",
                        report->signed_by ?: "");
}

/* A full disk or no mirror, and what is there can be gone on with. */
static int put_retry(Work *w, const FetchWatch *watch, int fd, int failure) {
        if ((failure != -ENOSPC && failure != -EREMOTEIO) ||
            faccessat(fd, FETCH_PARTIAL, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return json_put_bool(w->result, "retry", true) < 0 ||
                               json_put_bool(w->result, "full", failure == -ENOSPC) < 0 ||
                               json_put_bool(w->result, "gained", watch->has > watch->had) < 0
                       ? -ENOMEM
                       : 0;
}

static int fetch_into(Work *w, const Incoming *in, int fd, Fault *reterr) {
        cleanup_strv_ char **sources = NULL, **protect = NULL;
        cleanup_(fetch_report_done) FetchReport report = { 0 };
        cleanup_fetch_watch_ FetchWatch watch = { 0 };
        cleanup_free_ char *name = incoming_name(in), *path = NULL, *note = NULL;
        FetchOptions o = { .into_fd = fd };
        int r;

        if (!name || asprintf(&path, "%s/%s", w->state, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_options(w, &o, &sources, reterr);
        if (r >= 0)
                r = fetch_patterns(w, &protect);
        if (r >= 0)
                r = fetch_watch_init(&watch, w, "downloading", &o.control);
        if (r < 0)
                return r;
        o.into = path;
        o.protect = protect;
        r = fetch_snapshot(&o, &report, reterr);
        if (r == FETCH_SNAPSHOT_E_REFUSED && json_put_bool(w->result, "refused", true) < 0)
                return -ENOMEM;
        if (put_retry(w, &watch, fd, r) < 0)
                return -ENOMEM;
        if (r != 0)
                return r;
        if (put_report(w, &report) < 0 || say_report(w, &report) < 0)
                return -ENOMEM;
        note = json_dumps(w->result, JSON_COMPACT);
        return note ? incoming_complete(in, fd, strlen(note) < MARKER_MAX / 2 ? note : NULL, reterr)
                    : -ENOMEM;
}

/* The pipeline's own marks are gone when all is durable (archive/fetch.h); only ours was not written any
 * more. */
static bool is_unpacked(int fd) {
        return children_any(fd) > 0 && faccessat(fd, FETCH_PARTIAL, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
               errno == ENOENT;
}

static int take_what_is_there(Work *w, int fd) {
        cleanup_free_ char *note = incoming_note(fd);
        cleanup_json_ json_t *result = note ? json_loads(note, 0, NULL) : NULL;

        if ((result && json_object_update(w->result, result) < 0) ||
            json_put_bool(w->result, "already", true) < 0)
                return -ENOMEM;
        return work_say(w, "the snapshot was already there, complete");
}

int work_fetch(Work *w, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        bool complete = false;
        Incoming in;
        int r;

        r = incoming_of_order(w, &in, reterr);
        if (r >= 0)
                r = incoming_open(&in, &fd, &complete, reterr);
        if (r >= 0 && !complete && is_unpacked(fd)) {
                r = incoming_complete(&in, fd, NULL, reterr);
                complete = true;
        }
        if (r < 0)
                return r;
        return complete ? take_what_is_there(w, fd) : fetch_into(w, &in, fd, reterr);
}
