/*
 * What keeps a rehearsal from being a second validator: it has no key and no
 * signing state, it has no network but loopback (checked here, not assumed of
 * the unit), and it is not started unless the arguments could be turned to the
 * copy. A crash leaves state/rehearsal, which the next rehearsal removes.
 */
#include "restore/rehearse.h"
#include "guard/match.h"
#include "http/ask.h"
#include "http/url.h"
#include "snapshot/protect.h"
#include "restore/child.h"
#include "restore/probe.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define COPY          "rehearsal"
#define HOME_COPY     "rehearsal-home"
#define POLL_EVERY    (200 * USEC_PER_MSEC)
#define RPC_TIMEOUT   (2 * USEC_PER_SEC)
#define STOP_PATIENCE (30 * USEC_PER_SEC)

void rehearsal_report_done(RehearsalReport *report) {
        free(report->output);
        report->output = NULL;
}

/* Tunnels that the kernel puts into every network namespace are there, but down. */
static int is_up(int fd, const char *name) {
        struct ifreq request = { 0 };

        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return errno == ENODEV ? 0 : -errno;
        return (request.ifr_flags & IFF_UP) != 0;
}

/* By /proc, since /sys shows the host's and the unit may have no netlink. */
static int check_no_network(Fault *reterr) {
        cleanup_fclose_ FILE *f = fopen("/proc/self/net/dev", "re");
        cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        cleanup_free_ char *line = NULL;
        size_t room = 0;

        if (!f || fd < 0)
                return fault_errno(reterr, -errno, "Failed to list the network interfaces");
        while (getline(&line, &room, f) > 0) {
                char *name = line + strspn(line, " "), *end = strchr(name, ':');
                int up;

                if (!end) /* the two heading lines */
                        continue;
                *end = 0;
                up = str_eq(name, "lo") ? 0 : is_up(fd, name);
                if (up < 0)
                        return fault_errno(reterr, up, "Failed to ask for the network interface '%s'", name);
                if (up > 0)
                        return fault_set(
                                reterr, -EPERM,
                                "A rehearsal must have no network, but the interface '%s' is up: it runs in "
                                "muster-restore@ with PrivateNetwork=yes, see 'systemctl cat "
                                "muster-restore@'",
                                name);
        }
        return ferror(f) ? fault_errno(reterr, -EIO, "Failed to list the network interfaces") : 0;
}

/* One of the family's requests. -EREMOTEIO: nobody answers. */
static int ask(const char *rpc, const ChainRequest *request, HttpAnswer *ret, Fault *reterr) {
        cleanup_free_ char *url = url_join(rpc, request->path);

        return url ? http_ask(url, request->body, RPC_TIMEOUT, ret, reterr) : -ENOMEM;
}

/* The head, or CHAIN_UNKNOWN. *ret_answered: somebody spoke HTTP there. */
static int64_t poll_head(const Rehearsal *h, bool *ret_answered, Fault *why) {
        cleanup_sample_ ChainSample sample;

        chain_sample_init(&sample);
        sample.want = 0;
        *ret_answered = false;
        for (unsigned i = 0; sample.height < 0; i++) {
                cleanup_request_ ChainRequest request = { 0 };
                cleanup_http_answer_ HttpAnswer answer = { 0 };

                if (h->family->request(&sample, i, &request) != 0 || ask(h->rpc, &request, &answer, why) < 0)
                        break;
                *ret_answered = true;
                (void) h->family->absorb(&sample, i, answer.status, answer.body, why);
        }
        return sample.height;
}

static bool ends_path(char c) {
        return c == 0 || strchr("/:,;= \t\"'", c);
}

