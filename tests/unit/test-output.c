/*
 * What an archive may name and what is made of it, without an archive: names,
 * caps, files written in pieces by several threads.
 */
#include "archive/output.h"
#include "tests/unit/scratch.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/statvfs.h>

typedef struct Notices {
        char **paths, **reasons;
} Notices;

static void take_notice(const char *path, const char *why, void *userdata) {
        Notices *n = userdata;

        assert_int_equal(strv_append(&n->paths, path), 0);
        assert_int_equal(strv_append(&n->reasons, why), 0);
}

static void notices_done(Notices *n) {
        strv_free(n->paths);
        strv_free(n->reasons);
}

static Output *open_output(const Scratch *s, const OutputOptions *options) {
        cleanup_fault_ Fault fault = { 0 };
        Output *o;

        if (output_new(s->fd, options, &o, &fault) < 0)
                fail_msg("%s", fault.text);
        return o;
}

static int put(Output *o, const char *path, const void *data, size_t size, mode_t mode, Fault *fault) {
        OutputFile *f;
        int r;

        r = output_file_open(o, path, size, mode, 1000, 5, &f, fault);
        if (r != 0)
                return r;
        r = output_file_write(f, data, size, 0, fault);
        if (r < 0) {
                (void) output_file_close(f, NULL);
                return r;
        }
        return output_file_close(f, fault);
}

static bool is_there(const Scratch *s, const char *path) {
        struct stat st;

        return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void fill(uint8_t *data, size_t size, uint32_t seed) {
        for (size_t i = 0; i < size; i++) {
                seed = seed * 1664525 + 1013904223;
                data[i] = (uint8_t) (seed >> 24);
        }
}

static void check_content(const Scratch *s, const char *path, const uint8_t *data, size_t size) {
        cleanup_free_ char *text = NULL;
        size_t n;

        assert_int_equal(read_small_file(s->fd, path, 64 << 20, &text, &n), 0);
        assert_int_equal(n, size);
        assert_memory_equal(text, data, size);
}

/* ---- Names ---- */

static void names_that_lead_elsewhere_are_refused(void **ctx) {
        static const struct {
                const char *name, *word;
        } bad[] = {
                { "/etc/passwd", "absolute" },
                { "../x", "'..'" },
                { "a/../../x", "'..'" },
                { "a/..", "'..'" },
                { "./..", "'..'" },
                { "a\nb", "control" },
                { "a/\x7f", "control" },
                { ".muster-x", "muster" },
                { "./.muster-partial", "muster" },
                { ".Muster-X/y", "muster" },
                { "", "without a name" },
                { "./", "without a name" },
        };
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = { 0 };

                assert_int_equal(put(o, bad[i].name, "x", 1, 0644, &fault), -EBADMSG);
                assert_says(&fault, bad[i].word);
        }
        assert_false(is_there(*ctx, ".muster-x"));
}

static void names_that_are_too_long_or_too_deep_are_refused(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        char name[5000];

        memset(name, 'a', sizeof name);
        name[256] = 0;
        assert_int_equal(put(o, name, "x", 1, 0644, NULL), -EBADMSG);
        name[255] = 0;
        assert_int_equal(put(o, name, "x", 1, 0644, NULL), 0);
        for (size_t i = 0; i < sizeof name; i++)
                name[i] = i % 2 ? '/' : 'a';
        name[2 * 65 - 1] = 0;
        assert_int_equal(put(o, name, "x", 1, 0644, NULL), -EBADMSG);
        for (size_t i = 0; i < sizeof name; i++)
                name[i] = i % 2 ? '/' : '.';
        name[4998] = 0;
        assert_int_equal(put(o, name, "x", 1, 0644, NULL), -EBADMSG);
}

static void own_names_are_free_below_the_top(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);

        assert_int_equal(put(o, "a/.muster-x", "x", 1, 0644, NULL), 0);
        assert_int_equal(put(o, ".muster", "x", 1, 0644, NULL), 0);
}

