/*
 * ExecStart= of validator@NAME.service: runs as the node's user, verifies that
 * what `current` names is byte for byte what was staged, asks the guard, and
 * becomes the node. Everything else refuses with exit status 78, which the
 * unit does not restart: a start that might sign twice must not loop.
 *
 * It reads the release, staged/VERSION, the marks, state/guard and MUSTER_*
 * of the drop-in, never the configuration: a broken file changes nothing that
 * runs. It writes state/guard (durable) and the record in /run.
 *
 *     muster-launch NAME             the start
 *     muster-launch --stopped NAME   ExecStopPost=: records position and exit
 */
#include "chain/family.h"
#include "util/message-ids.h"
#include "guard/check.h"
#include "snapshot/exchange.h"
#include "unit/launch-record.h"
#include "upgrade/executable.h"
#include "upgrade/invocation.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#define EXIT_REFUSED 78

typedef struct Launch {
        const char *name;
        int node_fd, state_fd, release_fd;
        char *version;
        char *release_path; /* without links */
        Invocation invocation;
        GuardSubject subject;
} Launch;

static void launch_done(Launch *l) {
        cleanup_closep(&l->node_fd);
        cleanup_closep(&l->state_fd);
        cleanup_closep(&l->release_fd);
        free(l->version);
        free(l->release_path);
        invocation_done(&l->invocation);
}

