/*
 * Archives as tools make them, and as an attacker would: written with
 * libarchive's writer, which refuses nothing.
 */
#include "tests/unit/scratch.h"
#include "upgrade/manifest.h"
#include "upgrade/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#define SCRIPT "#!/bin/sh\nexit 0\n"

typedef struct Item {
        const char *name;
        mode_t mode; /* with type; 0: hard link */
        const char *target;
        uint64_t claimed; /* size in the header, when not that of SCRIPT; the data is zeros */
} Item;

#define BINARY                                                                                              \
        { "kcn-1/bin/kcn", S_IFREG | 0755 }

typedef struct Kind {
        const char *name;
        int format, filter;
} Kind;

static const Kind kinds[] = {
        { "tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE },
        { "pax.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP },
        { "gnu.zst", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_ZSTD },
        { "tar.xz", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_XZ },
        { "zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE },
};

static void write_item(struct archive *a, const Item *item) {
        struct archive_entry *e = archive_entry_new();
        static const char zeros[65536];
        uint64_t size = item->claimed ?: strlen(SCRIPT);
        bool regular = S_ISREG(item->mode);

        archive_entry_set_pathname(e, item->name);
        archive_entry_set_mode(e, item->mode ?: S_IFREG | 0644);
        archive_entry_set_mtime(e, 1, 0);
        if (item->mode == 0)
                archive_entry_set_hardlink(e, item->target);
        else if (item->target)
                archive_entry_set_symlink(e, item->target);
        if (S_ISCHR(item->mode) || S_ISBLK(item->mode))
                archive_entry_set_rdev(e, makedev(1, 3));
        archive_entry_set_size(e, regular ? (la_int64_t) size : 0);
        assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
        if (regular && !item->claimed)
                assert_int_equal(archive_write_data(a, SCRIPT, size), size);
        for (uint64_t left = regular && item->claimed ? size : 0; left > 0;) {
                size_t n = left < sizeof zeros ? left : sizeof zeros;

                assert_int_equal(archive_write_data(a, zeros, n), n);
                left -= n;
        }
        archive_entry_free(e);
}

/* Writes the archive as "archive" into the scratch directory. */
static void write_archive(const Scratch *s, const Kind *kind, const Item *items, size_t n) {
        struct archive *a = archive_write_new();
        int fd = openat(s->fd, "archive", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_int_equal(archive_write_set_format(a, kind->format), ARCHIVE_OK);
        assert_int_equal(archive_write_add_filter(a, kind->filter), ARCHIVE_OK);
        assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
        for (size_t i = 0; i < n; i++)
                write_item(a, &items[i]);
        assert_int_equal(archive_write_close(a), ARCHIVE_OK);
        archive_write_free(a);
        close(fd);
}

/* Unpacks "archive" into a fresh "tree", whose descriptor comes back through *ret_tree (may be NULL). */
static int unpack_it(const Scratch *s, UnpackOptions options, UnpackResult *ret, int *ret_tree,
                     Fault *reterr) {
        cleanup_fd_ int archive = -1, tree = -1;
        UnpackResult ignored = { 0 };
        int r;

        options.binary = options.binary ?: "bin/kcn";
        assert_int_equal(tree_remove(s->fd, "tree", NULL), 0);
        assert_int_equal(mkdirat(s->fd, "tree", 0755), 0);
        archive = openat(s->fd, "archive", O_RDONLY | O_CLOEXEC);
        tree = openat(s->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = unpack(archive, tree, &options, ret ?: &ignored, reterr);
        unpack_result_done(&ignored);
        if (ret_tree)
                *ret_tree = TAKE_FD(tree);
        return r;
}

static void every_format_gives_the_same_tree(void **state) {
        static const Item items[] = {
                { "./", S_IFDIR | 0700 },
                { "./kcn-1/", S_IFDIR | 0700 },
                { "./kcn-1/bin/kcn", S_IFREG | 0700 },
                { "kcn-1//conf/genesis.json", S_IFREG | 0600 },
                { "kcn-1/run.sh", S_IFREG | 0777 },
                { "kcn-1/empty", S_IFDIR | 0555 },
                { "README", S_IFREG | 0444 },
        };
        const Scratch *s = *state;
        char digest[65] = "";

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
                cleanup_(unpack_result_done) UnpackResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };
                cleanup_fd_ int tree = -1;
                struct stat st;

                write_archive(s, &kinds[i], items, ELEMENTSOF(items));
                if (unpack_it(s, (UnpackOptions){ 0 }, &result, &tree, &fault) != 0)
                        fail_msg("%s: %s", kinds[i].name, fault.text);
                assert_string_equal(result.binary, "kcn-1/bin/kcn");
                assert_int_equal(result.files, 4);
                assert_int_equal(release_manifest_create(tree, "1", &m, &fault), 0);
                assert_int_equal(release_manifest_find(m, "kcn-1/bin/kcn")->mode, 0755);
                assert_int_equal(release_manifest_find(m, "kcn-1/run.sh")->mode, 0755);
                assert_int_equal(release_manifest_find(m, "kcn-1/conf/genesis.json")->mode, 0644);
                assert_int_equal(release_manifest_find(m, "README")->mode, 0644);
                assert_int_equal(fstatat(tree, "kcn-1/empty", &st, AT_SYMLINK_NOFOLLOW), 0);
                assert_int_equal(st.st_mode, S_IFDIR | 0755);
                if (i > 0)
                        assert_string_equal(m->digest, digest);
                memcpy(digest, m->digest, sizeof digest);
        }
}

/* The node's user must be able to read it, whatever the umask of the worker's unit. */
static void modes_do_not_depend_on_the_umask(void **state) {
        static const Item items[] = { BINARY };
        const Scratch *s = *state;
        cleanup_fd_ int tree = -1;
        struct stat st;
        mode_t old = umask(0077);

        write_archive(s, &kinds[1], items, 1);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, &tree, NULL), 0);
        umask(old);
        assert_int_equal(fstatat(tree, "kcn-1/bin", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(fstatat(tree, "kcn-1/bin/kcn", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
}

static void hostile_entries_are_refused_by_name(void **state) {
        static const struct {
                Item item;
                const char *says;
                bool not_in_zip; /* a zip cannot say it */
        } bad[] = {
                { { "../evil", S_IFREG | 0644 }, "Entry '../evil' is a path with '..'" },
                { { "a/../../evil", S_IFREG | 0644 }, "'..'" },
                { { "a/..", S_IFDIR | 0755 }, "'..'" },
                { { "/tmp/evil", S_IFREG | 0644 }, "Entry '/tmp/evil' is an absolute path" },
                { { "//evil", S_IFREG | 0644 }, "an absolute path" },
                { { "out", S_IFLNK | 0777, "/etc" }, "Entry 'out' is a symbolic link" },
                { { "in", S_IFLNK | 0777, "kcn-1" }, "Entry 'in' is a symbolic link" },
                { { "hard", 0, "kcn-1/bin/kcn" }, "Entry 'hard' is a hard link", true },
                { { "hard", 0, "/etc/passwd" }, "Entry 'hard' is a hard link", true },
                { { "null", S_IFCHR | 0666 }, "Entry 'null' is a device" },
                { { "disk", S_IFBLK | 0666 }, "Entry 'disk' is a device" },
                { { "pipe", S_IFIFO | 0666 }, "Entry 'pipe' is a fifo" },
                { { "su", S_IFREG | 04755 }, "Entry 'su' is setuid" },
                { { "sg", S_IFREG | 02755 }, "Entry 'sg' is setgid" },
                { { "dir", S_IFDIR | 01777 }, "Entry 'dir/' is sticky" },
                { { "kcn-1/bin/kcn", S_IFREG | 0755 }, "Entry 'kcn-1/bin/kcn' comes twice" },
                { { "./kcn-1/./bin//kcn", S_IFREG | 0755 }, "comes twice" },
                { { "kcn-1/bin/kcn", S_IFDIR | 0755 }, "needs a directory where another entry is a file" },
                { { "kcn-1/bin/kcn/x", S_IFREG | 0755 }, "needs a directory where another entry is a file" },
                { { "kcn-1/bin", S_IFREG | 0755 }, "comes twice" },
                { { "a\nb", S_IFREG | 0644 }, "Entry 'a?b' is a path that" },
                { { "\033[31m", S_IFREG | 0644 }, "Entry '?[31m' is a path that" },
                { { "MANIFEST", S_IFREG | 0644 }, "Entry 'MANIFEST' is a name at the top" },
                { { "./arguments", S_IFREG | 0644 }, "a name at the top" },
                { { "environment", S_IFDIR | 0755 }, "a name at the top" },
        };
        const Scratch *s = *state;

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++)
                for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                        const Item items[] = { BINARY, bad[i].item };
                        cleanup_fault_ Fault fault = { 0 };
                        int r;

                        if (kinds[k].format == ARCHIVE_FORMAT_ZIP &&
                            (bad[i].not_in_zip || !(S_ISREG(bad[i].item.mode) || S_ISDIR(bad[i].item.mode) ||
                                                    S_ISLNK(bad[i].item.mode))))
                                continue;
                        write_archive(s, &kinds[k], items, ELEMENTSOF(items));
                        r = unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault);
                        if (r != -EBADMSG || !strstr(fault.text, bad[i].says))
                                fail_msg("%s, %s: %d %s", kinds[k].name, bad[i].item.name, r,
                                         fault_text(&fault, r));
                        assert_int_equal(faccessat(s->fd, "evil", F_OK, 0), -1);
                        assert_int_equal(access("/tmp/evil", F_OK), -1);
                }
}

static void bombs_stop_at_the_cap(void **state) {
        static const Item big[] = { BINARY, { "zeros", S_IFREG | 0644, NULL, 64 << 20 } };
        const Scratch *s = *state;
        Item many[60] = { BINARY };
        char names[60][64];

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_fd_ int tree = -1;

                write_archive(s, &kinds[k], big, ELEMENTSOF(big));
                assert_int_equal(unpack_it(s, (UnpackOptions){ .max_bytes = 1 << 20 }, NULL, &tree, &fault),
                                 -EBADMSG);
                assert_says(&fault, "unpacks to more than 1.0 MiB");
                assert_int_equal(faccessat(tree, "zeros", F_OK, 0), -1); /* its header was enough */
        }
        for (size_t i = 1; i < ELEMENTSOF(many); i++) {
                snprintf(names[i], sizeof names[i], "f%zu", i);
                many[i] = (Item){ names[i], S_IFREG | 0644 };
        }
        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                cleanup_fault_ Fault fault = { 0 };

                write_archive(s, &kinds[k], many, ELEMENTSOF(many));
                assert_int_equal(unpack_it(s, (UnpackOptions){ .max_files = 60 }, NULL, NULL, &fault), 0);
                assert_int_equal(unpack_it(s, (UnpackOptions){ .max_files = 59 }, NULL, NULL, &fault),
                                 -EBADMSG);
                assert_says(&fault, "more than 59 entries");
        }
        for (size_t i = 1; i < ELEMENTSOF(many); i++)
                snprintf(names[i], sizeof names[i], "%zu/a/a/a/a/a/a/a/a/a/x", i);
        {
                cleanup_fault_ Fault fault = { 0 };

                write_archive(s, &kinds[0], many, ELEMENTSOF(many));
                assert_int_equal(unpack_it(s, (UnpackOptions){ .max_files = 300 }, NULL, NULL, &fault),
                                 -EBADMSG);
                assert_says(&fault, "more than 300 directories");
        }
}