/* Every occurrence of @from as a whole path; *count grows by them. */
static int redirect(char **text, const char *from, const char *to, size_t *count) {
        size_t length = strlen(from), size = 0;
        char *copy = NULL;
        const char *at = *text, *found;
        FILE *f;

        if (!strstr(at, from))
                return 0;
        f = open_memstream(&copy, &size);
        if (!f)
                return -ENOMEM;
        while ((found = strstr(at, from))) {
                bool whole = ends_path(found[length]);

                fprintf(f, "%.*s%s", (int) (found - at), at, whole ? to : from);
                *count += whole;
                at = found + length;
        }
        fputs(at, f);
        if (fclose(f) != 0 || !copy) {
                free(copy);
                return -ENOMEM;
        }
        free(*text);
        *text = copy;
        return 0;
}

/* Also what lies beside the data, such as HOME/config, is named by the data's own path or not at all. */
static int redirect_invocation(const Rehearsal *h, Invocation *v, const char *copy, Fault *reterr) {
        size_t count = 0;
        int r = 0;

        for (char **argument = v->argv + 1; r >= 0 && *argument; argument++)
                r = redirect(argument, h->data, copy, &count);
        for (char **entry = v->environment; r >= 0 && *entry; entry++)
                r = redirect(entry, h->data, copy, &count);
        if (r < 0)
                return r;
        if (count == 0)
                return fault_set(reterr, -EINVAL,
                                 "No argument of the release names the data directory '%s', so a rehearsal "
                                 "would open "
                                 "the live data: write it in `command` as {data}",
                                 h->data);
        return 0;
}

static int check_space(const Rehearsal *h, int data_fd, Fault *reterr) {
        char need[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX];
        struct statvfs fs;
        TreeStats stats;
        uint64_t room;
        int r;

        r = tree_measure(data_fd, &stats, reterr);
        if (r < 0)
                return r;
        if (fstatvfs(h->state_dirfd, &fs) < 0)
                return fault_errno(reterr, -errno, "Failed to ask for the free space of '%s'", h->state);
        room = (uint64_t) fs.f_bavail * fs.f_frsize;
        if (stats.allocated + stats.allocated / 20 > room)
                return fault_set(reterr, -ENOSPC, "A copy of the data needs %s and 5 %%, '%s' has %s free",
                                 format_size(need, stats.allocated), h->state, format_size(have, room));
        return 0;
}

