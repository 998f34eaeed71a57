/*
 * What keeps a rehearsal from being a second validator: it has no key and no
 * signing state, it has no network but loopback (checked here, not assumed of
 * the unit), it is not started unless the arguments could be turned to the
 * copy, and the live data is hidden from it (confine.h). A crash leaves state/rehearsal, which the next
 * rehearsal removes.
 */
#include "restore/rehearse.h"
#include "guard/match.h"
#include "http/ask.h"
#include "http/url.h"
#include "snapshot/protect.h"
#include "restore/child.h"
#include "restore/confine.h"
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
#define BESIDE        HOME_COPY "/state" /* stands for all of the state directory but the data */
#define PATH_ENDS     ":,;= \t\"'"
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
static int check_network(Fault *reterr) {
        cleanup_fclose_ FILE *f = fopen("/proc/self/net/dev", "re");
        cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        cleanup_free_ char *line = NULL;
        bool loopback = false;
        size_t room = 0;

        if (!f || fd < 0)
                return fault_errno(reterr, -errno, "Failed to list the network interfaces");
        while (getline(&line, &room, f) > 0) {
                char *name = line + strspn(line, " "), *end = strchr(name, ':');
                int up;

                if (!end) /* the two heading lines */
                        continue;
                *end = 0;
                up = is_up(fd, name);
                if (up < 0)
                        return fault_errno(reterr, up, "Failed to ask for the network interface '%s'", name);
                if (str_eq(name, "lo"))
                        loopback = up > 0;
                else if (up > 0)
                        return fault_set(
                                reterr, -EPERM,
                                "A rehearsal must have no network, but the interface '%s' is up: it runs in "
                                "muster-restore@ with PrivateNetwork=yes, see 'systemctl cat "
                                "muster-restore@'",
                                name);
        }
        if (ferror(f))
                return fault_errno(reterr, -EIO, "Failed to list the network interfaces");
        return loopback
                       ? 0
                       : fault_set(
                                 reterr, -ENETDOWN,
                                 "A rehearsal speaks to the new binary over the loopback interface, which "
                                 "is down in "
                                 "muster-restore@: systemd could not bring it up, as in a container without "
                                 "CAP_NET_ADMIN");
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
        return c == 0 || c == '/' || strchr(PATH_ENDS, c);
}

static bool path_is_at(const char *at, const char *path) {
        size_t n = strlen(path);

        return strncmp(at, path, n) == 0 && ends_path(at[n]);
}