static int open_node(Launch *l, Fault *reterr) {
        cleanup_free_ char *path = NULL;

        if (asprintf(&path, MUSTER_STATEDIR "/nodes/%s", l->name) < 0)
                return -ENOMEM;
        l->node_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (l->node_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s' (made by 'musterctl apply')", path);
        l->state_fd = openat(l->node_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (l->state_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s/state' (made by 'musterctl apply')",
                                   path);
        return 0;
}

/* `current` -> releases/VERSION, where VERSION is a directory and no link. */
static int open_release(Launch *l, Fault *reterr) {
        cleanup_free_ char *target = NULL, *path = NULL;
        int r;

        r = read_symlink(l->node_fd, "current", &target);
        if (r == -ENOENT)
                return fault_set(
                        reterr, r,
                        "No version is current yet: stage one and run 'musterctl upgrade %s VERSION'",
                        l->name);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the link 'current'");
        if (!str_starts(target, "releases/") || !version_is_valid(target + strlen("releases/")))
                return fault_set(reterr, -EBADMSG, "'current' points to '%s': expected 'releases/VERSION'",
                                 target);
        l->version = strdup(target + strlen("releases/"));
        if (!l->version || asprintf(&path, MUSTER_STATEDIR "/nodes/%s/%s", l->name, target) < 0)
                return -ENOMEM;
        l->release_fd = release_open(l->node_fd, target, O_RDONLY | O_DIRECTORY);
        if (l->release_fd < 0)
                return fault_errno(reterr, l->release_fd,
                                   "Failed to open the release '%s' that 'current' names: stage it again",
                                   path);
        l->release_path = realpath(path, NULL);
        return l->release_path ? 0 : fault_errno(reterr, -errno, "Failed to resolve '%s'", path);
}

/* What musterd accepted when it was staged. */
static int read_staged(const Launch *l, char ret[static SHA256_HEX_SIZE], Fault *reterr) {
        cleanup_free_ char *path = NULL, *text = NULL;
        size_t size;
        int r;

        if (asprintf(&path, "staged/%s", l->version) < 0)
                return -ENOMEM;
        r = read_small_file(l->node_fd, path, 4096, &text, &size);
        if (r == -ENOENT)
                return fault_set(reterr, r,
                                 "'%s' is missing: release %s was never accepted; stage it with "
                                 "'musterctl stage'",
                                 path, l->version);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", path);
        if (size != SHA256_HEX_SIZE || strspn(text, "0123456789abcdef") != size - 1 ||
            text[size - 1] != '\n')
                return fault_set(reterr, -EBADMSG,
                                 "'%s' is damaged: expected 64 lower-case hex digits and a "
                                 "newline; stage %s again",
                                 path, l->version);
        memcpy(ret, text, size - 1);
        ret[size - 1] = 0;
        return 0;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Verifies the whole release; @binary is who the binary was before its bytes were hashed. */
static int verify_release(Launch *l, struct stat *binary, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *manifest = NULL;
        char staged[SHA256_HEX_SIZE];
        cleanup_fd_ int fd = -1;
        int r;

        r = read_staged(l, staged, reterr);
        if (r < 0)
                return r;
        r = release_manifest_read(l->release_fd, &manifest, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Release %s is not what was staged, stage it again",
                                    l->version);
        if (!str_eq(manifest->digest, staged))
                return fault_set(reterr, -EBADMSG,
                                 "Release %s is not what was staged: its MANIFEST has SHA-256 %s, "
                                 "'staged/%s' expects %s; stage it again",
                                 l->version, manifest->digest, l->version, staged);
        if (!str_eq(manifest->version, l->version))
                return fault_set(reterr, -EBADMSG,
                                 "The MANIFEST of release %s says version %s: stage it again", l->version,
                                 manifest->version);
        r = invocation_read(l->release_fd, l->release_path, manifest, &l->invocation, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Release %s cannot be run, stage it again", l->version);
        fd = release_open(l->release_fd, l->invocation.path, O_RDONLY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, binary) < 0)
                return fault_errno(reterr, fd < 0 ? fd : -errno, "Failed to open the binary '%s'",
                                   l->invocation.binary);
        if (!release_manifest_find(manifest, l->invocation.path))
                return fault_set(reterr, -EBADMSG,
                                 "The binary '%s' is not listed in the MANIFEST of release %s",
                                 l->invocation.path, l->version);
        r = release_manifest_verify(manifest, l->release_fd, reterr);
        return r < 0 ? fault_prefix(reterr, r, "Release %s is not what was staged, stage it again",
                                    l->version)
                     : 0;
}

/* A word of the drop-in that decides whether the node may sign: no default. */
static int read_word(const char *key, const char *const *words, const char **ret, Fault *reterr) {
        const char *value = getenv(key);

        for (size_t i = 0; words[i]; i++)
                if (str_eq(value, words[i])) {
                        *ret = words[i];
                        return 0;
                }
        return fault_set(
                reterr, -EINVAL,
                "%s of the unit's drop-in is '%s', which is none of its values: run 'musterctl apply'", key,
                value ?: "");
}

static int read_subject(Launch *l, Fault *reterr) {
        static const char *const roles[] = { "active", "standby", "sentry", "rpc", NULL };
        static const char *const signers[] = { "local", "remote", NULL };
        const char *name = getenv("MUSTER_FAMILY"), *data = getenv("MUSTER_DATA");
        const ChainFamily *family = name ? chain_family_by_name(name) : NULL;
        GuardSubject *s = &l->subject;
        int r;

        if (!family)
                return fault_set(
                        reterr, -EINVAL,
                        "MUSTER_FAMILY of the unit's drop-in is '%s', expected one of %s: run 'musterctl "
                        "apply'",
                        name ?: "", chain_family_names());
        if (!data || data[0] != '/')
                return fault_set(reterr, -EINVAL,
                                 "MUSTER_DATA of the unit's drop-in is '%s', expected an absolute path: run "
                                 "'musterctl apply'",
                                 data ?: "");
        *s = (GuardSubject){ .node = l->name,
                             .data = data,
                             .domain = getenv("MUSTER_DOMAIN"),
                             .node_dirfd = l->node_fd,
                             .state_dirfd = l->state_fd,
                             .starting = true };
        chain_family_subject(family, s);
        r = read_word("MUSTER_ROLE", roles, &s->role, reterr);
        return r < 0 ? r : read_word("MUSTER_SIGNER", signers, &s->signer, reterr);
}

static int write_launch(const Launch *l, const char *refusal, Fault *reterr) {
        LaunchRecord record = { .refused = refusal != NULL,
                                .version = l->version,
                                .reason = (char *) refusal,
                                .invocation = getenv("INVOCATION_ID"),
                                .pid = (uint64_t) getpid(),
                                .monotonic_usec = now_monotonic_usec(),
                                .realtime_usec = now_realtime_usec() };
        cleanup_fd_ int run_fd = -1;

        run_fd = node_run_dir_open(l->name, reterr);
        return run_fd < 0 ? run_fd : launch_record_write(run_fd, &record, reterr);
}

static int enter_data(const Launch *l, Fault *reterr) {
        if (chdir(l->subject.data) >= 0)
                return 0;
        if (errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to enter the data directory '%s'",
                                   l->subject.data);
        return fchdir(l->state_fd) < 0 ? fault_errno(reterr, -errno, "Failed to enter 'state'") : 0;
}

/* Returns only on failure. */
static int become_node(const Launch *l, const struct stat *verified, Fault *reterr) {
        cleanup_strv_ char **environment = NULL;
        struct stat now;
        int r;

        r = invocation_environment(&l->invocation, environ, &environment);
        if (r >= 0)
                r = enter_data(l, reterr);
        if (r >= 0)
                r = write_launch(l, NULL, reterr);
        if (r < 0)
                return r;
        if (lstat(l->invocation.binary, &now) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", l->invocation.binary);
        if (!same_file(&now, verified))
                return fault_set(reterr, -ESTALE, "'%s' changed while it was verified: stage %s again",
                                 l->invocation.binary, l->version);
        execve(l->invocation.binary, l->invocation.argv, environment);
        return executable_explain(l->invocation.binary, -errno, reterr);
}

/* musterd takes the permit away before an exchange; a person may have given it back in the middle. */
static int check_exchange(const Launch *l, Fault *reterr) {
        const char *slash = strrchr(l->subject.data, '/');
        int r = exchange_is_half_done(l->state_fd, slash + 1);

        if (r > 0)
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "its data is half exchanged with a snapshot or a backup: let musterd finish "
                        "it ('musterctl status %s' says how far it is)",
                        l->name);
        return r < 0 ? fault_errno(reterr, r, "Failed to look for an interrupted exchange") : 0;
}

static int launch(Launch *l, Fault *reterr) {
        GuardReport report;
        struct stat binary;
        int r;

        r = name_check(l->name, "node name", reterr);
        if (r == 0)
                r = open_node(l, reterr);
        if (r == 0)
                r = open_release(l, reterr);
        if (r == 0)
                r = read_subject(l, reterr);
        if (r == 0)
                r = verify_release(l, &binary, reterr);
        if (r == 0)
                r = check_exchange(l, reterr);
        if (r == 0)
                r = guard_check(&l->subject, &report, reterr);
        return r == 0 ? become_node(l, &binary, reterr) : r;
}

/*
 * By the line on stderr `journalctl -u` always shows the reason; this entry carries its meaning and the
 * advice of the catalog, but may lose its unit, as journald looks that up after we have exited.
 */
static void log_refusal(const Launch *l, const char *reason) {
        (void) sd_journal_send("MESSAGE=The guard refused to start node '%s': %s", l->name, reason,
                               "PRIORITY=%i", LOG_ERR, "MESSAGE_ID=" SD_ID128_FORMAT_STR,
                               SD_ID128_FORMAT_VAL(MUSTER_MESSAGE_GUARD_REFUSED),
                               "SYSLOG_IDENTIFIER=validator-%s", l->name, "MUSTER_NODE=%s", l->name,
                               "MUSTER_VERSION=%s", l->version ?: "", NULL);
}

static int run_launch(const char *name) {
        cleanup_(launch_done) Launch l = { .name = name, .node_fd = -1, .state_fd = -1, .release_fd = -1 };
        cleanup_fault_ Fault fault = { 0 }, unwritten = { 0 };
        int r, k;

        r = launch(&l, &fault);
        fprintf(stderr, SD_ERR "Refused to start '%s': %s\n", name, fault_text(&fault, r));
        if (!name_is_valid(name))
                return EXIT_REFUSED;
        log_refusal(&l, fault_text(&fault, r));
        k = write_launch(&l, fault_text(&fault, r), &unwritten);
        if (k < 0)
                fprintf(stderr, SD_ERR "Failed to record the refusal: %s\n", fault_text(&unwritten, k));
        return EXIT_REFUSED;
}

static int write_stopped(const Launch *l, const SigningPosition *position, Fault *reterr) {
        StopRecord record = { .invocation = getenv("INVOCATION_ID"),
                              .service_result = getenv("SERVICE_RESULT"),
                              .exit_code = getenv("EXIT_CODE"),
                              .exit_status = getenv("EXIT_STATUS"),
                              .position = *position,
                              .monotonic_usec = now_monotonic_usec() };
        cleanup_fd_ int run_fd = -1;

        run_fd = node_run_dir_open(l->name, reterr);
        return run_fd < 0 ? run_fd : stop_record_write(run_fd, &record, reterr);
}

/* What the next start will refuse for is not this stop's failure; a mark that could not be written is. */
static bool is_write_failure(int r) {
        return r < 0 && r != -EBADMSG && r != -EINVAL && r != -ENOENT;
}

static int run_stopped(const char *name) {
        cleanup_(launch_done) Launch l = { .name = name, .node_fd = -1, .state_fd = -1, .release_fd = -1 };
        SigningPosition position = SIGNING_POSITION_NONE;
        cleanup_fault_ Fault fault = { 0 };
        int r, k;

        r = name_check(name, "node name", &fault);
        if (r < 0) {
                fprintf(stderr, SD_ERR "%s\n", fault_text(&fault, r));
                return EXIT_FAILURE;
        }
        r = open_node(&l, &fault);
        if (r == 0)
                r = read_subject(&l, &fault);
        if (r == 0)
                r = guard_record_stop(&l.subject, &position, &fault);
        if (r != 0)
                fprintf(stderr, SD_NOTICE "Did not record the signing position of '%s': %s\n", name,
                        fault_text(&fault, r));
        k = write_stopped(&l, &position, &fault);
        if (k < 0)
                fprintf(stderr, SD_ERR "Failed to record the stop of '%s': %s\n", name,
                        fault_text(&fault, k));
        return k < 0 || is_write_failure(r) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc == 3 && str_eq(argv[1], "--stopped"))
                return run_stopped(argv[2]);
        if (argc == 2 && argv[1][0] != '-')
                return run_launch(argv[1]);
        fprintf(stderr,
                "Usage: muster-launch NAME | muster-launch --stopped NAME\n"
                "systemd runs it for validator@NAME.service; start a node with 'systemctl start'.\n");
        return 2;
}
