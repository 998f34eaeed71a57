/* Old or new, never a mix and never nothing: at each step of a change, on failure and on death. */
#include "tests/unit/cmocka-all.h"
#include "tests/unit/scratch.h"
#include "tests/unit/traced.h"

#include <sys/prctl.h>

#define OLD "old content\n"
#define NEW "new content, which is a little longer\n"

static void assert_content(int dirfd, const char *name, const char *expected) {
        cleanup_free_ char *text = NULL;

        assert_int_equal(read_small_file(dirfd, name, 1024, &text, NULL), 0);
        assert_string_equal(text, expected);
}

static size_t count_entries(int dirfd) {
        cleanup_closedir_ DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        size_t n = 0;

        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        return n;
}

/* The new file is on disk before its name is, and the name before success is told. */
static void a_file_is_synced_before_the_rename_and_the_directory_after(void **state) {
        Scratch *s = *state;

        trace_begin();
        assert_int_equal(durable_write(s->fd, "f", NEW, strlen(NEW), 0644), 0);
        TRACED("write", "fchmod", "fsync file", "rename", "fsync directory");

        trace_begin();
        assert_int_equal(replace_symlink(s->fd, "releases/2", "l"), 0);
        TRACED("symlink", "rename");

        trace_begin();
        assert_int_equal(durable_unlink(s->fd, "f"), 0);
        TRACED("unlink", "fsync directory");
        assert_int_equal(faccessat(s->fd, "f", F_OK, 0), -1);
}

/* The one who removed it may have died before the sync. */
static void removing_what_is_not_there_succeeds_and_syncs(void **state) {
        Scratch *s = *state;

        trace_begin();
        assert_int_equal(durable_unlink(s->fd, "absent"), 0);
        TRACED("unlink", "fsync directory");
        assert_int_equal(durable_unlink(s->fd, "absent/file"), 0);
        assert_int_equal(mkdirat(s->fd, "directory", 0755), 0);
        assert_true(durable_unlink(s->fd, "directory") < 0);
}

static void a_write_that_fails_at_any_step_leaves_old_or_new_and_no_temporary(void **state) {
        Scratch *s = *state;
        bool done = false;

        for (size_t step = 1; !done; step++) {
                int r;

                put_text(s->fd, "f", OLD);
                trace_begin();
                trace.fail_at = step;
                r = durable_write(s->fd, "f", NEW, strlen(NEW), 0644);
                trace.on = false;
                done = trace.n < step;
                assert_int_equal(r, done ? 0 : -EIO);
                assert_content(s->fd, "f", step > 4 ? NEW : OLD); /* the fourth is the rename */
                assert_int_equal(count_entries(s->fd), 1);
        }
        assert_int_equal(trace.n, 5);
}

static int write_new(void *userdata) {
        return durable_write(*(int *) userdata, "f", NEW, strlen(NEW), 0644);
}

static void a_death_at_any_step_leaves_old_or_new_and_the_next_write_works(void **state) {
        Scratch *s = *state;
        size_t step;

        put_text(s->fd, "f", OLD);
        for (step = 1; dies_at(step, write_new, &s->fd); step++) {
                assert_content(s->fd, "f", step > 4 ? NEW : OLD);
                assert_int_equal(durable_write(s->fd, "f", OLD, strlen(OLD), 0644), 0);
                assert_content(s->fd, "f", OLD);
        }
        assert_int_equal(step, 6);
        assert_content(s->fd, "f", NEW);
}

static int link_new(void *userdata) {
        return replace_symlink(*(int *) userdata, "new", "l");
}

static void a_link_is_never_absent_whatever_fails_or_dies(void **state) {
        Scratch *s = *state;
        size_t step;

        assert_int_equal(replace_symlink(s->fd, "old", "l"), 0);
        for (step = 1; step <= 2; step++) {
                cleanup_free_ char *target = NULL;

                trace_begin();
                trace.fail_at = step;
                assert_int_equal(replace_symlink(s->fd, "new", "l"), -EIO);
                trace.on = false;
                assert_int_equal(read_symlink(s->fd, "l", &target), 0);
                assert_string_equal(target, "old");
                assert_int_equal(count_entries(s->fd), 1);
        }
        assert_int_equal(replace_symlink(s->fd, "old", "l"), 0);
        for (step = 1; dies_at(step, link_new, &s->fd); step++) {
                cleanup_free_ char *target = NULL;

                assert_int_equal(read_symlink(s->fd, "l", &target), 0);
                assert_string_equal(target, "old");
                assert_int_equal(replace_symlink(s->fd, "old", "l"), 0);
        }
        assert_int_equal(step, 3);
}

static void short_and_interrupted_writes_are_carried_on(void **state) {
        Scratch *s = *state;

        trace_begin();
        trace.dribble = true;
        assert_int_equal(durable_write(s->fd, "f", NEW, strlen(NEW), 0644), 0);
        trace.on = false;
        assert_true(trace.n >= 2 * strlen(NEW));
        assert_content(s->fd, "f", NEW);
}

