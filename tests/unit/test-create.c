/*
 * Snapshots of real trees: `zstd -d | tar x` restores the same, and the manifest
 * finds every file in its frame. Verification sees every kind of difference.
 */
#include "tests/unit/shell.h"
#include "archive/create.h"
#include "archive/inspect.h"
#include "archive/tar-head.h"
#include "archive/verify.h"
#include "crypto/signers.h"

#include <sys/socket.h>
#include <sys/un.h>

static void fill(int dirfd, const char *name, size_t size, unsigned seed) {
        cleanup_free_ uint8_t *data = malloc(size + 1);

        for (size_t i = 0; i < size; i++) {
                seed = seed * 1103515245 + 12345;
                data[i] = (uint8_t) (seed >> 16 & (i % 3 ? 0x0f : 0xff));
        }
        put_file(dirfd, name, data, size, 0644);
}

/* A tree of everything that a data directory has. */
static void plant(const Scratch *s) {
        assert_shell(s, "mkdir -p tree/db/sub tree/empty-directory tree/many tree/'name with blanks' out");
        fill(s->fd, "tree/db/large", 9 * 1024 * 1024 + 123, 1);
        fill(s->fd, "tree/db/cut", 8 * 1024 * 1024, 2);
        fill(s->fd, "tree/db/cut-and-1", 4 * 1024 * 1024 + 1, 3);
        fill(s->fd, "tree/db/target", 1024 * 1024, 4);
        fill(s->fd, "tree/db/target-1", 1024 * 1024 - 1, 5);
        fill(s->fd, "tree/db/sub/block", 4096, 6);
        put_text(s->fd, "tree/empty", "");
        put_text(s->fd, "tree/db.lock", "x");
        put_text(s->fd, "tree/name with blanks/\xc3\xa9\xff 'quoted' \\ * ?", "odd");
        assert_shell(
                s, "i=0; while [ $i -lt 1500 ]; do echo $i >tree/many/$i; i=$((i+1)); done; "
                   "d=$(printf 'd%%.0s' $(seq 200)); n=$(printf 'n%%.0s' $(seq 150)); "
                   "mkdir -p tree/$d/$d; echo deep >tree/$d/$d/$n; echo 100 >tree/$(printf 'h%%.0s' $(seq "
                   "100)); "
                   "echo 101 >tree/$(printf 'i%%.0s' $(seq 101)); mkdir tree/$(printf 'k%%.0s' $(seq 100)); "
                   "echo deep >tree/$d/$(printf '\\351')$n; "
                   "chmod 600 tree/db.lock; chmod 4755 tree/empty; chmod 711 tree/db; "
                   "touch -d '2001-02-03 04:05:06.789 UTC' tree/db/sub/block tree/db/sub");
}

typedef struct Notices {
        char *text;
        unsigned n;
} Notices;

static void take_notice(const char *text, void *userdata) {
        Notices *n = userdata;
        cleanup_free_ char *before = n->text;

        assert_true(asprintf(&n->text, "%s%s\n", before ?: "", text) > 0);
        n->n++;
}

static const ManifestHead about = {
        .family = (char *) "evm", .chain = (char *) "8217", .height = 5, .created = 1790000000
};

typedef struct Run {
        const char *prefix, *key;
        char *const *protect;
        unsigned threads;
        FetchControl *control;
} Run;

