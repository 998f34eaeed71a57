/*
 * Nothing of an order is obeyed before the directory that it names is known to
 * be this node's own. A crash leaves what the verb leaves and no result file,
 * which musterd reads as a failure.
 */
#include "restore/work.h"
#include "restore/verbs.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

static void work_done(Work *w) {
        json_decref(w->order);
        json_decref(w->result);
        cleanup_closep(&w->node_fd);
        cleanup_closep(&w->state_fd);
        strv_free(w->protect);
        free(w->text);
}

int work_say(Work *w, const char *format, ...) {
        va_list ap;

        free(w->text);
        va_start(ap, format);
        w->text = str_vformat(format, ap);
        va_end(ap);
        return w->text ? 0 : -ENOMEM;
}

int work_member(const Work *w, const char *key, const char **ret, Fault *reterr) {
        *ret = json_str(w->order, key);
        return *ret ? 0 : fault_set(reterr, -EBADMSG, "The order has no text \"%s\"", key);
}

int work_open_node(const char *name, int *ret_node_fd, int *ret_state_fd, Fault *reterr) {
        cleanup_free_ char *path = NULL;

        if (asprintf(&path, MUSTER_STATEDIR "/nodes/%s", name) < 0)
                return -ENOMEM;
        *ret_node_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret_node_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", path);
        *ret_state_fd = openat(*ret_node_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_state_fd < 0 ? fault_errno(reterr, -errno, "Failed to open '%s/state'", path) : 0;
}

/* An order for another directory than this node's own is not obeyed. */
static int check_state(const Work *w, Fault *reterr) {
        struct stat ordered, own;

        if (stat(w->state, &ordered) < 0 || fstat(w->state_fd, &own) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", w->state);
        if (ordered.st_dev != own.st_dev || ordered.st_ino != own.st_ino)
                return fault_set(reterr, -EXDEV,
                                 "The order names the state directory '%s', which is not the one of "
                                 "node '%s'",
                                 w->state, w->name);
        return 0;
}

static int read_common(Work *w, Fault *reterr) {
        GuardSubject *s = &w->subject;
        const char *family;
        int r;

        r = work_member(w, "family", &family, reterr);
        if (r >= 0)
                r = work_member(w, "data", &s->data, reterr);
        if (r >= 0)
                r = work_member(w, "state", &w->state, reterr);
        if (r >= 0)
                r = work_member(w, "role", &s->role, reterr);
        if (r >= 0)
                r = work_member(w, "signer", &s->signer, reterr);
        if (r < 0)
                return r;
        if (json_strv(w->order, "protect", &w->protect) < 0)
                return fault_set(reterr, -EBADMSG, "The order's \"protect\" is not a list of texts");
        w->family = chain_family_by_name(family);
        if (!w->family)
                return fault_set(reterr, -EINVAL, "The order's family is '%s', expected one of %s", family,
                                 chain_family_names());
        r = work_open_node(w->name, &w->node_fd, &w->state_fd, reterr);
        if (r >= 0)
                r = check_state(w, reterr);
        s->node = w->name;
        s->domain = json_str(w->order, "domain");
        s->node_dirfd = w->node_fd;
        s->state_dirfd = w->state_fd;
        chain_family_subject(w->family, s);
        return r;
}

int work_put_position(Work *w, const SigningPosition *p) {
        json_t *position = p->height < 0
                                   ? json_null()
                                   : json_pack("{s:I,s:I,s:I}", "height", (json_int_t) p->height, "round",
                                               (json_int_t) p->round, "step", (json_int_t) p->step);

        return json_object_set_new(w->result, "position", position) < 0 ? -ENOMEM : 0;
}

int work_measure_data(const Work *w, TreeStats *ret, Fault *reterr) {
        cleanup_fd_ int fd = open(w->subject.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        *ret = (TreeStats){ 0 };
        if (fd < 0)
                return errno == ENOENT ? 0
                                       : fault_errno(reterr, -errno, "Failed to open '%s'", w->subject.data);
        return tree_measure(fd, ret, reterr);
}

void work_show_copy(const TreeStats *done, void *userdata) {
        const Work *w = userdata;
        char of[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX];

        if (w->total > 0 && done->bytes <= w->total)
                worker_progress(false, "%" PRIu64 "%% copying the data: %s of %s",
                                (uint64_t) ((double) done->bytes * 100 / (double) w->total),
                                format_size(of, done->bytes), format_size(total, w->total));
        else
                worker_progress(false, "copying the data: %s, %" PRIu64 " files",
                                format_size(of, done->bytes), done->files);
}

static int run_verb(Work *w, const WorkVerb *verbs, Fault *reterr) {
        const char *verb = json_str(w->order, "verb");
        int r;

        r = read_common(w, reterr);
        if (r < 0)
                return r;
        for (const WorkVerb *v = verbs; v->name; v++)
                if (str_eq(verb, v->name))
                        return v->run(w, reterr);
        return fault_set(reterr, -EINVAL, "This worker has no verb '%s'", verb);
}

int work_run(WorkerKind kind, const char *name, const WorkVerb *verbs) {
        cleanup_(work_done)
                Work w = { .name = name, .node_fd = -1, .state_fd = -1, .result = json_object() };
        cleanup_fault_ Fault fault = { 0 }, unwritten = { 0 };
        int r, k;

        if (!w.result)
                return -ENOMEM;
        r = worker_order_read(kind, name, &w.order, &fault);
        if (r < 0) {
                fprintf(stderr, "%s\n", fault_text(&fault, r));
                return r;
        }
        r = run_verb(&w, verbs, &fault);
        worker_progress(true, "%s", "");
        if (r != 0)
                fprintf(stderr, "Failed to %s '%s': %s\n", json_str(w.order, "verb"), name,
                        fault_text(&fault, r));
        k = worker_result_write(kind, name, json_str(w.order, "job"), r == 0,
                                r == 0 ? w.text : fault_text(&fault, r), w.result, &unwritten);
        if (k < 0)
                fprintf(stderr, "%s\n", fault_text(&unwritten, k));
        return k;
}

int restore_work(const char *name) {
        static const WorkVerb verbs[] = {
                { "guard", work_guard },
                { "probe", work_probe },
                { "backup", work_backup },
                { "restore", work_restore },
                { "discard", work_discard },
                { "rehearse", work_rehearse },
                { "place", work_place },
                { "exchange", work_exchange },
                { "exchange-back", work_exchange_back },
                { "drop", work_drop },
                { 0 },
        };

        return work_run(WORKER_RESTORE, name, verbs);
}
