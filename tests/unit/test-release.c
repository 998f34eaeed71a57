/*
 * A whole staging in a scratch directory, from local sources: what another
 * order finds, what signatures decide, what SIGKILL leaves.
 */
#include "tests/unit/scratch.h"
#include "crypto/sha256.h"
#include "upgrade/release.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

typedef struct Bench {
        Scratch *s;
        int releases;
        StageOrder order;
        char *archive;
} Bench;

static void shell(const Bench *b, const char *format, ...) _printf_(2, 3);

static void shell(const Bench *b, const char *format, ...) {
        cleanup_free_ char *command = NULL, *whole = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&command, format, ap) >= 0);
        va_end(ap);
        assert_true(asprintf(&whole, "cd %s && { %s; } >log 2>&1 </dev/null", b->s->path, command) >= 0);
        if (system(whole) != 0)
                fail_msg("failed: %s", command);
}

static void set_digest(Bench *b) {
        cleanup_fd_ int fd = open(b->archive, O_RDONLY | O_CLOEXEC);
        char hex[SHA256_HEX_SIZE];

        assert_int_equal(sha256_fd_hex(fd, hex, NULL), 0);
        assert_int_equal(str_replace(&b->order.sha256, hex), 0);
}

/* node/releases, node/current, and an archive of 40 files. */
static int bench_new(void **state) {
        Bench *b = calloc(1, sizeof *b);

        if (scratch_new((void **) &b->s) < 0)
                return -1;
        shell(b,
              "mkdir -p node/releases v1/bin v1/conf; printf '#!/bin/sh\\nexit 0\\n' >v1/bin/kcn; chmod 755 "
              "v1/bin/kcn; "
              "for i in $(seq 40); do head -c 20000 /dev/urandom >v1/conf/$i; done; tar czf kcn.tar.gz v1");
        assert_true(asprintf(&b->archive, "%s/kcn.tar.gz", b->s->path) > 0);
        b->releases = openat(b->s->fd, "node/releases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        b->order.version = strdup("1.0");
        b->order.binary = strdup("bin/kcn");
        strv_append(&b->order.sources, b->archive);
        strv_append(&b->order.arguments, "--datadir");
        strv_append(&b->order.arguments, "/data with blank");
        strv_append(&b->order.environment, "A=b c");
        set_digest(b);
        *state = b;
        return b->releases >= 0 ? 0 : -1;
}

static int bench_free(void **state) {
        Bench *b = *state;
        int r;

        close(b->releases);
        stage_order_done(&b->order);
        free(b->archive);
        r = scratch_free((void **) &b->s);
        free(b);
        return r;
}

static int stage(const Bench *b, ReleaseResult *ret, Fault *reterr) {
        const FetchLimits limits = { 0 };

        return release_stage(b->releases, &b->order, &limits, ret, reterr);
}

static void assert_file(const Bench *b, const char *name, const char *text) {
        cleanup_free_ char *is = NULL;

        assert_int_equal(read_small_file(b->releases, name, 4096, &is, NULL), 0);
        assert_string_equal(is, text);
}

static bool there(const Bench *b, const char *name) {
        return faccessat(b->releases, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_complete(const Bench *b, const char *version) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_fd_ int tree = release_open(b->releases, version, O_RDONLY | O_DIRECTORY);

        assert_true(tree >= 0);
        assert_int_equal(release_manifest_read(tree, &m, &fault), 0);
        assert_string_equal(m->version, version);
        assert_int_equal(m->n_entries, 43);
        assert_int_equal(release_manifest_verify(m, tree, &fault), 0);
}

static void a_release_is_laid_out_whole(void **state) {
        const Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        struct stat st;

        if (stage(b, &result, &fault) != 0)
                fail_msg("%s", fault.text);
        assert_complete(b, "1.0");
        assert_file(b, "1.0/arguments", "v1/bin/kcn\n--datadir\n/data with blank\n");
        assert_file(b, "1.0/environment", "A=b c\n");
        assert_false(result.already);
        assert_string_equal(result.source, b->archive);
        assert_int_equal(result.received, result.size);
        assert_int_equal(fstatat(b->releases, "1.0", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_false(there(b, ".partial-1.0"));
        assert_true(there(b, ".source-1.0"));
}

static void the_same_order_again_is_success_without_a_download(void **state) {
        Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult first = { 0 }, again = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(stage(b, &first, &fault), 0);
        assert_int_equal(unlink(b->archive), 0);
        assert_int_equal(stage(b, &again, &fault), 0);
        assert_true(again.already);
        assert_string_equal(again.manifest, first.manifest);
        assert_int_equal(again.received, 0);
        assert_int_equal(again.size, first.size);
        assert_string_equal(again.source, first.source);
}

static void other_content_under_the_same_version_is_refused(void **state) {
        Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(stage(b, &result, &fault), 0);
        release_result_done(&result);
        strv_append(&b->order.arguments, "--new-flag");
        assert_int_equal(stage(b, &result, &fault), -EEXIST);
        assert_says(&fault, "already staged with other content (another command or environment)");
        shell(b, "echo x >v1/conf/41; tar czf kcn.tar.gz v1");
        set_digest(b);
        assert_int_equal(stage(b, &result, &fault), -EEXIST);
        assert_says(&fault, "another archive): choose another version or 'musterctl discard'");
        assert_complete(b, "1.0");

        assert_int_equal(release_discard(b->releases, "1.0", &fault), 0);
        assert_false(there(b, "1.0"));
        assert_false(there(b, ".source-1.0"));
        assert_int_equal(stage(b, &result, &fault), 0);
        assert_file(b, "1.0/arguments", "v1/bin/kcn\n--datadir\n/data with blank\n--new-flag\n");
}

static void a_damaged_release_is_not_accepted_again(void **state) {
        const Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(stage(b, &result, &fault), 0);
        shell(b, "echo >>node/releases/1.0/v1/bin/kcn");
        release_result_done(&result);
        assert_int_equal(stage(b, &result, &fault), -EBADMSG);
        assert_says(&fault, "Version '1.0' is staged but damaged");
        assert_says(&fault, "'v1/bin/kcn' has ");
}

static void what_the_node_runs_is_not_discarded(void **state) {
        const Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(stage(b, &result, &fault), 0);
        shell(b,
              "ln -s releases/1.0 node/current; ln -s releases/0.9 node/previous; mkdir node/releases/0.9");
        assert_int_equal(release_discard(b->releases, "1.0", &fault), -EBUSY);
        assert_says(&fault, "Version '1.0' is the node's 'current' release");
        assert_int_equal(release_discard(b->releases, "0.9", &fault), -EBUSY);
        assert_says(&fault, "'previous'");
        assert_complete(b, "1.0");
        assert_int_equal(release_discard(b->releases, "0.8", &fault), 0); /* not there: done */
        assert_int_equal(release_discard(b->releases, "../x", &fault), -EINVAL);
        assert_int_equal(release_discard(b->releases, ".source-1.0", &fault), -EINVAL);
        assert_true(there(b, ".source-1.0"));
}

static void a_bad_archive_leaves_no_release(void **state) {
        Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        shell(b, "ln -s /etc/passwd v1/link; tar czf kcn.tar.gz v1");
        set_digest(b);
        assert_int_equal(stage(b, &result, &fault), -EBADMSG);
        assert_says(&fault, "Entry 'v1/link' is a symbolic link");
        assert_false(there(b, "1.0"));
        assert_false(there(b, ".partial-1.0")); /* nothing of it could ever be of use */
}

static void two_workers_do_not_meet(void **state) {
        const Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        int ready[2], go[2], status;
        pid_t child;
        char c = 0;

        assert_int_equal(pipe(ready) | pipe(go), 0);
        child = fork();
        if (child == 0) {
                cleanup_free_ char *command = NULL;

                dup2(ready[1], 8);
                dup2(go[0], 9);
                if (asprintf(&command,
                             "cd %s && exec 7<node/releases && flock -n 7 && echo >&8 && read -r x <&9",
                             b->s->path) < 0)
                        _exit(1);
                execl("/bin/bash", "bash", "-c", command, NULL);
                _exit(1);
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        assert_int_equal(stage(b, &result, &fault), -EBUSY);
        assert_int_equal(release_discard(b->releases, "1.0", &fault), -EBUSY);
        assert_says(&fault, "Another muster-stage");
        assert_int_equal(write(go[1], "\n", 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(stage(b, &result, &fault), 0);
        for (int i = 0; i < 2; i++) {
                close(ready[i]);
                close(go[i]);
        }
}

static void k_of_n_publishers_decide(void **state) {
        Bench *b = *state;
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        shell(b, "for k in alice bob carol eve; do ssh-keygen -q -t ed25519 -N '' -f $k; done; "
                 "for k in alice bob carol; do echo \"$k $(cat $k.pub)\"; done >signers");
        assert_int_equal(read_small_file(b->s->fd, "signers", 8192, &b->order.signers, NULL), 0);

        b->order.need = 4;
        assert_int_equal(stage(b, &result, &fault), -EINVAL);
        assert_says(&fault, "4 publisher signatures are needed, but only 3 keys are listed");
        b->order.need = 2;
        assert_int_equal(stage(b, &result, &fault), -EBADMSG);
        assert_says(&fault, "0 of 2 publisher signatures that are needed are good; no other signature");

        /* alice twice, a stranger, another file, another namespace: one key */
        shell(b, "sign() { ssh-keygen -q -Y sign -f $1 -n $2 <$3 >$4; }; sign alice file kcn.tar.gz "
                 "kcn.tar.gz.sig; "
                 "sign alice release.v1@muster kcn.tar.gz kcn.tar.gz.sig.1; sign eve file kcn.tar.gz "
                 "kcn.tar.gz.sig.2; "
                 "sign bob file signers kcn.tar.gz.sig.4; sign bob email kcn.tar.gz kcn.tar.gz.sig.5; "
                 "echo junk >kcn.tar.gz.sig.6");
        assert_int_equal(stage(b, &result, &fault), -EBADMSG);
        assert_says(&fault, "1 of 2 publisher signatures that are needed are good (alice);");
        assert_says(&fault, "kcn.tar.gz.sig.2: key SHA256:");
        assert_says(&fault, "kcn.tar.gz.sig.4: the signature is not of this content");
        assert_says(&fault, "kcn.tar.gz.sig.5: signed for namespace 'email', expected 'release.v1@muster'");
        assert_says(&fault, "kcn.tar.gz.sig.6: not an SSH signature");
        assert_false(there(b, "1.0"));

        shell(b, "ssh-keygen -q -Y sign -f carol -n release.v1@muster <kcn.tar.gz >kcn.tar.gz.sig.9");
        assert_int_equal(stage(b, &result, &fault), 0);
        assert_int_equal(strv_length(result.signed_by), 2);
        assert_true(strv_contains(result.signed_by, "alice") && strv_contains(result.signed_by, "carol"));

        /* an existing release does not excuse from signatures */
        release_result_done(&result);
        b->order.need = 3;
        assert_int_equal(stage(b, &result, &fault), -EBADMSG);
        assert_says(&fault, "2 of 3");
}

/* At any instant: no release, or a complete one; and the next attempt ends well. */
static void sigkill_leaves_nothing_or_everything(void **state) {
        const Bench *b = *state;
        unsigned absent = 0, complete = 0;

        for (int i = 0; i < 80; i++) {
                cleanup_(release_result_done) ReleaseResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };
                const struct timespec after = { .tv_nsec = i * 400000L };
                pid_t child = fork();
                int status;

                assert_true(child >= 0);
                if (child == 0)
                        _exit(stage(b, &result, &fault) == 0 ? 0 : 1);
                (void) ppoll(NULL, 0, &after, NULL); /* the instant of the kill is what varies */
                (void) kill(child, SIGKILL);
                assert_int_equal(waitpid(child, &status, 0), child);
                if (WIFEXITED(status))
                        assert_int_equal(WEXITSTATUS(status), 0);
                if (there(b, "1.0")) {
                        assert_complete(b, "1.0");
                        complete++;
                } else
                        absent++;
                if (stage(b, &result, &fault) != 0)
                        fail_msg("after kill %d: %s", i, fault.text);
                assert_complete(b, "1.0");
                assert_false(there(b, ".partial-1.0"));
                child = fork();
                if (child == 0)
                        _exit(release_discard(b->releases, "1.0", &fault) == 0 ? 0 : 1);
                (void) ppoll(NULL, 0, &(struct timespec){ .tv_nsec = i * 20000L }, NULL);
                (void) kill(child, SIGKILL);
                assert_int_equal(waitpid(child, &status, 0), child);
                if (there(b, "1.0"))
                        assert_complete(b, "1.0");
                assert_int_equal(release_discard(b->releases, "1.0", &fault), 0);
                assert_false(there(b, ".discard-1.0"));
        }
        assert_true(absent > 0); /* the test hit what it aims at */
        print_message("killed before the rename: %u, after it: %u\n", absent, complete);
}

static void an_order_is_checked_before_anything_is_done(void **state) {
        static const char base[] =
                "{'job':'j','verb':'stage','version':'1','sha256':'%064d','sources':['/a'],"
                "'binary':'kcn','arguments':[],'environment':[]}";
        static const struct {
                const char *key, *value, *says;
        } bad[] = {
                { "version", "\"../1\"", "\"version\"" },
                { "version", "1", "\"version\": expected a string" },
                { "sha256", "\"abc\"", "64 lower-case hex digits" },
                { "sources", "[]", "at least one" },
                { "sources", "[\"ftp://x\"]", "http://, https:// or absolute paths" },
                { "sources", "\"/a\"", "an array of strings" },
                { "binary", "\"../kcn\"", "a path relative to the release" },
                { "binary", "\"MANIFEST\"", "muster's own files" },
                { "arguments", "[\"a\\nb\"]", "without a newline" },
                { "environment", "[\"LD PRELOAD=x\"]", "KEY=VALUE" },
                { "environment", "[\"X\"]", "KEY=VALUE" },
                { "need", "2", "because \"need\" is given" },
                { "need", "-1", "a number" },
                { "signers", "7", "\"signers\": expected a string" },
        };

        for (size_t i = 0; i <= ELEMENTSOF(bad); i++) {
                cleanup_json_ json_t *order = NULL;
                cleanup_(stage_order_done) StageOrder o = { 0 };
                cleanup_fault_ Fault fault = { 0 };
                char text[512];

                snprintf(text, sizeof text, base, 0);
                for (char *c = text; *c; c++)
                        if (*c == '\'')
                                *c = '"';
                order = json_loads(text, 0, NULL);
                if (i == ELEMENTSOF(bad)) {
                        assert_int_equal(stage_order_parse(order, &o, &fault), 0);
                        continue;
                }
                json_object_set_new(order, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
                assert_int_equal(stage_order_parse(order, &o, &fault), -EBADMSG);
                assert_says(&fault, bad[i].says);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_new, bench_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_release_is_laid_out_whole),
                TEST(the_same_order_again_is_success_without_a_download),
                TEST(other_content_under_the_same_version_is_refused),
                TEST(a_damaged_release_is_not_accepted_again),
                TEST(what_the_node_runs_is_not_discarded),
                TEST(a_bad_archive_leaves_no_release),
                TEST(two_workers_do_not_meet),
                TEST(k_of_n_publishers_decide),
                TEST(sigkill_leaves_nothing_or_everything),
                cmocka_unit_test(an_order_is_checked_before_anything_is_done),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
