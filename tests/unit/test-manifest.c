#include "tests/unit/scratch.h"
#include "crypto/sha256.h"
#include "upgrade/manifest.h"

#include <sys/types.h>

static void fill(int dir) {
        assert_int_equal(mkdirat(dir, "bin", 0755), 0);
        assert_int_equal(mkdirat(dir, "bin/lib", 0755), 0);
        put_file(dir, "bin/kcn", "\177ELF", 4, 0755);
        put_text(dir, "bin/lib/a b", "blank in the name");
        put_text(dir, "bin-x", "sorts before bin/ by bytes");
        put_text(dir, "arguments", "bin/kcn\n--datadir\n");
        put_text(dir, "empty", "");
}

static void what_was_written_is_read_and_verifies(void **state) {
        const Scratch *s = *state;
        cleanup_(release_manifest_freep) ReleaseManifest *made = NULL, *read = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *text = NULL;
        char digest[SHA256_HEX_SIZE];
        size_t size;

        fill(s->fd);
        assert_int_equal(release_manifest_create(s->fd, "1.0", &made, &fault), 0);
        assert_int_equal(release_manifest_read(s->fd, &read, &fault), 0);
        assert_string_equal(read->version, "1.0");
        assert_int_equal(read->n_entries, 5);
        assert_string_equal(made->digest, read->digest);
        assert_int_equal(read_small_file(s->fd, MANIFEST_NAME, MANIFEST_MAX, &text, &size), 0);
        assert_int_equal(sha256_buffer_hex(text, size, digest), 0);
        assert_string_equal(digest, read->digest);
        for (size_t i = 1; i < read->n_entries; i++)
                assert_true(strcmp(read->entries[i - 1].path, read->entries[i].path) < 0);
        assert_int_equal(release_manifest_find(read, "bin/kcn")->mode, 0755);
        assert_int_equal(release_manifest_find(read, "bin/lib/a b")->size, 17);
        assert_null(release_manifest_find(read, "bin"));
        assert_int_equal(release_manifest_verify(read, s->fd, &fault), 0);

        /* made again over an unchanged tree it is the same, byte by byte: staging is idempotent */
        made = release_manifest_free(made);
        assert_int_equal(release_manifest_create(s->fd, "1.0", &made, &fault), 0);
        assert_string_equal(made->digest, read->digest);
}

typedef struct Change {
        const char *says;
        void (*make)(int dir);
} Change;

static void change_content(int dir) {
        put_file(dir, "bin/kcn", "\177ELG", 4, 0755);
}
static void change_size(int dir) {
        put_file(dir, "bin/kcn", "\177ELF!", 5, 0755);
}
static void change_mode(int dir) {
        assert_int_equal(fchmodat(dir, "bin/kcn", 04755, 0), 0);
}
static void remove_last(int dir) {
        assert_int_equal(unlinkat(dir, "empty", 0), 0);
}
static void remove_first(int dir) {
        assert_int_equal(unlinkat(dir, "arguments", 0), 0);
}
static void add_file(int dir) {
        put_text(dir, "bin/zzz", "");
}
static void add_last(int dir) {
        put_text(dir, "zzz", "");
}
static void add_link(int dir) {
        assert_int_equal(symlinkat("/etc/passwd", dir, "bin/link"), 0);
}
static void swap_for_link(int dir) {
        assert_int_equal(renameat(dir, "bin/kcn", dir, "kcn"), 0);
        assert_int_equal(symlinkat("../kcn", dir, "bin/kcn"), 0);
}
static void add_fifo(int dir) {
        assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
}
static void swap_directory_for_link(int dir) {
        assert_int_equal(renameat(dir, "bin", dir, "elsewhere"), 0);
        assert_int_equal(symlinkat("elsewhere", dir, "bin"), 0);
}

static void every_change_is_noticed_and_named(void **state) {
        static const Change changes[] = {
                { "'bin/kcn' has SHA-256", change_content },
                { "'bin/kcn' has 5 bytes, the MANIFEST says 4", change_size },
                { "'bin/kcn' has mode 4755, the MANIFEST says 0755", change_mode },
                { "'empty' of the MANIFEST is missing", remove_last },
                { "'arguments' of the MANIFEST is missing", remove_first },
                { "'bin/zzz' is not in the MANIFEST", add_file },
                { "'zzz' is not in the MANIFEST", add_last },
                { "'bin/link' is a symbolic link", add_link },
                { "'bin/kcn' is a symbolic link", swap_for_link },
                { "'fifo' is a special file", add_fifo },
                { "'bin' is a symbolic link", swap_directory_for_link },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
                cleanup_fault_ Fault fault = { 0 };
                cleanup_fd_ int dir = -1;

                assert_int_equal(mkdirat(s->fd, "tree", 0755), 0);
                dir = openat(s->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fill(dir);
                assert_int_equal(release_manifest_create(dir, "1.0", &m, &fault), 0);
                changes[i].make(dir);
                assert_int_equal(release_manifest_verify(m, dir, &fault), -EBADMSG);
                assert_says(&fault, changes[i].says);
                assert_int_equal(tree_remove(s->fd, "tree", &fault), 0);
        }
}

static void a_link_is_not_put_into_a_manifest(void **state) {
        const Scratch *s = *state;
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };

        fill(s->fd);
        add_link(s->fd);
        assert_int_equal(release_manifest_create(s->fd, "1.0", &m, &fault), -EINVAL);
        assert_says(&fault, "'bin/link'");
        assert_int_equal(faccessat(s->fd, MANIFEST_NAME, F_OK, 0), -1);
}

