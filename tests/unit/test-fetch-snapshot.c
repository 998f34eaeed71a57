/* A snapshot into a directory: which manifest counts, which directory may be used, what a failure leaves. */
#include "archive/fetch.h"
#include "archive/fetch-manifest.h"
#include "tests/unit/framed.h"
#include "util/directory.h"

#include <sys/file.h>

static const FramedFile tree[] = {
        { "home", DIRECTORY, 0 },  { "home/blocks", 2000000, 1 }, { "home/empty", 0, 0 },
        { "home/nodekey", 64, 2 }, { "home/wal", 300000, 3 },     { NULL, 0, 0 },
};

static const FramedFile bare[] = {
        { "blocks", 700000, 1 },
        { "wal", 300000, 3 },
        { NULL, 0, 0 },
};

typedef struct Bed {
        Scratch *s;
        int into;
        char *archive, *manifest, *sources[2], *protect[2];
        char archive_sha256[SHA256_HEX_SIZE], manifest_sha256[SHA256_HEX_SIZE];
        char notices[4096];
        bool cancel, placed;
        FetchOptions options;
        FetchReport report;
        Fault fault;
} Bed;

static void on_notice(const char *text, void *userdata) {
        Bed *b = userdata;
        size_t n = strlen(b->notices);

        snprintf(b->notices + n, sizeof b->notices - n, "%s\n", text);
}

static void on_progress(const FetchProgress *p, void *userdata) {
        Bed *b = userdata;

        b->placed = str_eq(p->step, "download") && p->plain > 0;
}

/* Once something is there. */
static bool on_cancelled(void *userdata) {
        Bed *b = userdata;

        return b->cancel && b->placed;
}

static void bed_options(Bed *b) {
        b->options = (FetchOptions){
                .sources = b->sources,
                .into_fd = b->into,
                .into = "into",
                .protect = b->protect,
                .control = { .notice = on_notice,
                             .progress = on_progress,
                             .cancelled = on_cancelled,
                             .userdata = b },
        };
}

static void bed_make(Bed *b, void **state, const FramedFile *files, const ManifestHead *about) {
        Manifest *m;

        *b = (Bed){ .s = *state };
        framed_make_lying(b->s->fd, "snap", files, about, 0);
        m = framed_open(b->s->fd, "snap.manifest");
        strcpy(b->manifest_sha256, manifest_digest(m));
        strcpy(b->archive_sha256, manifest_head(m)->archive_sha256);
        manifest_free(m);
        assert_return_code(mkdirat(b->s->fd, "into", 0755), errno);
        b->into = openat(b->s->fd, "into", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(asprintf(&b->archive, "%s/snap.tar.zst", b->s->path) > 0);
        assert_true(asprintf(&b->manifest, "%s/snap.manifest", b->s->path) > 0);
        b->sources[0] = b->archive;
        b->protect[0] = (char *) "*/nodekey";
        bed_options(b);
}

static void bed_done(Bed *b) {
        fetch_report_done(&b->report);
        fault_done(&b->fault);
        close(b->into);
        free(b->archive);
        free(b->manifest);
}
#define cleanup_bed_ cleanup_(bed_done)

static int fetch_it(Bed *b) {
        int r;

        fault_done(&b->fault);
        fetch_report_done(&b->report);
        b->report = (FetchReport){};
        r = fetch_snapshot(&b->options, &b->report, &b->fault);
        if (r != 0)
                assert_non_null(b->fault.text);
        return r;
}

static void nothing_is_left(const Bed *b) {
        DIR *dir;
        struct dirent *entry;

        assert_int_equal(directory_list(b->into, &dir), 0);
        assert_int_equal(directory_next(dir, &entry), 0);
        if (entry)
                fail_msg("'%s' is left", entry->d_name);
        closedir(dir);
}

static void it_is_complete(const Bed *b) {
        assert_int_equal(faccessat(b->into, FETCH_PARTIAL, F_OK, 0), -1);
        assert_int_equal(faccessat(b->into, FETCH_PROGRESS, F_OK, 0), -1);
}

/* An Ed25519 key made by ssh-keygen, and the manifest signed by it. Owned text of allowed_signers. */
static char *sign(Bed *b, const char *namespace) {
        cleanup_free_ char *command = NULL, *key = NULL;
        char *signers;

        assert_true(asprintf(&command,
                             "cd %s && rm -f key* snap.manifest.sig && ssh-keygen -q -t ed25519 -N '' -C x "
                             "-f key && "
                             "ssh-keygen -q -Y sign -n %s -f key snap.manifest 2>/dev/null && "
                             "cat snap.manifest.sig >> snap.manifest",
                             b->s->path, namespace) > 0);
        assert_int_equal(system(command), 0);
        assert_int_equal(read_small_file(b->s->fd, "key.pub", 4096, &key, NULL), 0);
        assert_true(asprintf(&signers, "ops@example.org namespaces=\"" MANIFEST_NAMESPACE "\" %s", key) > 0);
        return signers;
}

/* ---- Who may be gone by ---- */

static void without_a_word_of_trust_it_is_refused_and_nothing_is_written(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "--signers");
        assert_says(&b.fault, "--sha256");
        assert_says(&b.fault, "--unsigned");
        nothing_is_left(&b);
        assert_return_code(unlinkat(b.s->fd, "snap.manifest", 0), errno); /* nor without a manifest */
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "--sha256");
        assert_says(&b.fault, "--unsigned");
        nothing_is_left(&b);
}

