/* Real binaries, made bad: this very test's, with a byte or a name changed, and scripts. */
#include "tests/unit/cmocka-all.h"
#include "util/tree.h"
#include "restore/child.h"
#include "restore/probe.h"
#include "util/durable.h"
#include "util/text.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static char directory[] = "/tmp/muster-test-probe-XXXXXX";
static char release[64];
static int dir_fd = -1, release_fd = -1;

static int set_up(void **state) {
        if (!mkdtemp(directory))
                return -1;
        snprintf(release, sizeof release, "%s/release", directory);
        dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0 || mkdirat(dir_fd, "release", 0755) < 0)
                return -1;
        release_fd = openat(dir_fd, "release", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return release_fd < 0 ? -1 : durable_write(release_fd, "arguments", "node\nstart\n", 11, 0644);
}

static int tear_down(void **state) {
        cleanup_fd_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        close(dir_fd);
        close(release_fd);
        return tree_remove(tmp, strrchr(directory, '/') + 1, NULL);
}

static void put_binary(const void *data, size_t size, mode_t mode) {
        cleanup_fd_ int fd = -1;

        (void) unlinkat(dir_fd, "release/node", 0);
        fd = openat(dir_fd, "release/node", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, data, size), 0);
        assert_int_equal(fchmod(fd, mode), 0);
}

static void put_script(const char *text) {
        put_binary(text, strlen(text), 0755);
}

static char *own_binary(size_t *ret_size) {
        char *data;

        assert_int_equal(read_small_file(AT_FDCWD, "/proc/self/exe", 512 * 1024 * 1024, &data, ret_size), 0);
        return data;
}

static int probe(char **ret_output, Fault *fault) {
        char *command[] = { (char *) "version", NULL };

        return probe_release(release, command, dir_fd, 20 * USEC_PER_SEC, ret_output, fault);
}

static void assert_explained(int expected, const char *words) {
        cleanup_free_ char *output = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r = probe(&output, &fault);

        if (r != expected || !strstr(fault_text(&fault, r), words))
                fail_msg("expected %d and '%s', got %d: %s", expected, words, r, fault_text(&fault, r));
        assert_null(output);
}

static void the_first_line_of_a_good_binary_is_its_version(void **state) {
        cleanup_free_ char *output = NULL;
        struct stat st;

        put_script(
                "#!/bin/sh\n[ \"$1\" = version ] || exit 9\necho v1.7.1; echo more; touch \"$HOME/made\"\n");
        assert_int_equal(probe(&output, NULL), 0);
        assert_string_equal(output, "v1.7.1");
        assert_true(fstatat(dir_fd, "probe", &st, 0) < 0 && errno == ENOENT);
}

static void a_binary_that_fails_is_quoted(void **state) {
        put_script("#!/bin/sh\necho unknown command version >&2\nexit 3\n");
        assert_explained(-EPROTO, "exited with status 3, expected 0; it says: unknown command version");
        put_script("#!/bin/sh\nkill -SEGV $$\n");
        assert_explained(-EPROTO, "was killed by SIGSEGV");
}

static void a_missing_library_is_named(void **state) {
        cleanup_free_ char *data = NULL;
        size_t size;
        char *name;

        data = own_binary(&size);
        name = memmem(data, size, "libcmocka.so.", strlen("libcmocka.so."));
        assert_non_null(name);
        memcpy(name, "libnowhere.so", strlen("libnowhere.so"));
        put_binary(data, size, 0755);
        assert_explained(-ELIBACC, "'libnowhere.so");
}

static void another_machines_binary_is_told_by_name(void **state) {
        cleanup_free_ char *data = NULL;
        size_t size;
        Elf64_Ehdr *elf;

        data = own_binary(&size);
        elf = (Elf64_Ehdr *) (void *) data;
        elf->e_machine = elf->e_machine == EM_S390 ? EM_RISCV : EM_S390;
        put_binary(data, size, 0755);
        assert_explained(-ENOEXEC, "is a binary for");
        put_script("no shebang, no ELF\n");
        assert_explained(-ENOEXEC, "expected an ELF binary or a script");
}

static void a_missing_interpreter_is_named(void **state) {
        cleanup_free_ char *data = NULL;
        size_t size;
        char *name;

        put_script("#!/opt/nowhere/node20 --x\n");
        assert_explained(-ENOENT, "'/opt/nowhere/node20'");
        data = own_binary(&size);
        name = memmem(data, size, "/lib", 4); /* PT_INTERP comes first */
        assert_non_null(name);
        memcpy(name, "/nib", 4);
        put_binary(data, size, 0755);
        assert_explained(-ENOENT, "needs the interpreter '/nib");
}

static void a_file_without_the_bit_is_not_executable(void **state) {
        put_binary("#!/bin/sh\n", 10, 0644);
        assert_explained(-EACCES, "is not executable: its mode is 0644");
        (void) unlinkat(dir_fd, "release/node", 0);
        assert_explained(-ENOENT, "is not in the release");
}