/* A directory of the live state stands in the one for what lies beside the data, too, empty. */
static int mirror_directories(const Rehearsal *h, const char *below) {
        cleanup_fd_ int beside =
                openat(h->state_dirfd, BESIDE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        cleanup_free_ char *path =
                *below == '/' ? strndup(below + 1, strcspn(below + 1, PATH_ENDS)) : strdup("");
        struct stat st;

        if (beside < 0)
                return -errno;
        if (!path)
                return -ENOMEM;
        for (size_t n = strcspn(path, "/"); n > 0; n += strcspn(path + n, "/")) {
                char end = path[n];

                path[n] = 0;
                if (str_eq(path, "..") || str_ends(path, "/..") ||
                    fstatat(h->state_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                        break;
                if (mkdirat(beside, path, 0700) < 0 && errno != EEXIST)
                        return -errno;
                if (!end)
                        break;
                path[n++] = end;
        }
        return 0;
}

typedef struct Redirection {
        const Rehearsal *h;
        const char *copy, *beside; /* absolute */
        size_t n_copy, n_beside;
} Redirection;

/* Every path of the data becomes the copy's, every other one below the state directory one of an empty
 * place. */
static int redirect(Redirection *d, char **text) {
        const char *state = d->h->state, *at = *text, *found;
        char *copy = NULL;
        size_t size = 0;
        int r = 0;
        FILE *f;

        if (!strstr(at, state))
                return 0;
        f = open_memstream(&copy, &size);
        if (!f)
                return -ENOMEM;
        while (r >= 0 && (found = strstr(at, state))) {
                fprintf(f, "%.*s", (int) (found - at), at);
                at = found + strlen(state);
                if (path_is_at(found, d->h->data)) {
                        at = found + strlen(d->h->data);
                        d->n_copy++;
                        fputs(d->copy, f);
                } else if (path_is_at(found, state)) {
                        d->n_beside++;
                        fputs(d->beside, f);
                        r = mirror_directories(d->h, at);
                } else
                        fputs(state, f);
        }
        fputs(at, f);
        if (fclose(f) != 0 || !copy)
                r = -ENOMEM;
        if (r < 0) {
                free(copy);
                return r;
        }
        free(*text);
        *text = copy;
        return 0;
}

static int redirect_invocation(Redirection *d, Invocation *v, Fault *reterr) {
        int r = 0;

        for (char **argument = v->argv + 1; r >= 0 && *argument; argument++)
                r = redirect(d, argument);
        for (char **entry = v->environment; r >= 0 && *entry; entry++)
                r = redirect(d, entry);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to turn the arguments to the copy");
        if (d->n_copy == 0)
                return fault_set(reterr, -EINVAL,
                                 "No argument of the release names the data directory '%s', so a rehearsal "
                                 "would open "
                                 "the live data: write it in `command` as {data}",
                                 d->h->data);
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

static int explain_silence(const Rehearsal *h, bool answered, const Fault *why, Fault *reterr) {
        char limit[DURATION_TEXT_MAX];

        return fault_set(reterr, -ETIMEDOUT, "The new binary %s within %s%s%s",
                         answered ? "answered at its RPC, but told no height," : "did not answer at its RPC",
                         format_duration(limit, h->timeout), why->text ? ": " : "", why->text ?: "");
}

static int watch(const Rehearsal *h, Child *child, RehearsalReport *report, Fault *reterr) {
        uint64_t began = now_monotonic_usec(), deadline = began + h->timeout;
        bool answered = false, settling = !has_rpc(h);
        cleanup_fault_ Fault why = { 0 };
        int r, status;

        for (;;) {
                uint64_t now = now_monotonic_usec(), next = now + POLL_EVERY;

                r = child_wait(child, next < deadline ? next : deadline, &status);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to watch the rehearsal");
                if (r == 0)
                        return explain_exit(child, status, reterr);
                now = now_monotonic_usec();
                if (!settling) {
                        report->height = poll_head(h, &answered, &why);
                        report->rpc_after_usec = now - began;
                        if (report->height >= 0) {
                                settling = true;
                                deadline = now + h->settle;
                        }
                }
                if (now >= deadline)
                        return settling ? 0 : explain_silence(h, answered, &why, reterr);
        }
}

static int make_places(const Rehearsal *h, Fault *reterr) {
        static const char *const names[] = { COPY, HOME_COPY, BESIDE };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (mkdirat(h->state_dirfd, names[i], 0700) < 0)
                        return fault_errno(reterr, -errno, "Failed to make '%s/%s'", h->state, names[i]);
        return 0;
}

/* The release's invocation, turned to the copy. */
static int prepare(const Rehearsal *h, const char *copy, Invocation *v, RehearsalReport *report,
                   Fault *reterr) {
        cleanup_free_ char *beside = NULL;
        cleanup_fd_ int release_fd = -1;
        Redirection d = { .h = h, .copy = copy };
        int r;

        release_fd = open(h->release, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (release_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the release '%s'", h->release);
        if (asprintf(&beside, "%s/" BESIDE, h->state) < 0) {
                beside = NULL;
                return -ENOMEM;
        }
        d.beside = beside;
        r = make_places(h, reterr);
        if (r >= 0)
                r = invocation_read(release_fd, h->release, NULL, v, reterr);
        if (r >= 0)
                r = redirect_invocation(&d, v, reterr);
        report->beside = d.n_beside > 0;
        return r;
}

static int run(const Rehearsal *h, RehearsalReport *report, Fault *reterr) {
        static const char *const visible[] = { COPY, HOME_COPY, NULL };
        cleanup_free_ char *copy = NULL, *home = NULL;
        cleanup_invocation_ Invocation v = { 0 };
        cleanup_strv_ char **environment = NULL;
        uint64_t began = now_monotonic_usec();
        cleanup_child_ Child child = CHILD_NONE;
        cleanup_fault_ Fault why = { 0 };
        cleanup_fd_ int confine_fd = -1;
        int r;

        if (asprintf(&copy, "%s/" COPY, h->state) < 0) {
                copy = NULL;
                return -ENOMEM;
        }
        if (asprintf(&home, "%s/" HOME_COPY, h->state) < 0) {
                home = NULL;
                return -ENOMEM;
        }
        r = prepare(h, copy, &v, report, reterr);
        if (r >= 0)
                r = probe_environment(&v, home, &environment);
        if (r >= 0)
                r = make_copy(h, &report->reflinked, reterr);
        if (r < 0)
                return r;
        report->copy_usec = now_monotonic_usec() - began;
        confine_fd = confine_new(h->state, visible, reterr);
        if (confine_fd < 0 && confine_fd != -EOPNOTSUPP)
                return confine_fd;
        report->confined = confine_fd >= 0;
        child.confine_fd = confine_fd;
        child.keep_tail = true;
        r = child_start(&child, v.argv, environment, copy, reterr);
        if (r < 0)
                return r;
        r = watch(h, &child, report, &why);
        child_stop(&child, h->family->stop_signal ?: SIGTERM, STOP_PATIENCE);
        if (r < 0 && report->beside)
                return fault_set(reterr, r,
                                 "%s (only the data is copied: what lies beside it in '%s' was empty)",
                                 fault_text(&why, r), h->state);
        return r < 0 ? fault_set(reterr, r, "%s", fault_text(&why, r))
                     : child_line(&child, true, &report->output);
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

        r = check_network(reterr);
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
