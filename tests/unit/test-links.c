/* The marks in nodes/NAME that decide what runs: what is odd is refused, what is there is never half. */
#include "tests/unit/cmocka-all.h"
#include "tests/unit/scratch.h"
#include "tests/unit/traced.h"
#include "upgrade/links.h"
#include "upgrade/manifest.h"

#include <sys/prctl.h>

#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */

static int node_new(void **state) {
        Scratch *s;

        if (scratch_new(state) < 0)
                return -1;
        s = *state;
        return mkdirat(s->fd, "staged", 0755) < 0 || mkdirat(s->fd, "releases", 0755) < 0 ? -1 : 0;
}

static void assert_link(int fd, const char *link, const char *version) {
        cleanup_free_ char *now = NULL;

        assert_int_equal(release_link_read(fd, link, &now, NULL), 0);
        if (!str_eq(now, version))
                fail_msg("'%s' names %s, expected %s", link, now ?: "nothing", version ?: "nothing");
}

static void a_link_names_a_version_relative_to_its_node(void **state) {
        cleanup_free_ char *target = NULL;
        Scratch *s = *state;

        assert_link(s->fd, "current", NULL);
        assert_int_equal(release_link_write(s->fd, "current", "1.7.0+decree4", NULL), 0);
        assert_link(s->fd, "current", "1.7.0+decree4");
        assert_int_equal(read_symlink(s->fd, "current", &target), 0);
        assert_string_equal(target, "releases/1.7.0+decree4"); /* valid wherever the directory is mounted */
        assert_int_equal(release_link_write(s->fd, "current", "1.7.1", NULL), 0);
        assert_link(s->fd, "current", "1.7.1");
        assert_link(s->fd, "previous", NULL);
        assert_int_equal(release_link_write(s->fd, "current", NULL, NULL), 0);
        assert_link(s->fd, "current", NULL);
}