static int make_copy(const Rehearsal *h, bool *ret_reflinked, Fault *reterr) {
        cleanup_strv_ char **patterns = NULL, **protected = NULL;
        cleanup_fd_ int from = -1, to = -1;
        TreeStats stats;
        int r;

        if (mkdirat(h->state_dirfd, COPY, 0700) < 0 || mkdirat(h->state_dirfd, HOME_COPY, 0700) < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s/%s'", h->state, COPY);
        to = openat(h->state_dirfd, COPY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (to < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s/%s'", h->state, COPY);
        from = open(h->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (from < 0)
                return errno == ENOENT ? 0 : fault_errno(reterr, -errno, "Failed to open '%s'", h->data);
        r = protect_patterns(h->family->key_files, h->family->state_files, h->protect, &patterns);
        if (r >= 0)
                r = match_files(from, (const char *const *) patterns, &protected, reterr);
        if (r < 0)
                return r;
        *ret_reflinked = tree_reflink_works(to, NULL) >= 0;
        if (!*ret_reflinked) {
                r = check_space(h, from, reterr);
                if (r < 0)
                        return r;
        }
        return tree_clone(from, to,
                          &(TreeClone){ .method = *ret_reflinked ? TREE_REFLINK : TREE_COPY,
                                        .exclude = protected,
                                        .progress = h->progress,
                                        .userdata = h->userdata },
                          &stats, reterr);
}

static int explain_exit(const Child *child, int status, Fault *reterr) {
        cleanup_free_ char *line = NULL;
        char text[CHILD_STATUS_TEXT_MAX];
        int r;

        r = child_explain_linker(child, reterr);
        if (r >= 0)
                r = child_line(child, true, &line);
        if (r < 0)
                return r;
        return fault_set(reterr, -EPROTO, "The new binary %s during the rehearsal%s%s",
                         child_status_text(text, status), *line ? "; its last line: " : "", line);
}

static bool has_rpc(const Rehearsal *h) {
        return h->rpc && *h->rpc;
}

static int watch(const Rehearsal *h, Child *child, RehearsalReport *report, Fault *reterr) {
        uint64_t began = now_monotonic_usec(), deadline = began + h->timeout;
        char limit[DURATION_TEXT_MAX];
        cleanup_fault_ Fault why = { 0 };
        bool answered = false;
        int r, status;

        for (;;) {
                uint64_t now = now_monotonic_usec(), next = now + POLL_EVERY;

                r = child_wait(child, next < deadline ? next : deadline, &status);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to watch the rehearsal");
                if (r == 0)
                        return explain_exit(child, status, reterr);
                now = now_monotonic_usec();
                if (has_rpc(h)) {
                        report->height = poll_head(h, &answered, &why);
                        report->rpc_after_usec = now - began;
                        if (report->height >= 0)
                                return 0;
                }
                if (now < deadline)
                        continue;
                if (!has_rpc(h))
                        return 0;
                return fault_set(reterr, -ETIMEDOUT, "The new binary %s within %s%s%s",
                                 answered ? "answered at its RPC, but told no height,"
                                          : "did not answer at its RPC",
                                 format_duration(limit, h->timeout), why.text ? ": " : "", why.text ?: "");
        }
}

static int run(const Rehearsal *h, RehearsalReport *report, Fault *reterr) {
        cleanup_free_ char *copy = NULL, *home = NULL;
        cleanup_invocation_ Invocation v = { 0 };
        cleanup_strv_ char **environment = NULL;
        cleanup_child_ Child child = CHILD_NONE;
        cleanup_fd_ int release_fd = -1;
        int r;

        release_fd = open(h->release, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (release_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the release '%s'", h->release);
        if (asprintf(&copy, "%s/" COPY, h->state) < 0 || asprintf(&home, "%s/" HOME_COPY, h->state) < 0) {
                home = NULL;
                return -ENOMEM;
        }
        r = invocation_read(release_fd, h->release, NULL, &v, reterr);
        if (r >= 0)
                r = redirect_invocation(h, &v, copy, reterr);
        if (r >= 0)
                r = probe_environment(&v, home, &environment);
        if (r >= 0)
                r = make_copy(h, &report->reflinked, reterr);
        if (r < 0)
                return r;
        child.keep_tail = true;
        r = child_start(&child, v.argv, environment, copy, reterr);
        if (r < 0)
                return r;
        r = watch(h, &child, report, reterr);
        child_stop(&child, h->family->stop_signal ?: SIGTERM, STOP_PATIENCE);
        return r < 0 ? r : child_line(&child, true, &report->output);
}

static int remove_copies(const Rehearsal *h, Fault *reterr) {
        int r = tree_remove(h->state_dirfd, COPY, reterr),
            k = tree_remove(h->state_dirfd, HOME_COPY, reterr);

        return r < 0 ? r : k;
}

int rehearse(const Rehearsal *h, RehearsalReport *ret, Fault *reterr) {
        cleanup_rehearsal_report_ RehearsalReport report = { .height = CHAIN_UNKNOWN };
        bool answered = false;
        int r, k;

        r = check_no_network(reterr);
        if (r >= 0)
                r = remove_copies(h, reterr);
        if (r < 0)
                return r;
        if (has_rpc(h))
                (void) poll_head(h, &answered, NULL);
        r = answered ? fault_set(reterr, -EADDRINUSE, "Somebody answers at '%s' before the rehearsal began",
                                 h->rpc)
                     : run(h, &report, reterr);
        k = remove_copies(h, r < 0 ? NULL : reterr);
        if (r < 0 || k < 0)
                return r < 0 ? r : k;
        *ret = report;
        report.output = NULL;
        return 0;
}