/* gzip of gzip of a tar: one layer is peeled, and what is left is no archive. */
static void a_bomb_within_a_bomb_is_no_archive(void **state) {
        static const Item items[] = { BINARY };
        const Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *command = NULL;

        write_archive(s, &kinds[1], items, 1);
        assert_true(asprintf(&command, "cd %s && gzip <archive >twice && mv twice archive", s->path) > 0);
        assert_int_equal(system(command), 0);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
}

static void nothing_may_follow_the_end(void **state) {
        static const Item items[] = { BINARY };
        const Scratch *s = *state;

        for (size_t k = 0; k + 1 < ELEMENTSOF(kinds); k++) { /* a zip is read from its end */
                cleanup_fault_ Fault fault = { 0 };
                cleanup_fd_ int fd = -1;

                write_archive(s, &kinds[k], items, 1);
                fd = openat(s->fd, "archive", O_WRONLY | O_APPEND | O_CLOEXEC);
                assert_int_equal(write_all(fd, "garbage", 7), 0);
                if (unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault) != -EBADMSG)
                        fail_msg("garbage after %s passed", kinds[k].name);
        }
        {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *command = NULL;

                write_archive(s, &kinds[0], items, 1);
                assert_true(asprintf(&command,
                                     "cd %s && { cat archive; echo garbage; } | zstd -q >a && mv a archive",
                                     s->path) > 0);
                assert_int_equal(system(command), 0);
                assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
                assert_says(&fault, "other data behind its end");
        }
}