static void an_odd_target_is_refused_and_named(void **state) {
        static const char *const odd[] = {
                "/var/lib/muster/nodes/a/releases/1",
                "../b/releases/1",
                "releases/..",
                "releases/../../x",
                "releases/1/bin",
                "releases/",
                "releases",
                "releases/.partial-1",
                "releases/1 2",
                "releases/1\nreleases",
                "1.7.0",
                "./releases/1",
                "versions/1.7.0",
                "releases/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", /* 65 */
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                cleanup_fault_ Fault fault = {};
                char *version = NULL;

                assert_int_equal(symlinkat(odd[i], s->fd, "current"), 0);
                assert_int_equal(release_link_read(s->fd, "current", &version, &fault), -EBADMSG);
                assert_null(version);
                assert_says(&fault, odd[i]);
                assert_says(&fault, "expected 'releases/VERSION'");
                assert_int_equal(unlinkat(s->fd, "current", 0), 0);
        }
        assert_int_equal(
                symlinkat("releases/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", s->fd,
                          "current"), /* 64 is a version */
                0);
        assert_link(s->fd, "current", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void what_is_no_link_is_an_error_and_an_odd_link_can_be_replaced(void **state) {
        cleanup_fault_ Fault fault = {};
        char *version = NULL;
        Scratch *s = *state;

        put_text(s->fd, "current", "releases/1");
        assert_int_equal(release_link_read(s->fd, "current", &version, &fault), -EINVAL);
        assert_says(&fault, "'current'");
        assert_int_equal(release_link_write(s->fd, "current", "1", NULL), 0);
        assert_link(s->fd, "current", "1");
        assert_int_equal(symlinkat("/etc", s->fd, "previous"), 0);
        assert_int_equal(release_link_write(s->fd, "previous", "1", NULL), 0);
        assert_link(s->fd, "previous", "1");
        assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
        assert_int_equal(release_link_write(s->fd, "d", "1", &fault), -EISDIR);
        assert_says(&fault, "Failed to point 'd' to '1'");
}

/* The musterd that made it so may have died between the rename and the sync. */
static void a_link_that_already_is_so_is_synced_and_not_rewritten(void **state) {
        Scratch *s = *state;

        assert_int_equal(release_link_write(s->fd, "current", "1", NULL), 0);
        trace_begin();
        assert_int_equal(release_link_write(s->fd, "current", "1", NULL), 0);
        TRACED("fsync directory");
        trace_begin();
        assert_int_equal(release_link_write(s->fd, "previous", NULL, NULL), 0);
        TRACED("fsync directory");
        trace_begin();
        assert_int_equal(release_link_write(s->fd, "current", "2", NULL), 0);
        TRACED("symlink", "rename", "fsync directory");
}

/* Each sync is downtime: of two links one after the other only the second is synced. */
static void two_links_are_durable_with_one_sync(void **state) {
        Scratch *s = *state;

        trace_begin();
        assert_int_equal(release_link_put(s->fd, "previous", "1", NULL), 0);
        assert_int_equal(release_link_write(s->fd, "current", "2", NULL), 0);
        TRACED("symlink", "rename", "symlink", "rename", "fsync directory");
        assert_link(s->fd, "previous", "1");
        assert_link(s->fd, "current", "2");
        trace_begin();
        assert_int_equal(release_link_put(s->fd, "previous", NULL, NULL), 0);
        assert_int_equal(release_link_write(s->fd, "current", "2", NULL), 0);
        TRACED("unlink", "fsync directory");
        assert_link(s->fd, "previous", NULL);
}

static int point_to_2(void *userdata) {
        return release_link_write(*(int *) userdata, "current", "2", NULL);
}

static void a_death_at_any_step_leaves_current_old_or_new(void **state) {
        Scratch *s = *state;
        size_t step;

        for (step = 1;; step++) {
                bool died;

                assert_int_equal(release_link_write(s->fd, "current", "1", NULL), 0);
                died = dies_at(step, point_to_2, &s->fd);
                assert_link(s->fd, "current", step > 2 ? "2" : "1");
                if (!died)
                        break;
        }
        assert_int_equal(step, 4);
}

static void a_failure_at_any_step_is_told(void **state) {
        Scratch *s = *state;

        for (size_t step = 1; step <= 3; step++) {
                cleanup_fault_ Fault fault = {};
                int r;

                assert_int_equal(release_link_write(s->fd, "current", "1", NULL), 0);
                trace_begin();
                trace.fail_at = step;
                r = release_link_write(s->fd, "current", "2", &fault);
                trace.on = false;
                assert_int_equal(r, -EIO);
                assert_says(&fault, "Failed to point 'current' to '2': Input/output error");
                assert_link(s->fd, "current", step > 2 ? "2" : "1");
        }
}

/* Ends with the test at the latest. */
_Noreturn static void flip_on_and_on(int node_dirfd) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (bool new = true;; new = !new)
                if (release_link_write(node_dirfd, "current", new ? "1.7.1" : "1.7.0", NULL) < 0)
                        _exit(1);
}

static void current_is_one_of_two_while_the_one_who_flips_it_is_killed(void **state) {
        Scratch *s = *state;

        assert_int_equal(release_link_write(s->fd, "current", "1.7.0", NULL), 0);
        for (int round = 0; round < 25; round++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        flip_on_and_on(s->fd);
                for (int i = 0; i <= 500 + 97 * round; i++) {
                        cleanup_free_ char *now = NULL;

                        if (i == 500 + 97 * round) {
                                assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it flips still */
                                assert_int_equal(kill(pid, SIGKILL), 0);
                                assert_int_equal(waitpid(pid, NULL, 0), pid);
                        }
                        assert_int_equal(release_link_read(s->fd, "current", &now, NULL), 0);
                        if (!str_eq(now, "1.7.0") && !str_eq(now, "1.7.1"))
                                fail_msg("round %d: current names %s", round, now ?: "nothing");
                }
        }
}

static void an_accepted_digest_reads_back(void **state) {
        char digest[65] = "";
        Scratch *s = *state;

        assert_int_equal(release_accept(s->fd, "1.7.1", DIGEST, NULL), 0);
        assert_int_equal(release_accepted_digest(s->fd, "1.7.1", digest, NULL), 0);
        assert_string_equal(digest, DIGEST);
        put_text(s->fd, "staged/1.7.2", DIGEST); /* without a newline it is as good */
        assert_int_equal(release_accepted_digest(s->fd, "1.7.2", digest, NULL), 0);
        trace_begin();
        assert_int_equal(release_accept(s->fd, "1.7.3", DIGEST, NULL), 0);
        TRACED("write", "fchmod", "fsync file", "rename", "fsync directory");
}

/* The launcher executes what this file says: anything doubtful is no. */
static void a_digest_that_is_none_is_refused(void **state) {
        static const char *const bad[] = {
                "",
                "\n",
                "ba7816bf",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a\n",   /* 63 */
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0\n", /* 65 */
                "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\n",
                "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
                " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                DIGEST "\n\n",
                DIGEST " MANIFEST\n",
                DIGEST "\n" DIGEST "\n",
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};
                char digest[65] = "untouched";

                put_text(s->fd, "staged/1", bad[i]);
                assert_int_equal(release_accepted_digest(s->fd, "1", digest, &fault), -EBADMSG);
                assert_string_equal(digest, "untouched");
                assert_says(&fault, "stage version '1' again");
        }
}