static bool is_gone(pid_t pid) {
        uint64_t deadline = now_monotonic_usec() + 5 * USEC_PER_SEC;
        char path[64], state_letter;

        while (now_monotonic_usec() < deadline) {
                cleanup_fclose_ FILE *f = NULL;

                snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
                f = fopen(path, "re");
                if (!f || fscanf(f, "%*d %*s %c", &state_letter) != 1 || state_letter == 'Z')
                        return true;
        }
        return false;
}

static void a_binary_that_hangs_is_killed_with_its_children(void **state) {
        char *command[] = { (char *) "version", NULL };
        cleanup_free_ char *output = NULL, *text = NULL;
        cleanup_fault_ Fault fault = { 0 };
        char script[256];
        uint64_t pid;

        snprintf(script, sizeof script,
                 "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! >%s/pid.tmp; mv %s/pid.tmp %s/pid\nwait; "
                 "wait\n",
                 directory, directory, directory);
        put_script(script);
        assert_int_equal(probe_release(release, command, dir_fd, USEC_PER_SEC, &output, &fault), -ETIMEDOUT);
        assert_non_null(strstr(fault.text, "did not end within 1s"));
        assert_int_equal(read_small_file(dir_fd, "pid", 64, &text, NULL), 0);
        text[strcspn(text, "\n")] = 0;
        assert_int_equal(parse_u64(text, &pid), 0);
        assert_true(is_gone((pid_t) pid));
}

static void endless_output_is_bounded(void **state) {
        char *argv[] = { (char *) "/bin/sh", (char *) "-c",
                         (char *) "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", NULL };
        char *environment[] = { (char *) "PATH=/usr/bin:/bin", NULL };

        for (int tail = 0; tail < 2; tail++) {
                cleanup_child_ Child child = CHILD_NONE;
                cleanup_free_ char *line = NULL;
                int status;

                child.keep_tail = tail;
                assert_int_equal(child_start(&child, argv, environment, "/", NULL), 0);
                assert_int_equal(child_wait(&child, now_monotonic_usec() + 20 * USEC_PER_SEC, &status), 0);
                assert_int_equal(status, 0);
                assert_true(child.output_size <= CHILD_OUTPUT_MAX);
                assert_int_equal(child_line(&child, tail, &line), 0);
                assert_string_equal(line, tail ? "line 2999" : "line 0");
        }
}

static void the_environment_is_the_releases_and_never_musters(void **state) {
        char *own[] = { (char *) "A=release", (char *) "EMPTY=", NULL };
        char *base[] = { (char *) "MUSTER_DATA=/x", (char *) "A=base", (char *) "AB=kept",
                         (char *) "NOTIFY_SOCKET=/run/n", NULL };
        Invocation v = { .environment = own };
        cleanup_strv_ char **all = NULL;

        assert_int_equal(invocation_environment(&v, base, &all), 0);
        assert_int_equal(strv_length(all), 4);
        assert_true(strv_contains(all, "A=release"));
        assert_true(strv_contains(all, "AB=kept"));
        assert_true(strv_contains(all, "EMPTY="));
        assert_true(strv_contains(all, "NOTIFY_SOCKET=/run/n"));
}

static void arguments_are_taken_line_by_line(void **state) {
        static const char bad[] = "../../bin/sh\n-c\n", good[] = "bin/node\nstart\n\n--moniker=a b\n";
        cleanup_invocation_ Invocation v = { 0 }, none = { 0 };

        assert_int_equal(durable_write(release_fd, "arguments", bad, strlen(bad), 0644), 0);
        assert_int_equal(invocation_read(release_fd, release, NULL, &none, NULL), -EBADMSG);
        assert_int_equal(durable_write(release_fd, "arguments", good, strlen(good), 0644), 0);
        assert_int_equal(invocation_read(release_fd, release, NULL, &v, NULL), 0);
        assert_int_equal(strv_length(v.argv), 4);
        assert_true(str_ends(v.argv[0], "/release/bin/node"));
        assert_string_equal(v.argv[2], "");
        assert_string_equal(v.argv[3], "--moniker=a b");
        assert_int_equal(durable_write(release_fd, "arguments", "node\nstart\n", 11, 0644), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_line_of_a_good_binary_is_its_version),
                cmocka_unit_test(a_binary_that_fails_is_quoted),
                cmocka_unit_test(a_missing_library_is_named),
                cmocka_unit_test(another_machines_binary_is_told_by_name),
                cmocka_unit_test(a_missing_interpreter_is_named),
                cmocka_unit_test(a_file_without_the_bit_is_not_executable),
                cmocka_unit_test(a_binary_that_hangs_is_killed_with_its_children),
                cmocka_unit_test(endless_output_is_bounded),
                cmocka_unit_test(the_environment_is_the_releases_and_never_musters),
                cmocka_unit_test(arguments_are_taken_line_by_line),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