static void a_listed_signer_is_enough(void **state) {
        const ManifestHead about = { .height = 77, .chain = (char *) "8217", .family = (char *) "klaytn" };
        cleanup_free_ char *signers = NULL;
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, &about);
        signers = sign(&b, MANIFEST_NAMESPACE);
        b.options.signers = signers;
        b.options.signers_name = "signers";
        b.options.chain = "8217";
        b.options.family = "klaytn";
        if (fetch_it(&b) != 0)
                fail_msg("%s", b.fault.text);
        assert_true(b.report.framed);
        assert_string_equal(b.report.signed_by, "ops@example.org");
        assert_string_equal(b.report.chain, "8217");
        assert_int_equal(b.report.height, 77);
        assert_int_equal(b.report.ignored, 1);
        assert_non_null(strstr(b.notices, "home/nodekey"));
        it_is_complete(&b);
        assert_int_equal(faccessat(b.into, "home/nodekey", F_OK, 0), -1);
        framed_is_there(b.into, (FramedFile[]){ tree[0], tree[1], tree[2], tree[4], { NULL, 0, 0 } }, "");
}

static void a_signature_for_something_else_or_of_somebody_else_does_not_count(void **state) {
        cleanup_free_ char *wrong = NULL, *other = NULL, *none = NULL;
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        wrong = sign(&b, "file");
        b.options.signers = wrong;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "nobody");
        framed_make(b.s->fd, "snap", tree);
        none = sign(&b, MANIFEST_NAMESPACE);
        framed_make(b.s->fd, "snap", tree);
        other = sign(&b, MANIFEST_NAMESPACE); /* with a new key; @none has the old one */
        b.options.signers = none;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "nobody");
        nothing_is_left(&b);
        b.options.signers = other;
        assert_int_equal(fetch_it(&b), 0);
}

static void the_digest_of_the_manifest_is_enough(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        b.options.sha256 = b.manifest_sha256;
        assert_int_equal(fetch_it(&b), 0);
        assert_true(b.report.framed);
        assert_null(b.report.signed_by);
        it_is_complete(&b);
}