static void a_version_that_was_never_accepted_is_told_from_a_broken_one(void **state) {
        cleanup_fault_ Fault fault = {};
        char digest[65];
        Scratch *s = *state;

        assert_int_equal(release_accepted_digest(s->fd, "1.7.9", digest, &fault), -ENOENT);
        assert_says(&fault, "Version '1.7.9' is not staged");
        assert_int_equal(mkdirat(s->fd, "staged/1", 0755), 0);
        assert_int_equal(release_accepted_digest(s->fd, "1", digest, &fault), -EISDIR);
        assert_says(&fault, "staged/1");
        assert_int_equal(unlinkat(s->fd, "staged/1", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(s->fd, "staged", AT_REMOVEDIR), 0);
        assert_int_equal(release_accept(s->fd, "1", DIGEST, &fault), -ENOENT);
        assert_says(&fault, "'staged'");
}

/* Whoever may write into nodes/NAME must not be able to have accepted elsewhere. */
static void staged_itself_is_not_followed_when_it_is_a_link(void **state) {
        char **list = NULL;
        Scratch *s = *state;

        assert_int_equal(unlinkat(s->fd, "staged", AT_REMOVEDIR), 0);
        assert_int_equal(symlinkat("releases", s->fd, "staged"), 0);
        assert_true(release_accept(s->fd, "1", DIGEST, NULL) < 0);
        assert_true(release_accepted_list(s->fd, &list, NULL) < 0);
        assert_null(list);
        assert_int_equal(faccessat(s->fd, "releases/1", F_OK, 0), -1);
}

static void accepted_versions_are_listed_in_their_order_without_leftovers(void **state) {
        static const char *const given[] = { "1.10.0", "1.9.2", ".#1.9.2.0123456789abcdef",
                                             "1.9.10", "v2",    "a b" };
        static const char *const expected[] = { "1.9.2", "1.9.10", "1.10.0", "v2" };
        cleanup_strv_ char **list = NULL, **none = NULL;
        cleanup_fd_ int dir = -1;
        Scratch *s = *state;

        assert_int_equal(release_accepted_list(s->fd, &none, NULL), 0);
        assert_int_equal(strv_length(none), 0);
        dir = openat(s->fd, "staged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(given); i++)
                put_text(dir, given[i], DIGEST "\n");
        assert_int_equal(release_accepted_list(s->fd, &list, NULL), 0);
        assert_int_equal(strv_length(list), ELEMENTSOF(expected));
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                assert_string_equal(list[i], expected[i]);
}

static void the_manifest_is_digested_as_it_is_now(void **state) {
        cleanup_fault_ Fault fault = {};
        char digest[65] = "";
        Scratch *s = *state;

        assert_int_equal(release_manifest_digest(s->fd, "1", digest, &fault), -ENOENT);
        assert_says(&fault, "releases/1/" MANIFEST_NAME);
        assert_int_equal(mkdirat(s->fd, "releases/1", 0755), 0);
        put_text(s->fd, "releases/1/" MANIFEST_NAME, "abc");
        assert_int_equal(release_manifest_digest(s->fd, "1", digest, NULL), 0);
        assert_string_equal(digest, DIGEST);
        put_file(s->fd, "releases/1/" MANIFEST_NAME, "abc\0d", 5, 0644); /* beyond a NUL too */
        assert_int_equal(release_manifest_digest(s->fd, "1", digest, NULL), 0);
        assert_string_not_equal(digest, DIGEST);
}

static void a_permit_is_given_and_taken_once_or_twice_and_synced_each_time(void **state) {
        struct stat st;
        Scratch *s = *state;

        assert_false(permit_exists(s->fd));
        trace_begin();
        assert_int_equal(permit_remove(s->fd, NULL), 0); /* as its first act of a boot after a power cut */
        TRACED("unlink", "fsync directory");
        trace_begin();
        assert_int_equal(permit_write(s->fd, NULL), 0);
        TRACED("fchmod", "fsync directory");
        assert_true(permit_exists(s->fd));
        trace_begin();
        assert_int_equal(permit_write(s->fd, NULL), 0);
        TRACED("fsync directory");
        assert_int_equal(fstatat(s->fd, "permit", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(st.st_size, 0);
        assert_int_equal(permit_remove(s->fd, NULL), 0);
        assert_false(permit_exists(s->fd));
        assert_int_equal(permit_remove(s->fd, NULL), 0);
        assert_false(permit_exists(s->fd));
}

/* A node whose permit could not be removed for sure must not be taken for held. */
static void a_permit_that_cannot_be_removed_for_sure_is_told(void **state) {
        Scratch *s = *state;

        assert_int_equal(permit_write(s->fd, NULL), 0);
        for (size_t step = 1; step <= 2; step++) {
                cleanup_fault_ Fault fault = {};
                int r;

                trace_begin();
                trace.fail_at = step;
                r = permit_remove(s->fd, &fault);
                trace.on = false;
                assert_int_equal(r, -EIO);
                assert_says(&fault, "Failed to remove the permit: Input/output error");
                assert_int_equal(permit_exists(s->fd), step == 1);
        }
}

#define in_node(test) cmocka_unit_test_setup_teardown(test, node_new, scratch_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                in_node(a_link_names_a_version_relative_to_its_node),
                in_node(an_odd_target_is_refused_and_named),
                in_node(what_is_no_link_is_an_error_and_an_odd_link_can_be_replaced),
                in_node(a_link_that_already_is_so_is_synced_and_not_rewritten),
                in_node(two_links_are_durable_with_one_sync),
                in_node(a_death_at_any_step_leaves_current_old_or_new),
                in_node(a_failure_at_any_step_is_told),
                in_node(current_is_one_of_two_while_the_one_who_flips_it_is_killed),
                in_node(an_accepted_digest_reads_back),
                in_node(a_digest_that_is_none_is_refused),
                in_node(a_version_that_was_never_accepted_is_told_from_a_broken_one),
                in_node(staged_itself_is_not_followed_when_it_is_a_link),
                in_node(accepted_versions_are_listed_in_their_order_without_leftovers),
                in_node(the_manifest_is_digested_as_it_is_now),
                in_node(a_permit_is_given_and_taken_once_or_twice_and_synced_each_time),
                in_node(a_permit_that_cannot_be_removed_for_sure_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