static void concatenated_frames_and_padding_are_fine(void **state) {
        static const Item items[] = { BINARY };
        static const char *const compress[] = { "gzip", "zstd -q", "xz" };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(compress); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *command = NULL;

                write_archive(s, &kinds[0], items, 1);
                assert_true(asprintf(&command,
                                     "cd %s && { head -c 700 archive | %s; tail -c +701 archive | %s; "
                                     "head -c 5000 /dev/zero | %s; } >a && mv a archive",
                                     s->path, compress[i], compress[i], compress[i]) > 0);
                assert_int_equal(system(command), 0);
                if (unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault) != 0)
                        fail_msg("%s: %s", compress[i], fault.text);
        }
}

static void a_truncated_archive_is_refused(void **state) {
        static const Item items[] = { BINARY,
                                      { "more", S_IFREG | 0644, NULL, 100000 },
                                      { "end", S_IFREG | 0644 } };
        const Scratch *s = *state;

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                struct stat st;

                write_archive(s, &kinds[k], items, ELEMENTSOF(items));
                assert_int_equal(fstatat(s->fd, "archive", &st, 0), 0);
                for (int cut = 1; cut < 8; cut++) {
                        cleanup_fault_ Fault fault = { 0 };
                        cleanup_fd_ int fd = openat(s->fd, "archive", O_RDWR | O_CLOEXEC);

                        assert_int_equal(ftruncate(fd, st.st_size * (8 - cut) / 8), 0);
                        if (unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault) >= 0 &&
                            k > 0) /* a plain tar may end anywhere between entries */
                                fail_msg("%s cut to %d/8 passed", kinds[k].name, 8 - cut);
                }
        }
}