/* Its frames are no ground to write on, but the whole archive's digest is held to. */
static void the_digest_of_the_archive_means_a_stream(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        b.options.sha256 = b.archive_sha256;
        if (fetch_it(&b) != 0)
                fail_msg("%s", b.fault.text);
        assert_false(b.report.framed);
        it_is_complete(&b);
        framed_is_there(b.into, (FramedFile[]){ tree[0], tree[1], tree[2], tree[4], { NULL, 0, 0 } }, "");
}

static void a_digest_of_neither_is_refused(void **state) {
        cleanup_free_ char *signers = NULL;
        char other[SHA256_HEX_SIZE];
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        strcpy(other, b.archive_sha256);
        other[5] = other[5] == 'a' ? 'b' : 'a';
        b.options.sha256 = other;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "neither");
        signers = sign(&b, MANIFEST_NAMESPACE); /* whoever signed it */
        b.options.signers = signers;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        nothing_is_left(&b);
        assert_return_code(unlinkat(b.s->fd, "snap.manifest", 0),
                           errno); /* and without a manifest it is wrong */
        b.options.signers = NULL;
        assert_int_equal(fetch_it(&b), -EBADMSG);
        nothing_is_left(&b);
        b.options.sha256 = b.archive_sha256;
        assert_int_equal(fetch_it(&b), 0);
        it_is_complete(&b);
}

static void another_chain_and_an_expired_manifest_are_refused(void **state) {
        const ManifestHead about = { .height = 77,
                                     .chain = (char *) "1",
                                     .family = (char *) "evm",
                                     .created = 1600000000,
                                     .expires = 1600000001 };
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, &about);
        b.options.allow_unsigned = true;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "expired");
        b.options.chain = "8217";
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "8217");
        b.options.chain = "1";
        b.options.family = "cometbft";
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "cometbft");
        nothing_is_left(&b);
}

static void what_stands_beside_and_is_no_manifest_is_passed_over(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        put_text(b.s->fd, "snap.manifest", "<html>404, but politely</html>\n");
        b.options.sha256 = b.archive_sha256;
        assert_int_equal(fetch_it(&b), 0);
        assert_non_null(strstr(b.notices, "No manifest from"));
        it_is_complete(&b);
        assert_int_equal(tree_remove(b.into, "home", NULL), 0);
        b.options.manifest = b.manifest; /* but one that was named must be one */
        assert_int_equal(fetch_it(&b), -EBADMSG);
        b.options.manifest = "/nowhere/x.manifest";
        assert_int_equal(fetch_it(&b), -EREMOTEIO);
        assert_says(&b.fault, "/nowhere/x.manifest");
        nothing_is_left(&b);
}

static void a_manifest_stands_beside_its_archive(void **state) {
        static const char *const names[][2] = {
                { "https://a/b/x.tar.zst", "https://a/b/x.manifest" },
                { "https://a/b/x.tar.zst?t=1#f", "https://a/b/x.manifest?t=1#f" },
                { "/d.tar/x-1.2.tar.lz4.part-aa", "/d.tar/x-1.2.manifest" },
                { "/d/x.tar.gz.001", "/d/x.manifest" },
                { "/d/x.tar", "/d/x.manifest" },
                { "/d/x.target", "/d/x.target.manifest" },
                { "file:///d/x.tar.xz", "file:///d/x.manifest" },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                cleanup_free_ char *beside = fetch_manifest_beside(names[i][0]);

                assert_string_equal(beside, names[i][1]);
        }
}

static void a_file_url_is_a_path(void **state) {
        static const char *const names[][2] = {
                { "file:///a%20b/c", "/a b/c" },
                { "file://localhost/c", "/c" },
                { "/a%20b", "/a%20b" },
                { "file:///a%zzb%", "/a%zzb%" },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                cleanup_free_ char *path = fetch_local_path(names[i][0]);

                assert_string_equal(path, names[i][1]);
        }
}

/* ---- Which directory ---- */