#define D    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "muster-manifest/1\nversion: 1.0\n"

static void a_malformed_manifest_is_refused_with_its_line(void **state) {
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "", "MANIFEST:1: expected 'muster-manifest/1'" },
                { "muster-manifest/2\n", "MANIFEST:1" },
                { "muster-manifest/1\n", "MANIFEST:2" },
                { "muster-manifest/1\nversion: ../1\n", "MANIFEST:2" },
                { HEAD D " 0644 0 a", "MANIFEST:3: expected a newline" },
                { HEAD D " 0644 0 a\n" D " 0644 0 a\n", "MANIFEST:4: expected paths in ascending order" },
                { HEAD D " 0644 0 b\n" D " 0644 0 a\n", "MANIFEST:4" },
                { HEAD D " 0644 0 ../a\n", "MANIFEST:3: expected a relative path" },
                { HEAD D " 0644 0 /a\n", "MANIFEST:3" },
                { HEAD D " 0644 0 a//b\n", "MANIFEST:3" },
                { HEAD D " 0644 0 a/./b\n", "MANIFEST:3" },
                { HEAD D " 0644 0 a/\n", "MANIFEST:3" },
                { HEAD D " 0644 0 a\tb\n", "MANIFEST:3" },
                { HEAD D " 0644 0 MANIFEST\n", "MANIFEST:3" },
                { HEAD D " 0644 0 \n", "MANIFEST:3" },
                { HEAD D " 0644 01 a\n", "MANIFEST:3: expected the size" },
                { HEAD D " 0644 -1 a\n", "MANIFEST:3: expected the size" },
                { HEAD D " 644 0 a\n", "MANIFEST:3: expected a mode" },
                { HEAD D " 0648 0 a\n", "MANIFEST:3: expected a mode" },
                { HEAD "E3" D " 0644 0 a\n", "MANIFEST:3: expected 64" },
                { HEAD D "\n", "MANIFEST:3: expected 64" },
                { HEAD "\n", "MANIFEST:3: expected 64" },
                { HEAD D " 0644\n", "MANIFEST:3: expected a mode" },
                { HEAD D " 0644 0\n", "MANIFEST:3: expected a size" },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
                cleanup_fault_ Fault fault = { 0 };

                put_text(s->fd, MANIFEST_NAME, bad[i].text);
                assert_int_equal(release_manifest_read(s->fd, &m, &fault), -EBADMSG);
                assert_null(m);
                assert_says(&fault, bad[i].says);
        }
        {
                cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
                cleanup_fault_ Fault fault = { 0 };
                static const char nul[] = HEAD D " 0644 0 a\0b\n";

                put_file(s->fd, MANIFEST_NAME, nul, sizeof nul - 1, 0644);
                assert_int_equal(release_manifest_read(s->fd, &m, &fault), -EBADMSG);
                assert_says(&fault, "NUL byte at offset");
        }
}

static void release_open_never_follows_a_link(void **state) {
        const Scratch *s = *state;
        int fd;

        fill(s->fd);
        assert_int_equal(symlinkat("bin", s->fd, "inside"), 0);
        assert_int_equal(symlinkat("/", s->fd, "outside"), 0);
        assert_int_equal(symlinkat("kcn", s->fd, "bin/alias"), 0);
        fd = release_open(s->fd, "bin/kcn", O_RDONLY);
        assert_true(fd >= 0);
        close(fd);
        assert_true(release_open(s->fd, "inside/kcn", O_RDONLY) < 0);
        assert_true(release_open(s->fd, "outside/etc/passwd", O_RDONLY) < 0);
        assert_true(release_open(s->fd, "bin/alias", O_RDONLY) < 0);
        assert_int_equal(release_open(s->fd, "../x", O_RDONLY), -EINVAL);
        assert_int_equal(release_open(s->fd, "/etc/passwd", O_RDONLY), -EINVAL);
        assert_int_equal(release_open(s->fd, "bin/../../x", O_RDONLY), -EINVAL);
}

static void paths_have_bounds(void **state) {
        char path[RELEASE_PATH_MAX + 2];

        memset(path, 'a', sizeof path);
        for (size_t i = 200; i < sizeof path; i += 200)
                path[i] = '/';
        path[RELEASE_PATH_MAX] = 0;
        assert_true(release_path_is_valid(path));
        path[RELEASE_PATH_MAX] = 'a';
        path[RELEASE_PATH_MAX + 1] = 0;
        assert_false(release_path_is_valid(path));
        memset(path, 'a', 256);
        path[256] = 0;
        assert_false(release_path_is_valid(path)); /* beyond NAME_MAX */
        for (size_t i = 0; i < RELEASE_DEPTH_MAX; i++)
                memcpy(path + 2 * i, "a/", 2);
        path[2 * RELEASE_DEPTH_MAX - 1] = 0;
        assert_true(release_path_is_valid(path));
        memcpy(path + 2 * RELEASE_DEPTH_MAX - 1, "/a", 3);
        assert_false(release_path_is_valid(path));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_was_written_is_read_and_verifies, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(every_change_is_noticed_and_named, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_link_is_not_put_into_a_manifest, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_malformed_manifest_is_refused_with_its_line, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(release_open_never_follows_a_link, scratch_new,
                                                scratch_free),
                cmocka_unit_test(paths_have_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