static int make(const Scratch *s, const Run *run, CreateReport *report, Fault *reterr) {
        cleanup_fd_ int from = openat(s->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_fd_ int out = openat(s->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const CreateOptions o = { .from_fd = from,
                                  .from = "tree",
                                  .output_fd = out,
                                  .prefix = run->prefix,
                                  .protect = run->protect,
                                  .threads = run->threads,
                                  .about = &about,
                                  .key = run->key,
                                  .control = run->control };

        assert_true(from >= 0 && out >= 0);
        return create_snapshot(&o, report, reterr);
}

static void made(const Scratch *s, const Run *run, CreateReport *report) {
        cleanup_fault_ Fault fault = { 0 };
        int r = make(s, run, report, &fault);

        if (r < 0)
                fail_msg("%s", fault_text(&fault, r));
}

static Manifest *manifest_of(const Scratch *s, const char *name) {
        cleanup_fault_ Fault fault = { 0 };
        Manifest *m = NULL;

        if (manifest_open(openat(s->fd, name, O_RDONLY | O_CLOEXEC), name, &m, &fault) < 0)
                fail_msg("%s", fault_text(&fault, 0));
        return m;
}

static void tar_restores_an_equal_tree(void **state) {
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_fd_ int archive = -1, tree = -1;
        VerifyReport v;
        CreateReport report;

        plant(s);
        made(s, &(Run){ .prefix = "snap" }, &report);
        assert_false(report.changed);
        assert_int_equal(report.left_out, 0);
        assert_shell(
                s,
                "zstd -qt out/snap.tar.zst && mkdir back && zstd -dc out/snap.tar.zst | tar -C back -xp && "
                "chmod u-s tree/empty && diff -r tree back && "
                "l() { (cd $1 && find . -printf '%%P %%y %%m %%s %%Ts\\n' | grep -v ' d ' | sort); } && "
                "l tree >a && l back >b && cmp a b && "
                "p() { (cd $1 && find . -mindepth 1 -type d -printf '%%P %%m %%Ts\\n' | sort); } && "
                "p tree >a && p back >b && cmp a b");
        assert_shell(
                s,
                "test $(sha256sum <out/snap.tar.zst | cut -d' ' -f1) = %s && "
                "test $(stat -c %%s out/snap.tar.zst) = %ju && test $(find tree -mindepth 1 | wc -l) = %ju",
                report.archive_sha256, (uintmax_t) report.archive_size, (uintmax_t) report.files);
        m = manifest_of(s, "out/snap.manifest");
        assert_string_equal(manifest_digest(m), report.manifest_digest);
        assert_string_equal(manifest_head(m)->chain, "8217");
        archive = openat(s->fd, "out/snap.tar.zst", O_RDONLY | O_CLOEXEC);
        assert_int_equal(verify_archive(m, archive, NULL, NULL, NULL, &v, NULL), 0);
        assert_int_equal(v.bytes, report.archive_size);
        tree = openat(s->fd, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(verify_directory(m, tree, NULL, NULL, NULL, NULL, &v, NULL), 0);
        assert_int_equal(v.files, report.files);
        assert_int_equal(v.bytes, report.plain_size);
        assert_shell(s, "test \"$(ls -A out)\" = 'snap.manifest\nsnap.tar.zst'");
}

/* Each extent's bytes stand where the index says, in a frame that `zstd -d` decodes by itself. */
static void every_frame_can_be_placed_alone(void **state) {
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ uint8_t *plain = malloc(MANIFEST_PART_MAX);
        CreateReport report;
        size_t large = 0;

        plant(s);
        made(s, &(Run){ .prefix = "snap" }, &report);
        m = manifest_of(s, "out/snap.manifest");
        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                cleanup_fd_ int fd = -1;
                ManifestPart p;

                manifest_part(m, i, &p);
                assert_shell(s, "tail -c +%ju out/snap.tar.zst | head -c %u | zstd -dc >plain",
                             (uintmax_t) p.offset + 1, p.length);
                fd = openat(s->fd, "plain", O_RDONLY | O_CLOEXEC);
                assert_int_equal(read(fd, plain, MANIFEST_PART_MAX), p.plain_length);
                large += p.plain_length > 2 * 1024 * 1024;
                for (uint32_t n = 0; n < p.n_extents; n++) {
                        char hex[SHA256_HEX_SIZE], mine[SHA256_HEX_SIZE];
                        ManifestExtent e;

                        manifest_extent(m, p.first_extent + n, &e);
                        assert_int_equal(sha256_buffer_hex(plain + e.frame_offset, e.length, hex), 0);
                        for (unsigned k = 0; k < 32; k++)
                                sprintf(mine + 2 * k, "%02x", e.sha256[k]);
                        assert_string_equal(hex, mine);
                }
        }
        assert_true(large >= 5);
        assert_true(manifest_n_parts(m) < 25);
}

static void equal_trees_give_equal_bytes(void **state) {
        const Scratch *s = *state;
        CreateReport a, b;

        plant(s);
        assert_shell(s, "ssh-keygen -q -t ed25519 -N '' -f key");
        {
                cleanup_free_ char *key = NULL;

                assert_true(asprintf(&key, "%s/key", s->path) > 0);
                made(s, &(Run){ .prefix = "a", .threads = 1, .key = key }, &a);
                made(s, &(Run){ .prefix = "b", .threads = 5, .key = key }, &b);
        }
        assert_memory_equal(&a, &b, sizeof a);
        assert_shell(s, "cmp out/a.tar.zst out/b.tar.zst && cmp out/a.manifest out/b.manifest");
}

static void a_signature_is_one_that_ssh_keygen_verifies(void **state) {
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *key = NULL, *allowed = NULL;
        cleanup_strv_ char **who = NULL;
        CreateReport report;
        const void *body;
        size_t size;

        assert_shell(s, "mkdir tree out; echo x >tree/x; ssh-keygen -q -t ed25519 -N '' -f key; "
                        "echo \"me $(cat key.pub)\" >allowed");
        assert_true(asprintf(&key, "%s/key", s->path) > 0);
        made(s, &(Run){ .prefix = "snap", .key = key }, &report);
        m = manifest_of(s, "out/snap.manifest");
        assert_int_equal(read_small_file(s->fd, "allowed", 4096, &allowed, NULL), 0);
        assert_int_equal(signers_parse(allowed, "allowed", &signers, NULL), 0);
        assert_int_equal(manifest_signed_by(m, signers, 1790000000, &who, NULL, NULL), 0);
        assert_int_equal(strv_length(who), 1);
        assert_string_equal(who[0], "me");
        manifest_body(m, &body, &size);
        put_file(s->fd, "body", body, size, 0644);
        assert_shell(s,
                     "tail -c +%zu out/snap.manifest >sig; "
                     "ssh-keygen -Y verify -f allowed -I me -n snapshot.v1@muster -s sig <body",
                     size + 1);
}

static void what_is_no_file_or_is_protected_is_left_out(void **state) {
        static char *const protect[] = { (char *) "key.json", (char *) "keystore", (char *) "*/state.json",
                                         NULL };
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        Notices notices = { 0 };
        FetchControl control = { .notice = take_notice, .userdata = &notices };
        CreateReport report;
        Fault fault;
        ManifestFile f;

        assert_shell(s,
                     "mkdir -p tree/keystore tree/data out; cd tree; echo k >key.json; echo k >keystore/a; "
                     "echo k >data/state.json; ln data/state.json data/second-name; echo k >elsewhere; "
                     "echo k >KEY.JSON.bak; mkdir other; ln -s ../elsewhere other/state.json; ln -s /etc "
                     "data/link; "
                     "mkfifo data/fifo; echo x >data/kept; echo m >.muster-partial; mkdir .muster-dir; "
                     "echo m >.muster-dir/m");
        made(s, &(Run){ .prefix = "snap", .protect = protect, .control = &control }, &report);
        m = manifest_of(s, "out/snap.manifest");
        fault.text = notices.text;
        for (size_t i = 0; i < manifest_n_files(m); i++) {
                static const char *const kept[] = { "KEY.JSON.bak", "data", "data/kept", "keystore",
                                                    "other" };

                assert_int_equal(manifest_n_files(m), ELEMENTSOF(kept));
                manifest_file(m, i, &f);
                assert_string_equal(f.path, kept[i]);
        }
        assert_int_equal(report.left_out, 10);
        assert_int_equal(notices.n, 10);
        assert_says(&fault, "'data/second-name' is left out: it is protected");
        assert_says(&fault, "'elsewhere' is left out: it is protected");
        assert_says(&fault, "'data/link' is left out: it is a symbolic link");
        assert_says(&fault, "'data/fifo' is left out: it is neither");
        assert_says(&fault, "'.muster-dir' is left out");
        assert_shell(s, "zstd -dc out/snap.tar.zst | tar t | sort | tr '\\n' ' ' >list; "
                        "test \"$(cat list)\" = 'KEY.JSON.bak data/ data/kept keystore/ other/ '");
        free(notices.text);
}

/* Steers a run from inside: at the first progress of the work itself something happens to the tree. */
typedef struct Meddler {
        const Scratch *s;
        const char *command;
        bool done, cancel;
        unsigned pauses;
        Notices notices;
} Meddler;

static void meddle(const FetchProgress *p, void *userdata) {
        Meddler *m = userdata;

        if (!m->done && m->command && p->done > 0 && p->done < p->total) {
                m->done = true;
                assert_shell(m->s, "%s", m->command);
        }
}

static void meddler_notice(const char *text, void *userdata) {
        take_notice(text, &((Meddler *) userdata)->notices);
}

static const char *pause_twice(void *userdata) {
        Meddler *m = userdata;

        return m->pauses < 2 ? m->pauses++, "the disk is busy" : NULL;
}

static bool cancelled(void *userdata) {
        Meddler *m = userdata;

        return m->cancel && m->pauses == 2;
}

static void a_file_that_changes_meanwhile_is_told_and_the_archive_is_whole(void **state) {
        const Scratch *s = *state;
        Meddler m = { .s = s, .command = "truncate -s 5M tree/big; rm tree/small; echo y >tree/small" };
        FetchControl control = { .progress = meddle, .notice = meddler_notice, .userdata = &m };
        CreateReport report;
        Fault fault;

        assert_shell(s, "mkdir tree out; truncate -s 600M tree/big; echo x >tree/small");
        made(s, &(Run){ .prefix = "snap", .control = &control, .threads = 1 }, &report);
        fault.text = m.notices.text;
        assert_true(m.done);
        assert_true(report.changed);
        assert_says(&fault, "'big' shrank while it was read and was filled up with zeros");
        assert_shell(s, "zstd -dc out/snap.tar.zst | tar tv >list; grep -q 629145600 list");
        free(m.notices.text);
}

static void a_file_that_changes_after_it_was_read_is_told_too(void **state) {
        static const char *const commands[] = { "echo y >>tree/a", "echo y >tree/dir/new",
                                                "rm tree/dir/old" };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                Meddler m = { .s = s, .command = commands[i] };
                FetchControl control = { .progress = meddle, .notice = meddler_notice, .userdata = &m };
                CreateReport report;
                Fault fault;

                assert_shell(s,
                             "rm -rf tree out; mkdir -p tree/dir out; echo x >tree/a; echo x >tree/dir/old; "
                             "truncate -s 600M tree/z");
                made(s, &(Run){ .prefix = "snap", .control = &control, .threads = 1 }, &report);
                fault.text = m.notices.text;
                assert_true(m.done);
                assert_true(report.changed);
                assert_says(&fault, i == 0 ? "'a' changed since" : "'dir' changed since");
                free(m.notices.text);
        }
}

static void a_cancelled_run_leaves_nothing(void **state) {
        const Scratch *s = *state;
        Meddler m = { .cancel = true };
        FetchControl control = { .pause = pause_twice, .cancelled = cancelled, .userdata = &m };
        cleanup_fault_ Fault fault = { 0 };
        CreateReport report;

        assert_shell(s, "mkdir tree out; echo x >tree/x");
        assert_int_equal(make(s, &(Run){ .prefix = "snap", .control = &control }, &report, &fault),
                         -ECANCELED);
        assert_int_equal(m.pauses, 2);
        assert_shell(s, "test -z \"$(ls -A out)\"");
}

static void what_cannot_be_packed_is_refused_before_anything_is_written(void **state) {
        static const struct {
                const char *make, *prefix, *key;
                int r;
                const char *says;
        } bad[] = {
                { "echo x >out/snap.tar.zst", "snap", NULL, -EEXIST, "'snap.tar.zst' is there already" },
                { "echo x >out/snap.manifest", "snap", NULL, -EEXIST, "'snap.manifest' is there already" },
                { "true", "a/b", NULL, -EINVAL, "cannot begin a file name" },
                { "true", ".hidden", NULL, -EINVAL, "cannot begin a file name" },
                { "printf x >\"tree/a$(printf '\\t')b\"", "snap", NULL, -EINVAL,
                  "'a?b' has a control character" },
                { "rmdir out; mkdir -p tree/a/out; ln -s tree/a/out out", "snap", NULL, -EINVAL,
                  "it is in 'a/out' of 'tree'" },
                { "true", "snap", "/nonexistent/key", -ENOENT, "Failed to use the key '/nonexistent/key'" },
                { "d=tree; i=0; while [ $i -lt 65 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d", "snap", NULL,
                  -ELOOP, "is deeper than 64" },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = { 0 };
                CreateReport report;

                assert_shell(
                        s, "rm -rf tree out before; mkdir tree out; echo x >tree/x; %s; ls -lA out/ >before",
                        bad[i].make);
                assert_int_equal(
                        make(s, &(Run){ .prefix = bad[i].prefix, .key = bad[i].key }, &report, &fault),
                        bad[i].r);
                assert_says(&fault, bad[i].says);
                assert_shell(s, "ls -lA out/ | cmp - before");
        }
}

static void what_a_crash_left_is_taken_over(void **state) {
        const Scratch *s = *state;
        CreateReport report;

        assert_shell(s,
                     "mkdir tree out; echo x >tree/x; head -c 100000 /dev/zero >out/.snap.tar.zst.partial; "
                     "cp out/.snap.tar.zst.partial out/.snap.manifest.partial");
        made(s, &(Run){ .prefix = "snap" }, &report);
        assert_shell(s,
                     "zstd -qt out/snap.tar.zst && test \"$(ls -A out)\" = 'snap.manifest\nsnap.tar.zst'");
}

static void an_empty_directory_has_a_snapshot_too(void **state) {
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        CreateReport report;

        assert_shell(s, "mkdir tree out");
        made(s, &(Run){ .prefix = "snap" }, &report);
        m = manifest_of(s, "out/snap.manifest");
        assert_int_equal(manifest_n_files(m), 0);
        assert_int_equal(manifest_n_parts(m), 1);
        assert_shell(s, "zstd -dc out/snap.tar.zst | tar t >list && test ! -s list");
}

/* ---- Verification ---- */

static void take_finding(const char *what, const char *why, void *userdata) {
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "%s: %s", what, why) > 0);
        take_notice(text, userdata);
}