static void a_directory_with_something_in_it_is_refused_and_left_alone(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        b.options.allow_unsigned = true;
        put_text(b.into, "mine", "mine");
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "mine");
        assert_int_equal(faccessat(b.into, FETCH_PARTIAL, F_OK, 0), -1);
        assert_return_code(unlinkat(b.into, "mine", 0), errno);
        put_text(b.into, ".muster-restore", "job\n"); /* what the worker puts there is nobody's data */
        assert_int_equal(fetch_it(&b), 0);
        assert_return_code(faccessat(b.into, ".muster-restore", F_OK, 0), errno);
}

static void a_partial_is_continued_by_the_same_snapshot_only(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        b.options.allow_unsigned = true;
        b.options.limit_rate = 128 * 1024;
        b.cancel = true;
        assert_int_equal(fetch_it(&b), -ECANCELED);
        b.cancel = false;
        bed_options(&b);
        assert_return_code(renameat(b.s->fd, "snap.manifest", b.s->fd, "kept"), errno);
        b.options.allow_unsigned = true;
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "another snapshot");
        assert_return_code(renameat(b.s->fd, "kept", b.s->fd, "snap.manifest"), errno);
        b.options.prefix = "home";
        assert_int_equal(fetch_it(&b), FETCH_SNAPSHOT_E_REFUSED);
        assert_says(&b.fault, "prefix");
        b.options.prefix = NULL;
        assert_int_equal(fetch_it(&b), 0);
        assert_true(b.report.resumed);
        it_is_complete(&b);
        framed_is_there(b.into, bare, "");
}

/* As after a boot, when the network comes up late. */
static void a_partial_outlives_mirrors_that_cannot_be_reached(void **state) {
        char *away[] = { (char *) "http://127.0.0.1:1/snap.tar.zst", NULL };
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        b.options.allow_unsigned = true;
        b.options.limit_rate = 128 * 1024;
        b.cancel = true;
        assert_int_equal(fetch_it(&b), -ECANCELED);
        b.cancel = false;
        bed_options(&b);
        b.options.sources = away;
        for (unsigned i = 0; i < 3; i++) {
                b.options.allow_unsigned = i == 0;
                b.options.sha256 = i == 1 ? b.archive_sha256 : NULL;
                assert_int_equal(fetch_it(&b), -EREMOTEIO);
                assert_says(&b.fault, "127.0.0.1:1/snap.manifest");
                assert_int_equal(faccessat(b.into, FETCH_PARTIAL, F_OK, 0), 0);
        }
        bed_options(&b);
        b.options.allow_unsigned = true;
        assert_int_equal(fetch_it(&b), 0);
        assert_true(b.report.resumed);
        framed_is_there(b.into, bare, "");
}

static void what_a_stream_left_is_removed_and_begun_again(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        put_text(b.into, FETCH_PARTIAL, "{\"version\":1,\"mode\":\"stream\"}\n");
        put_text(b.into, "blocks", "half of it");
        put_text(b.into, "left", "of another one");
        put_text(b.into, ".#.muster-progress.0123456789abcdef", "torn");
        b.options.sha256 = b.archive_sha256;
        assert_int_equal(fetch_it(&b), 0);
        framed_is_there(b.into, bare, "");
        assert_int_equal(faccessat(b.into, "left", F_OK, 0), -1);
        assert_int_equal(faccessat(b.into, ".#.muster-progress.0123456789abcdef", F_OK, 0), -1);
        it_is_complete(&b);
}

