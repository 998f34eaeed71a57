/* Framed snapshots: placed out of order, continued after a kill, taken from a seed. */
#include "archive/checkpoint.h"
#include "archive/frames.h"
#include "tests/unit/framed.h"

#include <pthread.h>

static const FramedFile tree[] = {
        { "db", DIRECTORY, 0 },
        { "db/000001.ldb", 3000000, 1 },
        { "db/000002.ldb", 2097152, 2 },
        { "db/CURRENT", 16, 3 },
        { "db/LOG", 0, 0 },
        { "db/MANIFEST", 5000, 4 },
        { "db/sub", DIRECTORY, 0 },
        { "db/sub/a", 70000, 5 },
        { "db/sub/b", 4096, 6 },
        { "empty", DIRECTORY, 0 },
        { "nodekey", 64, 7 },
        { "state", 1234567, 8 },
        { "wal", 300001, 9 },
        { NULL, 0, 0 },
};

typedef struct Run {
        char notices[4096];
        bool cancel; /* as soon as something is done */
        uint64_t last_done, total;
} Run;

static void on_notice(const char *text, void *userdata) {
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        Run *run = userdata;
        size_t n;

        pthread_mutex_lock(&lock);
        n = strlen(run->notices);
        snprintf(run->notices + n, sizeof run->notices - n, "%s\n", text);
        pthread_mutex_unlock(&lock);
}

static void on_progress(const FetchProgress *p, void *userdata) {
        Run *run = userdata;

        assert_true(p->done >= run->last_done && p->done <= p->total);
        run->last_done = p->done;
        run->total = p->total;
}

static bool on_cancelled(void *userdata) {
        Run *run = userdata;

        return run->cancel && run->last_done > 0;
}

static int make_directory(int dirfd, const char *name) {
        int fd;

        (void) mkdirat(dirfd, name, 0755);
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* As fetch_snapshot() does it, without the rest. */
static int unpack(const Manifest *m, char **sources, int into, FramesOptions more, FramesReport *ret,
                  Run *run, Fault *fault) {
        static char *protect[] = { (char *) "nodekey", NULL };
        cleanup_(output_freep) Output *output = NULL;
        FetchControl control = {
                .progress = on_progress, .cancelled = on_cancelled, .notice = on_notice, .userdata = run
        };
        int r;

        assert_int_equal(
                output_new(into, &(OutputOptions){ .resume = true, .protect = protect }, &output, fault), 0);
        more.manifest = m;
        more.mirrors.sources = sources;
        more.into_fd = into;
        more.output = output;
        more.control = &control;
        r = frames_unpack(&more, ret, fault);
        return r < 0 ? r : output_finish(output, fault);
}

/* All but what is protected. */
static void tree_is_there(int dirfd) {
        FramedFile files[ELEMENTSOF(tree)];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(tree); i++)
                if (!str_eq(tree[i].path, "nodekey"))
                        files[n++] = tree[i];
        framed_is_there(dirfd, files, "");
        assert_int_equal(faccessat(dirfd, "nodekey", F_OK, 0), -1);
}

static char *source_of(const Scratch *s, const char *name) {
        char *text;

        assert_true(asprintf(&text, "%s/%s", s->path, name) > 0);
        return text;
}

static void a_tree_comes_whole_from_a_file(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        Run run = {};

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         0);
        tree_is_there(into);
        assert_false(report.resumed);
        assert_int_equal(report.rejected, 0);
        assert_int_equal(run.last_done, run.total);
}

static void one_wrong_byte_of_a_mirror_costs_one_frame(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_fault_ Fault fault = {};
        char bad[128], good[128];
        Mirror mirrors[2];
        FramesReport report;
        ManifestPart part;
        Run run = {};

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        manifest_part(m, 4, &part);
        mirror_start(&mirrors[0], s->fd, (MirrorHabits){ .corrupt = part.offset + 100 });
        mirror_start(&mirrors[1], s->fd, (MirrorHabits){ .pace = 4 << 20 });
        snprintf(bad, sizeof bad, "%s/snap.tar.zst", mirrors[0].url);
        snprintf(good, sizeof good, "%s/snap.tar.zst", mirrors[1].url);
        assert_int_equal(unpack(m, (char *[]){ bad, good, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         0);
        tree_is_there(into);
        assert_true(report.rejected == 0 || report.rejected == part.length);
        if (report.rejected > 0)
                assert_non_null(strstr(run.notices, "wrong bytes"));
        mirror_stop(&mirrors[0]);
        mirror_stop(&mirrors[1]);
}

static void wrong_bytes_of_all_mirrors_are_never_written(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        ManifestPart part;
        Run run = {};
        int fd;

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        manifest_part(m, 2, &part);
        fd = openat(s->fd, "snap.tar.zst", O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "x", 1, (off_t) part.offset + 50), 1);
        close(fd);
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         -EREMOTEIO);
        assert_true(report.rejected >= part.length);
        assert_non_null(fault.text);
}