static void the_binary_is_found_or_the_candidates_are_listed(void **state) {
        static const struct {
                const char *binary;
                Item items[3];
                const char *found, *says;
        } cases[] = {
                { "bin/kcn", { { "bin/kcn", S_IFREG | 0644 }, { "x/bin/kcn", S_IFREG | 0755 } }, "bin/kcn" },
                { "bin/kcn", { { "v1/bin/kcn", S_IFREG | 0644 }, { "kcn", S_IFREG | 0755 } }, "v1/bin/kcn" },
                { "bin/kcn", { { "v1/kcn", S_IFREG | 0755 }, { "v1/kcn.sha", S_IFREG | 0644 } }, "v1/kcn" },
                { "kcn", { { "v1/mybin/kcn", S_IFREG | 0755 } }, "v1/mybin/kcn" },
                { "bin/kcn", { { "mybin/kcn", S_IFREG | 0755 } }, "mybin/kcn" },
                { "kcn",
                  { { "a/kcn", S_IFREG | 0755 }, { "b/kcn", S_IFREG | 0755 } },
                  NULL,
                  "a/kcn, b/kcn" },
                { "bin/kcn",
                  { { "a/kcn", S_IFREG | 0755 }, { "b/kcn", S_IFREG | 0755 }, { "c", S_IFREG | 0755 } },
                  NULL,
                  "2 files that could be the binary 'bin/kcn': a/kcn, b/kcn" },
                { "kcn",
                  { { "a/ken", S_IFREG | 0755 }, { "b/kpn", S_IFREG | 0755 } },
                  NULL,
                  "no binary 'kcn'; its files are: a/ken, b/kpn" },
                { "kcn", { { "kcn", S_IFDIR | 0755 }, { "a", S_IFREG | 0755 } }, NULL, "no binary 'kcn'" },
                { "kcn", { { "kcn", S_IFDIR | 0755 } }, NULL, "holds no file" },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_(unpack_result_done) UnpackResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };
                size_t n = 0;
                int r;

                while (n < 3 && cases[i].items[n].name)
                        n++;
                write_archive(s, &kinds[1], cases[i].items, n);
                r = unpack_it(s, (UnpackOptions){ .binary = cases[i].binary }, &result, NULL, &fault);
                if (cases[i].found) {
                        assert_int_equal(r, 0);
                        assert_string_equal(result.binary, cases[i].found);
                } else {
                        assert_int_equal(r, -EBADMSG);
                        assert_says(&fault, cases[i].says);
                }
        }
}