static void two_do_not_work_on_one_directory(void **state) {
        cleanup_fd_ int other = -1;
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        b.options.allow_unsigned = true;
        other = openat(b.s->fd, "into", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_return_code(flock(other, LOCK_EX | LOCK_NB), errno);
        assert_int_equal(fetch_it(&b), -EBUSY);
        nothing_is_left(&b);
}

static void the_one_directory_of_the_archive_is_stripped_when_asked(void **state) {
        static const char *const prefixes[] = { "home", "home/", "./home", "auto" };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                cleanup_bed_ Bed b;

                bed_make(&b, state, tree, NULL);
                b.options.allow_unsigned = true;
                b.options.prefix = prefixes[i];
                b.protect[0] = (char *) "nodekey";
                if (fetch_it(&b) != 0)
                        fail_msg("%s: %s", prefixes[i], b.fault.text);
                framed_is_there(b.into, (FramedFile[]){ tree[1], tree[2], tree[4], { NULL, 0, 0 } },
                                "home/");
                assert_int_equal(faccessat(b.into, "home", F_OK, 0), -1);
                assert_int_equal(faccessat(b.into, "nodekey", F_OK, 0), -1);
                assert_int_equal(tree_remove(b.s->fd, "into", NULL), 0);
        }
}

static void a_seed_is_used_below_the_prefix(void **state) {
        cleanup_free_ char *seed = NULL;
        cleanup_fd_ int fd = -1;
        cleanup_bed_ Bed b;

        bed_make(&b, state, tree, NULL);
        assert_return_code(mkdirat(b.s->fd, "seed", 0755), errno);
        fd = openat(b.s->fd, "seed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        framed_write_tree(fd, (FramedFile[]){ { "blocks", 2000000, 1 }, { NULL, 0, 0 } });
        assert_true(asprintf(&seed, "%s/seed", b.s->path) > 0);
        b.options.allow_unsigned = true;
        b.options.prefix = "home";
        b.options.seed = seed;
        b.protect[0] = (char *) "nodekey";
        assert_int_equal(fetch_it(&b), 0);
        assert_int_equal(b.report.seeded, 2000000);
        framed_is_there(b.into, (FramedFile[]){ tree[1], tree[2], tree[4], { NULL, 0, 0 } }, "home/");
}

/* ---- What a failure leaves ---- */

static void without_room_nothing_is_begun(void **state) {
        cleanup_(manifest_builder_freep) ManifestBuilder *builder = NULL;
        ManifestHead head = { .height = -1,
                              .codec = ARCHIVE_TAR_ZSTD,
                              .plain_size = (uint64_t) 1 << 60,
                              .n_files = 3,
                              .created = 1700000000 };
        ManifestPart part = {};
        cleanup_bed_ Bed b;
        struct stat st;
        int fd;

        bed_make(&b, state, bare, NULL);
        assert_return_code(stat(b.archive, &st), errno);
        head.archive_size = (uint64_t) st.st_size;
        strcpy(head.archive_sha256, b.archive_sha256);
        assert_int_equal(manifest_builder_new(MANIFEST_CHUNKED, &builder), 0);
        part.length = (uint32_t) st.st_size;
        assert_int_equal(hex_decode(b.archive_sha256, part.sha256, 32), 0);
        assert_int_equal(manifest_builder_part(builder, &part), 0);
        assert_return_code(unlinkat(b.s->fd, "snap.manifest", 0), errno);
        fd = openat(b.s->fd, "snap.manifest", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(manifest_builder_write(builder, &head, fd, &b.fault), 0);
        close(fd);
        b.options.allow_unsigned = true;
        if (fetch_it(&b) != -ENOSPC)
                fail_msg("%s %s", b.fault.text, b.notices);
        assert_says(&b.fault, "missing");
        nothing_is_left(&b);
}

static void without_a_good_mirror_nothing_is_left(void **state) {
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        assert_return_code(unlinkat(b.s->fd, "snap.tar.zst", 0), errno);
        b.options.allow_unsigned = true;
        assert_int_equal(fetch_it(&b), -EREMOTEIO);
        assert_says(&b.fault, "snap.tar.zst");
        nothing_is_left(&b);
        put_text(b.s->fd, "snap.tar.zst", "much too short");
        assert_int_equal(fetch_it(&b), -EREMOTEIO);
        nothing_is_left(&b);
}

static void over_http_everything_comes_and_a_bad_mirror_does_no_harm(void **state) {
        char good[128], bad[128];
        Mirror mirrors[2];
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        mirror_start(&mirrors[0], b.s->fd, (MirrorHabits){ .corrupt = 70000 });
        mirror_start(&mirrors[1], b.s->fd, (MirrorHabits){});
        snprintf(bad, sizeof bad, "%s/snap.tar.zst", mirrors[0].url);
        snprintf(good, sizeof good, "%s/snap.tar.zst", mirrors[1].url);
        b.options.sources = (char *[]){ bad, good, NULL };
        b.options.sha256 = b.manifest_sha256;
        if (fetch_it(&b) != 0)
                fail_msg("%s", b.fault.text);
        assert_true(b.report.framed);
        it_is_complete(&b);
        framed_is_there(b.into, bare, "");
        mirror_stop(&mirrors[0]);
        mirror_stop(&mirrors[1]);
}

static void absent_one_is_told(void **state, bool framed) {
        cleanup_free_ char *absent = NULL;
        cleanup_bed_ Bed b;

        bed_make(&b, state, bare, NULL);
        assert_true(asprintf(&absent, "%s/absent.tar.zst", b.s->path) > 0);
        b.options.sources = (char *[]){ absent, b.archive, NULL };
        b.options.sha256 = framed ? b.manifest_sha256 : b.archive_sha256;
        if (fetch_it(&b) != 0)
                fail_msg("%s", b.fault.text);
        assert_int_equal(b.report.framed, framed);
        if (!strstr(b.notices, "absent.tar.zst' is given up: No such file") ||
            !strstr(b.notices, "1 of 2 mirrors are left"))
                fail_msg("%s", b.notices);
}

static void a_mirror_that_a_framed_download_gives_up_is_told_with_its_reason(void **state) {
        absent_one_is_told(state, true);
}

static void a_mirror_that_a_stream_gives_up_is_told_with_its_reason(void **state) {
        absent_one_is_told(state, false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)
                WITH_SCRATCH(without_a_word_of_trust_it_is_refused_and_nothing_is_written),
                WITH_SCRATCH(a_listed_signer_is_enough),
                WITH_SCRATCH(a_signature_for_something_else_or_of_somebody_else_does_not_count),
                WITH_SCRATCH(the_digest_of_the_manifest_is_enough),
                WITH_SCRATCH(the_digest_of_the_archive_means_a_stream),
                WITH_SCRATCH(a_digest_of_neither_is_refused),
                WITH_SCRATCH(another_chain_and_an_expired_manifest_are_refused),
                WITH_SCRATCH(what_stands_beside_and_is_no_manifest_is_passed_over),
                cmocka_unit_test(a_manifest_stands_beside_its_archive),
                cmocka_unit_test(a_file_url_is_a_path),
                WITH_SCRATCH(a_directory_with_something_in_it_is_refused_and_left_alone),
                WITH_SCRATCH(a_partial_is_continued_by_the_same_snapshot_only),
                WITH_SCRATCH(a_partial_outlives_mirrors_that_cannot_be_reached),
                WITH_SCRATCH(what_a_stream_left_is_removed_and_begun_again),
                WITH_SCRATCH(two_do_not_work_on_one_directory),
                WITH_SCRATCH(the_one_directory_of_the_archive_is_stripped_when_asked),
                WITH_SCRATCH(a_seed_is_used_below_the_prefix),
                WITH_SCRATCH(without_room_nothing_is_begun),
                WITH_SCRATCH(without_a_good_mirror_nothing_is_left),
                WITH_SCRATCH(a_mirror_that_a_framed_download_gives_up_is_told_with_its_reason),
                WITH_SCRATCH(a_mirror_that_a_stream_gives_up_is_told_with_its_reason),
                WITH_SCRATCH(over_http_everything_comes_and_a_bad_mirror_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