static void a_frame_that_is_not_what_the_manifest_says_is_the_makers_fault(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        Run run = {};

        framed_make_lying(s->fd, "snap", tree, NULL, 3);
        m = framed_open(s->fd, "snap.manifest");
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         -EBADMSG);
        assert_says(&fault, "made wrong");
}

/* ---- Going on ---- */

static uint64_t bytes_to_come(const Manifest *m, int into) {
        cleanup_(checkpoint_freep) Checkpoint *c = NULL;
        uint64_t left = 0;

        assert_int_equal(checkpoint_new(manifest_digest(m), manifest_n_parts(m), &c), 0);
        (void) checkpoint_read(c, into, NULL);
        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                ManifestPart part;

                manifest_part(m, i, &part);
                if (!checkpoint_has(c, i) && part.n_extents > 0)
                        left += part.length;
        }
        return left;
}

static uint64_t archive_size(const Manifest *m) {
        return manifest_head(m)->archive_size;
}

/* A process that restores slowly and is killed once a checkpoint stands. */
static void kill_in_the_middle(const Manifest *m, char **sources, int into) {
        uint64_t deadline = now_monotonic_usec() + 40 * USEC_PER_SEC;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                FramesOptions slow = { .seed_fd = -1, .checkpoint_bytes = 512 * 1024 };
                FramesReport report;
                Run run = {};

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                slow.mirrors.limit_rate = 512 * 1024;
                (void) unpack(m, sources, into, slow, &report, &run, NULL);
                _exit(0);
        }
        while (bytes_to_come(m, into) > archive_size(m) * 3 / 4 && now_monotonic_usec() < deadline)
                usleep(5000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void what_a_kill_leaves_is_continued(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        uint64_t left;
        Run run = {};

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        kill_in_the_middle(m, (char *[]){ source, NULL }, into);
        left = bytes_to_come(m, into);
        assert_true(left > 0 && left <= archive_size(m) * 3 / 4);
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         0);
        tree_is_there(into);
        assert_true(report.resumed);
        assert_int_equal(report.received, left); /* nothing that the checkpoint has is asked for again */
}

static void a_cancelled_restore_loses_nothing(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        FramesOptions slow = { .seed_fd = -1, .mirrors.limit_rate = 1 << 20 };
        cleanup_fault_ Fault fault = {};
        Run run = { .cancel = true };
        FramesReport report;
        uint64_t left;

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, slow, &report, &run, &fault),
                         -ECANCELED);
        left = bytes_to_come(m, into);
        assert_true(left < archive_size(m));
        run = (Run){};
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         0);
        assert_true(report.resumed);
        assert_int_equal(report.received, left);
        tree_is_there(into);
}

static void a_damaged_checkpoint_means_to_begin_again(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_(checkpoint_freep) Checkpoint *c = NULL, *other = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst"), *data = NULL;
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        size_t size;
        Run run = {};

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        assert_int_equal(checkpoint_new(manifest_digest(m), manifest_n_parts(m), &c), 0);
        assert_int_equal(checkpoint_read(c, into, &fault), -ENOENT);
        checkpoint_mark(c, 1);
        checkpoint_mark(c, 2);
        assert_int_equal(checkpoint_count(c), 2);
        assert_int_equal(checkpoint_save(c, into, &fault), 0);

        assert_int_equal(read_small_file(into, FETCH_PROGRESS, 1 << 20, &data, &size), 0);
        for (size_t i = 0; i < size; i++) { /* every byte of it counts */
                data[i] ^= 1;
                put_file(into, FETCH_PROGRESS, data, size, 0600);
                data[i] ^= 1;
                assert_int_equal(checkpoint_new(manifest_digest(m), manifest_n_parts(m), &other), 0);
                assert_int_equal(checkpoint_read(other, into, &fault), -EBADMSG);
                assert_int_equal(checkpoint_count(other), 0);
                other = checkpoint_free(other);
        }
        put_file(into, FETCH_PROGRESS, data, size - 1, 0600);
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = -1 },
                                &report, &run, &fault),
                         0);
        assert_false(report.resumed);
        assert_non_null(strstr(run.notices, "beginning again"));
        tree_is_there(into);
}

/* ---- Seeds ---- */

