#include "tests/unit/cmocka-all.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "musterctl/outcome.h"
#include "musterctl/spool.h"
#include "util/durable.h"
#include "util/text.h"

#define DIGEST "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" /* of "hello\n" */

typedef struct Place {
        char dir[32];
        char *spool, *file;
} Place;

static int set_up(void **state) {
        Place *p = calloc(1, sizeof *p);
        cleanup_fd_ int fd = -1;

        if (!p)
                return -1;
        snprintf(p->dir, sizeof p->dir, "/tmp/spool-XXXXXX");
        if (!mkdtemp(p->dir) || asprintf(&p->spool, "%s/spool", p->dir) < 0 ||
            asprintf(&p->file, "%s/kcn.tar.gz", p->dir) < 0)
                return -1;
        fd = open(p->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        *state = p;
        return fd < 0 ? -1 : write_all(fd, "hello\n", 6);
}

static int tear_down(void **state) {
        Place *p = *state;
        cleanup_free_ char *command = NULL;
        int r = asprintf(&command, "rm -rf -- '%s'", p->dir) < 0 ? -1 : system(command);

        free(p->spool);
        free(p->file);
        free(p);
        return r;
}

static unsigned files_in(const char *path) {
        cleanup_closedir_ DIR *d = opendir(path);
        unsigned n = 0;

        for (struct dirent *e; d && (e = readdir(d));)
                n += !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
        return n;
}

static void put(const char *path, const char *text) {
        cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void need_root(void) {
        if (geteuid() != 0)
                skip();
}

static void a_url_is_handed_on(void **state) {
        Place *p = *state;
        cleanup_free_ char *path = NULL;
        cleanup_fault_ Fault fault = {};

        assert_int_equal(spool_source(p->spool, "https://h.example/a", DIGEST, &path, NULL), 0);
        assert_string_equal(path, "https://h.example/a");
        assert_int_equal(spool_source(p->spool, "ftp://h.example/a", DIGEST, &path, &fault), CTL_USAGE);
        assert_non_null(strstr(fault.text, "https://"));
}

static void the_copy_is_readable_for_the_worker(void **state) {
        Place *p = *state;
        cleanup_free_ char *path = NULL, *expected = NULL, *text = NULL;
        struct stat st;

        need_root();
        assert_true(asprintf(&expected, "%s/%s-kcn.tar.gz", p->spool, DIGEST) > 0);
        for (int again = 0; again < 2; again++) {
                free(TAKE_PTR(path));
                assert_int_equal(spool_source(p->spool, p->file, DIGEST, &path, NULL), 0);
                assert_string_equal(path, expected);
                assert_int_equal(files_in(p->spool), 1);
        }
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(read_small_file(AT_FDCWD, path, 100, &text, NULL), 0);
        assert_string_equal(text, "hello\n");
}

static void a_wrong_digest_leaves_nothing_in_the_spool(void **state) {
        Place *p = *state;
        char wrong[] = DIGEST;
        cleanup_free_ char *path = NULL;
        cleanup_fault_ Fault fault = {};

        need_root();
        wrong[0] = '6';
        assert_int_equal(spool_source(p->spool, p->file, wrong, &path, &fault), CTL_FAILED);
        assert_null(path);
        assert_non_null(strstr(fault.text, DIGEST));
        assert_non_null(strstr(fault.text, wrong));
        assert_int_equal(files_in(p->spool), 0);
}

/* The directory may belong to muster: root must not be led elsewhere. */
static void no_link_leads_the_copy_elsewhere(void **state) {
        Place *p = *state;
        cleanup_free_ char *victim = NULL, *trap = NULL, *path = NULL, *text = NULL;
        cleanup_fault_ Fault fault = {};

        need_root();
        assert_true(asprintf(&victim, "%s/victim", p->dir) > 0);
        assert_int_equal(mkdir(victim, 0755), 0);
        assert_int_equal(symlink(victim, p->spool), 0);
        assert_true(spool_source(p->spool, p->file, DIGEST, &path, &fault) < 0);
        assert_int_equal(files_in(victim), 0);

        assert_int_equal(unlink(p->spool), 0);
        assert_int_equal(mkdir(p->spool, 0755), 0);
        assert_true(asprintf(&trap, "%s/.spool-%s-%d.new", p->spool, DIGEST, (int) getpid()) > 0);
        assert_int_equal(symlink("../victim/file", trap), 0);
        assert_int_equal(spool_source(p->spool, p->file, DIGEST, &path, NULL), 0);
        assert_int_equal(files_in(victim), 0);
        assert_int_equal(read_small_file(AT_FDCWD, path, 100, &text, NULL), 0);
        assert_string_equal(text, "hello\n");
}

#define SIGNATURE                                                                                           \
        "-----BEGIN SSH SIGNATURE-----\n"                                                                   \
        "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgcdtCR8abq/Zd7orFCWdbytlmHZ\n"                          \
        "ftRocxx1Gx3Uj3wVUAAAAEZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUx\n"                          \
        "OQAAAEDkJRIDYJfW38uRGZ4/4Eqhe5B+eezh4wYPMRWenlnjZ6UiQizIKGHVAgwyBSQ8q5\n"                          \
        "b6ZNBDRWA0vTGXrR5BEpgO\n"                                                                          \
        "-----END SSH SIGNATURE-----\n"

/* The copy is readable for all: what a link beside the file names must not get there. */
static void signatures_come_along_and_nothing_else(void **state) {
        Place *p = *state;
        cleanup_free_ char *copy = NULL, *first = NULL, *third = NULL, *link = NULL, *text = NULL,
                           *there = NULL;
        cleanup_fault_ Fault fault = {};

        need_root();
        assert_int_equal(spool_source(p->spool, p->file, DIGEST, &copy, &fault), 0);
        assert_int_equal(spool_signatures(p->spool, p->file, copy, &fault), 0);
        assert_int_equal(files_in(p->spool), 1);

        assert_true(asprintf(&first, "%s.sig", p->file) > 0 && asprintf(&third, "%s.sig.3", p->file) > 0 &&
                    asprintf(&link, "%s.sig.4", p->file) > 0 && asprintf(&there, "%s.sig.3", copy) > 0);
        put(first, SIGNATURE);
        put(third, SIGNATURE);
        assert_int_equal(spool_signatures(p->spool, p->file, copy, &fault), 0);
        assert_int_equal(files_in(p->spool), 3);
        assert_int_equal(read_small_file(AT_FDCWD, there, 1000, &text, NULL), 0);
        assert_string_equal(text, SIGNATURE);

        assert_int_equal(symlink("/etc/passwd", link), 0);
        assert_int_equal(spool_signatures(p->spool, p->file, copy, &fault), CTL_FAILED);
        assert_non_null(strstr(fault.text, "kcn.tar.gz.sig.4' is not copied"));
        assert_int_equal(files_in(p->spool), 3);
        assert_int_equal(spool_signatures(p->spool, p->file, p->file, NULL), 0); /* handed on as it is */
}

static void what_is_no_regular_file_is_refused(void **state) {
        Place *p = *state;
        cleanup_free_ char *path = NULL, *fifo = NULL;
        cleanup_fault_ Fault fault = {};

        assert_true(asprintf(&fifo, "%s/fifo", p->dir) > 0);
        assert_int_equal(mkfifo(fifo, 0644), 0);
        assert_int_equal(spool_source(p->spool, fifo, DIGEST, &path, &fault),
                         CTL_FAILED); /* and does not hang */
        assert_int_equal(spool_source(p->spool, p->dir, DIGEST, &path, &fault), CTL_FAILED);
        assert_int_equal(spool_source(p->spool, "/nonexistent/file", DIGEST, &path, &fault), -ENOENT);
        assert_non_null(strstr(fault.text, "/nonexistent/file"));
}

static void a_file_that_the_worker_cannot_see_says_what_to_do(void **state) {
        Place *p = *state;
        cleanup_fault_ Fault fault = {};

        assert_int_equal(spool_check_readable(p->file, &fault), CTL_FAILED);
        assert_non_null(strstr(fault.text, "sudo"));
        assert_int_equal(spool_check_readable("/usr/bin/env", NULL), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                TEST(a_url_is_handed_on),
                TEST(the_copy_is_readable_for_the_worker),
                TEST(a_wrong_digest_leaves_nothing_in_the_spool),
                TEST(no_link_leads_the_copy_elsewhere),
                TEST(signatures_come_along_and_nothing_else),
                TEST(what_is_no_regular_file_is_refused),
                TEST(a_file_that_the_worker_cannot_see_says_what_to_do),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