static void every_difference_of_a_directory_is_found(void **state) {
        static const struct {
                const char *change, *says;
                unsigned wrong, missing, extra;
        } cases[] = {
                { "true", "", 0, 0, 0 },
                { "printf X | dd of=tree/big bs=1 seek=5000000 conv=notrunc",
                  "big: its 4194304 bytes from 4194304 on differ", 1, 0, 0 },
                { "truncate -s -1 tree/big", "big: it has 9437184 bytes, expected 9437185", 1, 0, 0 },
                { "rm tree/d/b", "d/b: it is missing", 0, 1, 0 },
                { "rm -r tree/d", "d/c/x: it is missing", 0, 5, 0 },
                { "rm tree/a tree/z", "z: it is missing", 0, 2, 0 },
                { "echo x >tree/d/bb; mkdir tree/new; echo x >tree/new/x",
                  "new/x: the manifest does not know it", 0, 0, 2 },
                { "rm tree/d/b; mkdir tree/d/b", "d/b: it is no regular file", 1, 0, 0 },
                { "rm tree/d/b; ln -s ../a tree/d/b", "d/b: it is no regular file", 1, 0, 0 },
                { "rm tree/d/empty; echo >tree/d/empty", "d/empty: it has 1 bytes, expected 0", 1, 0, 0 },
                { "echo k >tree/d/key; echo k >tree/.muster-partial; mkdir tree/e", "", 0, 0, 0 },
        };
        static char *const protect[] = { (char *) "d/key", NULL };
        const Scratch *s = *state;
        CreateReport report;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_(manifest_freep) Manifest *m = NULL;
                cleanup_fd_ int tree = -1;
                Notices notices = { 0 };
                VerifyReport v;
                Fault fault;
                int r;

                assert_shell(s, "rm -rf tree out; mkdir -p tree/d/c out; echo a >tree/a; echo b >tree/d/b; "
                                "echo x >tree/d/c/x; touch tree/d/empty; echo z >tree/z; truncate -s "
                                "9437185 tree/big");
                made(s, &(Run){ .prefix = "snap" }, &report);
                assert_shell(s, "%s", cases[i].change);
                m = manifest_of(s, "out/snap.manifest");
                tree = openat(s->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = verify_directory(m, tree, protect, NULL, take_finding, &notices, &v, NULL);
                assert_int_equal(r, notices.n > 0);
                assert_int_equal(v.wrong, cases[i].wrong);
                assert_int_equal(v.missing, cases[i].missing);
                assert_int_equal(v.extra, cases[i].extra);
                fault.text = notices.text;
                if (*cases[i].says)
                        assert_says(&fault, cases[i].says);
                free(notices.text);
        }
}