static void a_bare_binary_goes_to_its_place(void **state) {
        const Scratch *s = *state;
        cleanup_(unpack_result_done) UnpackResult result = { 0 };
        cleanup_free_ char *self = NULL, *copy = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_fd_ int tree = -1;
        size_t size, copied;
        struct stat st;

        assert_int_equal(read_small_file(AT_FDCWD, "/proc/self/exe", 64 << 20, &self, &size), 0);
        put_file(s->fd, "archive", self, size, 0600);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, &result, &tree, &fault), 0);
        assert_string_equal(result.binary, "bin/kcn");
        assert_int_equal(fstatat(tree, "bin/kcn", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(read_small_file(tree, "bin/kcn", 64 << 20, &copy, &copied), 0);
        assert_int_equal(copied, size);
        assert_memory_equal(copy, self, size);

        ((Elf64_Ehdr *) (void *) self)->e_machine = EM_S390;
        put_file(s->fd, "archive", self, size, 0600);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
        assert_says(&fault, "'bin/kcn' is a binary for s390x (64 bit), this machine is ");
        self[EI_CLASS] = ELFCLASS32;
        put_file(s->fd, "archive", self, size, 0600);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
        put_file(s->fd, "archive", self, 20, 0600);
        assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
        assert_says(&fault, "truncated ELF file of 20 bytes");
}

static void what_is_neither_is_refused(void **state) {
        static const char *const junk[] = { "",
                                            "PK\3\4",
                                            "PK\3\4 not a zip at all",
                                            "<!DOCTYPE html><html>",
                                            "\x1f\x8b",
                                            "\x28\xb5\x2f\xfd",
                                            "hello" };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(junk); i++) {
                cleanup_fault_ Fault fault = { 0 };

                put_text(s->fd, "archive", junk[i]);
                assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
                assert_non_null(fault.text);
        }
        {
                static const Item items[] = { { "kcn", S_IFREG | 0755, NULL, 5000 } };
                cleanup_fault_ Fault fault = { 0 };

                write_archive(s, &kinds[1], items, 1);
                assert_int_equal(unpack_it(s, (UnpackOptions){ 0 }, NULL, NULL, &fault), -EBADMSG);
                assert_says(&fault, "'kcn' is no program");
        }
}

/* A disk of 1 MiB, in a mount namespace of our own. */
static void a_full_disk_is_told_before_it_is_full(void **state) {
        static const Item items[] = { BINARY, { "zeros", S_IFREG | 0644, NULL, 4 << 20 } };
        const Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_fd_ int archive = -1, tree = -1;
        const UnpackOptions options = { .binary = "kcn" };
        UnpackResult result = { 0 };
        cleanup_free_ char *disk = NULL;

        assert_true(asprintf(&disk, "%s/disk", s->path) > 0);
        assert_int_equal(mkdir(disk, 0755), 0);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", disk, "tmpfs", 0, "size=1m") < 0)
                skip();
        write_archive(s, &kinds[1], items, ELEMENTSOF(items));
        archive = openat(s->fd, "archive", O_RDONLY | O_CLOEXEC);
        tree = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(unpack(archive, tree, &options, &result, &fault), -ENOSPC);
        assert_says(&fault, "No space to unpack 'zeros': 4.0 MiB needed");
        assert_int_equal(faccessat(tree, "zeros", F_OK, 0), -1);
        close(TAKE_FD(tree));
        assert_int_equal(umount(disk), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_new, scratch_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(every_format_gives_the_same_tree),
                TEST(modes_do_not_depend_on_the_umask),
                TEST(hostile_entries_are_refused_by_name),
                TEST(bombs_stop_at_the_cap),
                TEST(a_bomb_within_a_bomb_is_no_archive),
                TEST(nothing_may_follow_the_end),
                TEST(concatenated_frames_and_padding_are_fine),
                TEST(a_truncated_archive_is_refused),
                TEST(the_binary_is_found_or_the_candidates_are_listed),
                TEST(a_bare_binary_goes_to_its_place),
                TEST(what_is_neither_is_refused),
                TEST(a_full_disk_is_told_before_it_is_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