static void flip_byte(int dirfd, const char *name, off_t offset) {
        cleanup_fd_ int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
        char byte;

        assert_int_equal(pread(fd, &byte, 1, offset), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void equal_extents_come_from_the_seed_and_no_others(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into"), seed = make_directory(s->fd, "seed");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        FramedFile old[ELEMENTSOF(tree)];
        cleanup_fault_ Fault fault = {};
        ManifestPart part, whole = {};
        FramesReport report;
        uint64_t changed = 0;
        Run run = {};
        int fd;

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        memcpy(old, tree, sizeof old);
        framed_write_tree(seed, old);
        flip_byte(seed, "db/000001.ldb", 1500000);      /* same name, same size */
        fd = openat(seed, "wal", O_WRONLY | O_CLOEXEC); /* grown: its old part is right */
        assert_int_equal(pwrite(fd, "more", 4, 300001), 4);
        close(fd);
        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                manifest_part(m, i, &part);
                for (size_t k = 0; k < part.n_extents; k++) {
                        ManifestExtent extent;

                        manifest_extent(m, part.first_extent + k, &extent);
                        if (extent.file == 1 && extent.offset <= 1500000 &&
                            1500000 < extent.offset + extent.length)
                                whole = part;
                }
        }
        changed = whole.length;
        assert_true(changed > 0);
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = seed },
                                &report, &run, &fault),
                         0);
        tree_is_there(into);
        /* The frame of the protected file is not taken from the seed as a whole: it may come, too. */
        assert_true(report.received >= changed);
        assert_true(report.received <= changed + FRAMED_CUT);
        assert_true(report.seeded > manifest_head(m)->plain_size * 3 / 4);
}

/* A seed of links and directories where files are expected is no seed. */
static void a_seed_of_other_things_is_passed_over(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into"), seed = make_directory(s->fd, "seed");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        cleanup_fault_ Fault fault = {};
        FramesReport report;
        Run run = {};

        framed_make(s->fd, "snap", tree);
        m = framed_open(s->fd, "snap.manifest");
        assert_return_code(mkdirat(seed, "state", 0755), errno);
        assert_return_code(symlinkat("/proc/self/mem", seed, "wal"), errno);
        assert_return_code(symlinkat("../snap.tar.zst", seed, "db"), errno);
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = seed },
                                &report, &run, &fault),
                         0);
        tree_is_there(into);
        assert_int_equal(report.seeded, 0);
}

/* More files are open in part than there is room for: 100 of two frames, every second frame in the seed. */
static void many_files_in_part_are_closed_and_opened_again(void **state) {
        enum { N = 100 };
        Scratch *s = *state;
        cleanup_fd_ int into = make_directory(s->fd, "into"), seed = make_directory(s->fd, "seed");
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *source = source_of(s, "snap.tar.zst");
        FramedFile files[N + 1] = {};
        cleanup_fault_ Fault fault = {};
        char names[N][16];
        FramesReport report;
        Run run = {};

        for (unsigned i = 0; i < N; i++) {
                snprintf(names[i], sizeof names[i], "f%03u", i);
                files[i] = (FramedFile){ names[i], FRAMED_CUT + 4096, i + 1 };
        }
        framed_make(s->fd, "snap", files);
        framed_write_tree(seed, files);
        for (unsigned i = 0; i < N; i++) {
                flip_byte(seed, names[i], i % 2 ? 0 : FRAMED_CUT);
        }
        m = framed_open(s->fd, "snap.manifest");
        assert_int_equal(unpack(m, (char *[]){ source, NULL }, into, (FramesOptions){ .seed_fd = seed },
                                &report, &run, &fault),
                         0);
        framed_is_there(into, files, "");
        assert_int_equal(report.seeded, N / 2 * FRAMED_CUT + N / 2 * 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)
                WITH_SCRATCH(a_tree_comes_whole_from_a_file),
                WITH_SCRATCH(one_wrong_byte_of_a_mirror_costs_one_frame),
                WITH_SCRATCH(wrong_bytes_of_all_mirrors_are_never_written),
                WITH_SCRATCH(a_frame_that_is_not_what_the_manifest_says_is_the_makers_fault),
                WITH_SCRATCH(what_a_kill_leaves_is_continued),
                WITH_SCRATCH(a_cancelled_restore_loses_nothing),
                WITH_SCRATCH(a_damaged_checkpoint_means_to_begin_again),
                WITH_SCRATCH(equal_extents_come_from_the_seed_and_no_others),
                WITH_SCRATCH(a_seed_of_other_things_is_passed_over),
                WITH_SCRATCH(many_files_in_part_are_closed_and_opened_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