static void protected_names_are_ignored_in_every_disguise(void **ctx) {
        static char *const patterns[] = { (char *) "data/priv_validator_state.json", (char *) "keystore/",
                                          (char *) "./config//*_key.json", NULL };
        static const char *const ignored[] = {
                "data/priv_validator_state.json",
                "./DATA//Priv_validator_state.json",
                "data/./priv_validator_state.JSON/",
                "data/priv_validator_state.json/inside/of/it",
                "keystore/UTC--1",
                "Keystore/deep/er/UTC--1",
                "config/node_key.json",
                "config/NODE_KEY.JSON/x",
                "config/\xff_key.json",
                "keystore", /* a file where the protected directory belongs */
                "data",
        };
        static const char *const made[] = { "data2", "data/priv_validator_state.json.bak",
                                            "config/x/node_key.json", "x/keystore/y", "keystore2" };
        Notices notices = { 0 };
        const OutputOptions options = { .protect = patterns, .notice = take_notice, .userdata = &notices };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        OutputStats stats;

        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                assert_int_equal(put(o, ignored[i], "x", 1, 0644, NULL), OUTPUT_E_IGNORED);
        assert_int_equal(output_directory(o, "data/priv_validator_state.json", 0755, 1, 0, NULL),
                         OUTPUT_E_IGNORED);
        assert_int_equal(output_directory(o, "keystore/x", 0755, 1, 0, NULL), OUTPUT_E_IGNORED);
        assert_int_equal(put(o, "data/../x", "x", 1, 0644, NULL), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(made); i++)
                assert_int_equal(put(o, made[i], "x", 1, 0644, NULL), 0);
        output_stats(o, &stats);
        assert_int_equal(stats.ignored, ELEMENTSOF(ignored) + 2);
        assert_int_equal(strv_length(notices.paths), ELEMENTSOF(ignored) + 2);
        assert_string_equal(notices.paths[1], "DATA/Priv_validator_state.json");
        assert_non_null(strstr(notices.reasons[1], "protected"));
        assert_false(is_there(*ctx, "data/priv_validator_state.json"));
        notices_done(&notices);
}

static void a_prefix_is_stripped_and_the_rest_ignored(void **ctx) {
        static char *const patterns[] = { (char *) "key", NULL };
        Notices notices = { 0 };
        const OutputOptions options = {
                .prefix = "./a/data/", .protect = patterns, .notice = take_notice, .userdata = &notices
        };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);

        assert_int_equal(output_directory(o, "./", 0755, 1, 0, NULL), OUTPUT_E_IGNORED);
        assert_int_equal(output_directory(o, "a/", 0755, 1, 0, NULL), OUTPUT_E_IGNORED);
        assert_null(notices.paths);
        assert_int_equal(output_directory(o, "a/data", 0755, 1, 0, NULL), 0);
        assert_int_equal(put(o, "a/data/f", "x", 1, 0644, NULL), 0);
        assert_int_equal(put(o, "a/data2/f", "x", 1, 0644, NULL), OUTPUT_E_IGNORED);
        assert_int_equal(put(o, "a/data/key", "x", 1, 0644, NULL), OUTPUT_E_IGNORED);
        assert_int_equal(put(o, "a/data/.muster-x", "x", 1, 0644, NULL), -EBADMSG);
        assert_int_equal(put(o, "a/data", "x", 1, 0644, NULL), -EBADMSG);
        assert_true(is_there(*ctx, "f"));
        assert_int_equal(strv_length(notices.paths), 2);
        notices_done(&notices);
}

static void patterns_and_prefixes_must_be_relative(void **ctx) {
        static char *const patterns[] = { (char *) "../key", NULL };
        const OutputOptions bad_pattern = { .protect = patterns }, bad_prefix = { .prefix = "/data" };
        const Scratch *s = *ctx;
        cleanup_fault_ Fault fault = { 0 };
        Output *o;

        assert_int_equal(output_new(s->fd, &bad_pattern, &o, &fault), -EINVAL);
        assert_says(&fault, "../key");
        assert_int_equal(output_new(s->fd, &bad_prefix, &o, &fault), -EINVAL);
}

/* ---- What is made ---- */