static void chunks_of_an_archive_are_verified_without_its_maker(void **state) {
        const Scratch *s = *state;
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int out = -1, archive = -1;
        CreateOptions o = { .prefix = "other", .about = &about };
        Notices notices = { 0 };
        CreateReport report;
        VerifyReport v;

        assert_shell(s, "mkdir out");
        fill(s->fd, "other.tar.gz", 3 * 1024 * 1024 + 7, 9);
        out = openat(s->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        o.output_fd = out;
        assert_true(asprintf(&path, "%s/other.tar.gz", s->path) > 0);
        assert_int_equal(create_manifest(&o, path, &report, &fault), 0);
        m = manifest_of(s, "out/other.manifest");
        assert_int_equal(manifest_n_parts(m), 4);
        assert_int_equal(manifest_head(m)->codec, ARCHIVE_TAR_GZIP);
        archive = openat(s->fd, "other.tar.gz", O_RDONLY | O_CLOEXEC);
        assert_int_equal(verify_archive(m, archive, NULL, NULL, NULL, &v, NULL), 0);
        assert_int_equal(verify_directory(m, s->fd, NULL, NULL, NULL, NULL, &v, &fault), -EOPNOTSUPP);
        assert_shell(
                s,
                "printf X | dd of=other.tar.gz bs=1 seek=1048576 conv=notrunc; truncate -s 3M other.tar.gz");
        assert_int_equal(verify_archive(m, archive, NULL, take_finding, &notices, &v, NULL), 1);
        fault_done(&fault);
        fault.text = notices.text;
        assert_says(&fault, "size: 3145728 bytes, expected 3145735");
        assert_says(&fault, "part 1 at 1048576: its 1048576 bytes have another digest");
        assert_says(&fault, "part 3 at 3145728: the archive ends in it or before it");
        assert_int_equal(v.wrong, 2);
        assert_int_equal(v.missing, 1);
}

static void a_header_has_any_size_and_time(void **state) {
        uint8_t head[TAR_HEAD_MAX];
        TarEntry e = { .path = "f", .size = 077777777777, .mode = 0644, .mtime_sec = 1 };

        assert_int_equal(tar_head_format(&e, head), 512);
        assert_string_equal((char *) head + 124, "77777777777");
        e.size++;
        assert_int_equal(tar_head_format(&e, head), 3 * 512);
        assert_int_equal(head[156], 'x');
        assert_memory_equal(head + 512, "19 size=8589934592\n", 19);
        assert_string_equal((char *) head + 1024 + 124, "00000000000");
        e.size = INT64_MAX;
        assert_int_equal(tar_head_format(&e, head), 3 * 512);
        assert_memory_equal(head + 512, "28 size=9223372036854775807\n", 28);
        e.size = 0;
        e.mtime_sec = -5;
        tar_head_format(&e, head);
        assert_string_equal((char *) head + 136, "00000000000");
        e.mtime_sec = INT64_MAX;
        tar_head_format(&e, head);
        assert_string_equal((char *) head + 136, "77777777777");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scratch_new, scratch_free)
                T(tar_restores_an_equal_tree),
                T(every_frame_can_be_placed_alone),
                T(equal_trees_give_equal_bytes),
                T(a_signature_is_one_that_ssh_keygen_verifies),
                T(what_is_no_file_or_is_protected_is_left_out),
                T(a_file_that_changes_meanwhile_is_told_and_the_archive_is_whole),
                T(a_file_that_changes_after_it_was_read_is_told_too),
                T(a_cancelled_run_leaves_nothing),
                T(what_cannot_be_packed_is_refused_before_anything_is_written),
                T(what_a_crash_left_is_taken_over),
                T(an_empty_directory_has_a_snapshot_too),
                T(every_difference_of_a_directory_is_found),
                T(chunks_of_an_archive_are_verified_without_its_maker),
                cmocka_unit_test(a_header_has_any_size_and_time),
#undef T
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