/* The worker and musterd run with another umask than the reader's rights need. */
static void the_mode_is_as_asked_whatever_the_umask(void **state) {
        Scratch *s = *state;
        mode_t old = umask(077);
        struct stat st;
        int r;

        r = durable_write(s->fd, "f", "", 0, 0644);
        (void) umask(old);
        assert_int_equal(r, 0);
        assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(st.st_size, 0);
}

static void a_link_in_the_way_is_replaced_not_followed(void **state) {
        Scratch *s = *state;

        put_text(s->fd, "victim", OLD);
        assert_int_equal(symlinkat("victim", s->fd, "f"), 0);
        assert_int_equal(durable_write(s->fd, "f", NEW, strlen(NEW), 0644), 0);
        assert_content(s->fd, "victim", OLD);
        assert_content(s->fd, "f", NEW);
}

/* Ends with the test at the latest. */
_Noreturn static void write_on_and_on(int dirfd) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (bool new = true;; new = !new)
                if (durable_write(dirfd, "f", new ? NEW : OLD, strlen(new ? NEW : OLD), 0644) < 0)
                        _exit(1);
}

static void a_reader_sees_one_of_the_two_while_the_writer_is_killed_at_random(void **state) {
        Scratch *s = *state;

        put_text(s->fd, "f", OLD);
        for (int round = 0; round < 20; round++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        write_on_and_on(s->fd);
                for (int i = 0; i < 50 + 37 * round; i++) {
                        cleanup_free_ char *text = NULL;

                        assert_int_equal(read_small_file(s->fd, "f", 1024, &text, NULL), 0);
                        if (!str_eq(text, OLD) && !str_eq(text, NEW))
                                fail_msg("a mix: '%s'", text);
                }
                assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it writes still */
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
}

static void a_file_is_read_whole_up_to_the_limit_and_not_beyond(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 100000 };
        cleanup_free_ char *data = malloc(100000);
        Scratch *s = *state;

        for (size_t i = 0; i < 100000; i++)
                data[i] = (char) (i % 251);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                cleanup_free_ char *text = NULL;
                size_t size = 4711;

                put_file(s->fd, "f", data, sizes[i], 0644);
                assert_int_equal(read_small_file(s->fd, "f", sizes[i], &text, &size), 0);
                assert_int_equal(size, sizes[i]);
                assert_memory_equal(text, data, size);
                assert_int_equal(text[size], 0);
                if (sizes[i] > 0)
                        assert_int_equal(read_small_file(s->fd, "f", sizes[i] - 1, &(char *){ NULL }, NULL),
                                         -EFBIG);
        }
}

/* Worker directories belong to other users: what lies there must not make musterd wait. */
static void what_is_no_file_is_an_error_and_never_a_wait(void **state) {
        cleanup_free_ char *text = NULL;
        Scratch *s = *state;

        assert_int_equal(mkdirat(s->fd, "directory", 0755), 0);
        assert_int_equal(read_small_file(s->fd, "directory", 64, &(char *){ NULL }, NULL), -EISDIR);
        assert_int_equal(read_small_file(s->fd, "absent", 64, &(char *){ NULL }, NULL), -ENOENT);
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        (void) alarm(10);
        assert_int_equal(read_small_file(s->fd, "fifo", 64, &text, NULL), 0);
        (void) alarm(0);
        assert_string_equal(text, "");
}

static void a_link_target_is_read_whole(void **state) {
        cleanup_free_ char *target = NULL;
        char longest[PATH_MAX - 1];
        Scratch *s = *state;

        memset(longest, 'x', sizeof longest - 1);
        longest[sizeof longest - 1] = 0;
        assert_int_equal(symlinkat(longest, s->fd, "l"), 0);
        assert_int_equal(read_symlink(s->fd, "l", &target), 0);
        assert_string_equal(target, longest);
        assert_int_equal(read_symlink(s->fd, "absent", &(char *){ NULL }), -ENOENT);
        put_text(s->fd, "file", "");
        assert_int_equal(read_symlink(s->fd, "file", &(char *){ NULL }), -EINVAL);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                in_scratch(a_file_is_synced_before_the_rename_and_the_directory_after),
                in_scratch(removing_what_is_not_there_succeeds_and_syncs),
                in_scratch(a_write_that_fails_at_any_step_leaves_old_or_new_and_no_temporary),
                in_scratch(a_death_at_any_step_leaves_old_or_new_and_the_next_write_works),
                in_scratch(a_link_is_never_absent_whatever_fails_or_dies),
                in_scratch(short_and_interrupted_writes_are_carried_on),
                in_scratch(the_mode_is_as_asked_whatever_the_umask),
                in_scratch(a_link_in_the_way_is_replaced_not_followed),
                in_scratch(a_reader_sees_one_of_the_two_while_the_writer_is_killed_at_random),
                in_scratch(a_file_is_read_whole_up_to_the_limit_and_not_beyond),
                in_scratch(what_is_no_file_is_an_error_and_never_a_wait),
                in_scratch(a_link_target_is_read_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