static void modes_and_times_are_kept_but_never_setuid(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        const Scratch *s = *ctx;
        mode_t old = umask(077);
        struct stat st;

        assert_int_equal(output_directory(o, "d", 07555, 2000, 7, NULL), 0);
        assert_int_equal(put(o, "d/f", "x", 1, 06751, NULL), 0);
        assert_int_equal(put(o, "implied/f", "x", 1, 0400, NULL), 0);
        assert_int_equal(output_directory(o, "early", 0700, -5, 0, NULL), 0);
        assert_int_equal(output_finish(o, NULL), 0);
        umask(old);
        assert_int_equal(fstatat(s->fd, "d", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(st.st_mtim.tv_sec, 2000);
        assert_int_equal(st.st_mtim.tv_nsec, 7);
        assert_int_equal(fstatat(s->fd, "d/f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0751);
        assert_int_equal(st.st_mtim.tv_sec, 1000);
        assert_int_equal(fstatat(s->fd, "implied", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(fstatat(s->fd, "implied/f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0400);
        assert_int_equal(fstatat(s->fd, "early", &st, 0), 0);
        assert_int_equal(st.st_mtim.tv_sec, 0);
}

static void what_comes_twice_or_over_another_is_refused(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(put(o, "f", "x", 1, 0644, NULL), 0);
        assert_int_equal(put(o, "./f", "y", 1, 0644, &fault), -EBADMSG);
        assert_says(&fault, "twice");
        assert_int_equal(put(o, "f/x", "y", 1, 0644, &fault), -EBADMSG);
        assert_int_equal(output_directory(o, "f", 0755, 1, 0, &fault), -EBADMSG);
        assert_says(&fault, "needs a directory");
        assert_int_equal(put(o, "d/f", "x", 1, 0644, NULL), 0);
        assert_int_equal(put(o, "d", "x", 1, 0644, &fault), -EBADMSG);
        assert_int_equal(output_directory(o, "d", 0755, 1, 0, NULL), 0);
        check_content(*ctx, "f", (const uint8_t *) "x", 1);
}

static void no_link_is_followed(void **ctx) {
        const OutputOptions options = { .resume = true };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        cleanup_fault_ Fault fault = { 0 };
        const Scratch *s = *ctx;

        put_text(s->fd, "outside", "safe");
        assert_int_equal(mkdirat(s->fd, "dir", 0755), 0);
        assert_int_equal(symlinkat("outside", s->fd, "link"), 0);
        assert_int_equal(symlinkat("dir", s->fd, "dirlink"), 0);
        assert_int_equal(linkat(s->fd, "outside", s->fd, "hard", 0), 0);
        assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
        assert_true(put(o, "link", "evil", 4, 0644, &fault) < 0);
        assert_int_equal(put(o, "dirlink/f", "evil", 4, 0644, &fault), -EBADMSG);
        assert_int_equal(put(o, "hard", "evil", 4, 0644, &fault), -EBADMSG);
        assert_true(put(o, "fifo", "evil", 4, 0644, &fault) < 0);
        check_content(s, "outside", (const uint8_t *) "safe", 4);
        assert_false(is_there(s, "dir/f"));
}

static void a_partial_file_is_continued(void **ctx) {
        const OutputOptions fresh = { 0 }, resume = { .resume = true };
        cleanup_(output_freep) Output *o = open_output(*ctx, &fresh);
        const size_t size = 300000;
        cleanup_free_ uint8_t *data = malloc(size);
        OutputFile *f;

        fill(data, size, 1);
        assert_int_equal(output_file_open(o, "a/b/f", size, 0644, 1, 0, &f, NULL), 0);
        assert_int_equal(output_file_write(f, data, 4096 * 20, 0, NULL), 0);
        o = output_free(o); /* as if killed */
        o = open_output(*ctx, &resume);
        assert_int_equal(output_file_open(o, "a/b/f", size, 0644, 1, 0, &f, NULL), 0);
        assert_int_equal(output_file_write(f, data + 4096 * 20, size - 4096 * 20, 4096 * 20, NULL), 0);
        assert_int_equal(output_file_close(f, NULL), 0);
        check_content(*ctx, "a/b/f", data, size);
}

/* ---- Caps ---- */

static void more_bytes_or_files_than_expected_are_refused(void **ctx) {
        const OutputOptions options = { .max_bytes = 10, .max_files = 3 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(put(o, "a", "12345678", 8, 0644, NULL), 0);
        assert_int_equal(put(o, "b", "123", 3, 0644, &fault), -EBADMSG);
        assert_says(&fault, "more than the 10 B");
        assert_int_equal(put(o, "d/e/f", "1", 1, 0644, &fault), -EBADMSG);
        assert_says(&fault, "more than the 3 files");
}

static void a_file_larger_than_the_disk_is_refused_before_a_byte_is_written(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        cleanup_fault_ Fault fault = { 0 };
        OutputFile *f, *g;
        const Scratch *s = *ctx;
        struct statvfs fs;
        uint64_t third;

        assert_int_equal(output_file_open(o, "bomb", (uint64_t) 1 << 60, 0644, 1, 0, &f, &fault), -ENOSPC);
        assert_says(&fault, "No space to unpack 'bomb'");
        assert_int_equal(output_file_open(o, "bomb2", UINT64_MAX, 0644, 1, 0, &f, &fault), -ENOSPC);
        assert_int_equal(output_room(s->fd, (uint64_t) 1 << 60, 1, &fault), -ENOSPC);
        assert_says(&fault, "missing");
        assert_int_equal(output_room(s->fd, 1, 1, NULL), 0);
        /* Sparse ones that would each fit do not all fit. */
        assert_int_equal(fstatvfs(s->fd, &fs), 0);
        third = (uint64_t) fs.f_bavail * fs.f_frsize / 10 * 6;
        assert_int_equal(output_file_open(o, "one", third, 0644, 1, 0, &f, &fault), 0);
        assert_int_equal(output_file_open(o, "two", third, 0644, 1, 0, &g, &fault), -ENOSPC);
        assert_int_equal(output_file_close(f, NULL), 0);
        assert_int_equal(output_file_open(o, "three", third, 0644, 1, 0, &g, &fault), 0);
        assert_int_equal(output_file_close(g, NULL), 0);
}

/* ---- Data ---- */

static void every_length_of_a_tail_arrives(void **ctx) {
        const OutputOptions direct = { 0 }, buffered = { .buffered = true };
        const size_t base = 64 << 10;
        void *memory = NULL;
        uint8_t *data;

        assert_int_equal(posix_memalign(&memory, 4096, base + 4096), 0);
        data = memory;
        fill(data, base + 4096, 3);
        for (size_t tail = 0; tail < 4096; tail += tail < 3 || tail > 4092 ? 1 : 61) {
                Output *o = open_output(*ctx, &direct);

                assert_int_equal(put(o, "f", data, base + tail, 0644, NULL), 0);
                check_content(*ctx, "f", data, base + tail);
                assert_int_equal(unlinkat(((Scratch *) *ctx)->fd, "f", 0), 0);
                output_free(o);
                o = open_output(*ctx, &buffered);
                assert_int_equal(put(o, "f", data, base + tail, 0644, NULL), 0);
                check_content(*ctx, "f", data, base + tail);
                assert_int_equal(unlinkat(((Scratch *) *ctx)->fd, "f", 0), 0);
                output_free(o);
        }
        free(data);
}

static void nothing_is_written_behind_the_size(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        cleanup_fault_ Fault fault = { 0 };
        OutputFile *f;

        assert_int_equal(output_file_open(o, "f", 100, 0644, 1, 0, &f, NULL), 0);
        assert_int_equal(output_file_write(f, "0123456789", 10, 91, &fault), -EFBIG);
        assert_says(&fault, "100 bytes only");
        assert_int_equal(output_file_write(f, "0123456789", 10, UINT64_MAX - 4, &fault), -EFBIG);
        assert_int_equal(output_file_write(f, "0123456789", 10, 90, NULL), 0);
        assert_int_equal(output_file_close(f, NULL), 0);
}

static void files_beyond_four_gigabytes_are_written_anywhere(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        const Scratch *s = *ctx;
        const uint64_t size = ((uint64_t) 5 << 30) + 777;
        static const uint64_t offsets[] = { 0, ((uint64_t) 4 << 30) - 3, ((uint64_t) 4 << 30) + 4096 * 5,
                                            ((uint64_t) 5 << 30) - 100000, ((uint64_t) 5 << 30) + 770 };
        uint8_t data[5000], back[5000];
        cleanup_fd_ int fd = -1;
        struct stat st;
        OutputFile *f;

        if (output_room(s->fd, size, 1, NULL) < 0)
                skip();
        assert_int_equal(output_file_open(o, "f", size, 0644, 1, 0, &f, NULL), 0);
        for (uint32_t i = 0; i < ELEMENTSOF(offsets); i++) {
                size_t n = size - offsets[i] < sizeof data ? (size_t) (size - offsets[i]) : sizeof data;

                fill(data, n, i);
                assert_int_equal(output_file_write(f, data, n, offsets[i], NULL), 0);
        }
        assert_int_equal(output_file_close(f, NULL), 0);
        fd = openat(s->fd, "f", O_RDONLY | O_CLOEXEC);
        for (uint32_t i = 0; i < ELEMENTSOF(offsets); i++) {
                size_t n = size - offsets[i] < sizeof data ? (size_t) (size - offsets[i]) : sizeof data;

                fill(data, n, i);
                assert_int_equal(pread(fd, back, n, (off_t) offsets[i]), n);
                assert_memory_equal(data, back, n);
        }
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, size);
        assert_true(st.st_blocks * 512 < 1 << 20);
}

typedef struct Part {
        pthread_t id;
        OutputFile *file;
        const uint8_t *data;
        size_t size, step, first, n_threads;
} Part;

static void *write_part(void *userdata) {
        Part *p = userdata;

        for (size_t i = p->first; i * p->step < p->size; i += p->n_threads) {
                size_t offset = i * p->step, n = p->size - offset < p->step ? p->size - offset : p->step;

                if (output_file_write(p->file, p->data + offset, n, offset, NULL) < 0)
                        abort();
        }
        return NULL;
}

/* Pieces of @step bytes, dealt out to four threads. */
static void write_in_pieces(const Scratch *s, const OutputOptions *options, size_t size, size_t step,
                            size_t shift) {
        cleanup_(output_freep) Output *o = open_output(s, options);
        Part parts[4];
        OutputFile *f;
        void *memory = NULL;
        uint8_t *data;

        assert_int_equal(posix_memalign(&memory, 4096, size + shift), 0);
        data = memory;
        fill(data + shift, size, (uint32_t) (size + step));
        assert_int_equal(output_file_open(o, "f", size, 0644, 1, 0, &f, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
                parts[i] = (Part){ .file = f,
                                   .data = data + shift,
                                   .size = size,
                                   .step = step,
                                   .first = i,
                                   .n_threads = 4 };
                assert_int_equal(pthread_create(&parts[i].id, NULL, write_part, &parts[i]), 0);
        }
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_join(parts[i].id, NULL), 0);
        assert_int_equal(output_file_close(f, NULL), 0);
        check_content(s, "f", data + shift, size);
        assert_int_equal(unlinkat(s->fd, "f", 0), 0);
        free(data);
}

static void several_threads_write_one_file(void **ctx) {
        static const size_t steps[] = { 4096, 512 * 9, 65536, 1000, 12345 };
        const OutputOptions direct = { 0 }, buffered = { .buffered = true };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                write_in_pieces(*ctx, &direct, 700001, steps[i], 0);
                write_in_pieces(*ctx, &direct, 700001, steps[i], 13);
                write_in_pieces(*ctx, &buffered, 700001, steps[i], 13);
        }
        write_in_pieces(*ctx, &direct, 5 << 20, 3 << 20, 1);
}

static void many_directories_are_reached(void **ctx) {
        const OutputOptions options = { 0 };
        cleanup_(output_freep) Output *o = open_output(*ctx, &options);
        OutputStats stats;
        char path[64];

        for (int i = 0; i < 400; i++) {
                snprintf(path, sizeof path, "%d/%d/%d/f%d", i % 7, i % 31, i % 3, i);
                assert_int_equal(put(o, path, "x", 1, 0644, NULL), 0);
        }
        output_stats(o, &stats);
        assert_int_equal(stats.bytes, 400);
        assert_int_equal(stats.files, 400 + 7 + 7 * 31 + 400);
        assert_int_equal(output_finish(o, NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(names_that_lead_elsewhere_are_refused, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(names_that_are_too_long_or_too_deep_are_refused, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(own_names_are_free_below_the_top, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(protected_names_are_ignored_in_every_disguise, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_prefix_is_stripped_and_the_rest_ignored, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(patterns_and_prefixes_must_be_relative, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(modes_and_times_are_kept_but_never_setuid, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(what_comes_twice_or_over_another_is_refused, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(no_link_is_followed, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(a_partial_file_is_continued, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(more_bytes_or_files_than_expected_are_refused, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(
                        a_file_larger_than_the_disk_is_refused_before_a_byte_is_written, scratch_new,
                        scratch_free),
                cmocka_unit_test_setup_teardown(every_length_of_a_tail_arrives, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(nothing_is_written_behind_the_size, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(files_beyond_four_gigabytes_are_written_anywhere,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(several_threads_write_one_file, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(many_directories_are_reached, scratch_new, scratch_free),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
