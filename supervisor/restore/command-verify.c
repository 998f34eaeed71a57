#include "restore/command-snapshot.h"
#include "archive/verify.h"
#include "crypto/signers.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>

#define FINDINGS_JSON_MAX 1000

typedef struct Verify {
        const char *manifest, *what, *signers;
        char **protect;
        bool json, quiet;
        SnapshotShow show;
        json_t *findings;
} Verify;

static int usage(FILE *f) {
        fputs("Usage: muster-restore verify MANIFEST [ARCHIVE|DIR] [OPTION]...\n"
              "Is the manifest whole, who signed it, is the archive or directory what it says?\n\n"
              "  --signers FILE     allowed_signers: a signature of one of them is needed\n"
              "  --protect PATTERN  files of DIR that are the node's own; may be given again\n"
              "  --json             the report as JSON\n"
              "  --quiet            no progress\n\n"
              "Exit status: 0 all is so, 1 it is not, 6 no trusted signature or expired.\n",
              f);
        return f == stdout ? EXIT_SUCCESS : COMMAND_USAGE;
}

static const struct option options[] = {
        { "signers", required_argument, NULL, 's' }, { "protect", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },          { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },          { 0 },
};

static void take_finding(const char *what, const char *why, void *userdata) {
        Verify *v = userdata;

        if (v->json) {
                if (json_array_size(v->findings) < FINDINGS_JSON_MAX)
                        json_array_append_new(v->findings, json_pack("{s:o, s:o}", "what", json_text(what),
                                                                     "why", json_text(why)));
                return;
        }
        progress_bar_end(&v->show.bar);
        printf("%s: %s\n", what, why);
}

/* 0 and who signed it; COMMAND_REFUSED: nobody who counts, or it is no longer good. */
static int check_signers(const Verify *v, const Manifest *m, char ***ret, Fault *reterr) {
        const uint64_t now = now_realtime_usec() / USEC_PER_SEC, expires = manifest_head(m)->expires;
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *text = NULL, *problems = NULL;
        cleanup_strv_ char **who = NULL;
        int r;

        if (expires > 0 && now >= expires) {
                char at[TIMESTAMP_TEXT_MAX];

                return fault_set(reterr, COMMAND_REFUSED, "'%s' expired on %s", v->manifest,
                                 format_timestamp(at, expires * USEC_PER_SEC));
        }
        if (!v->signers)
                return 0;
        r = read_small_file(AT_FDCWD, v->signers, SIGNERS_MAX, &text, NULL);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", v->signers);
        r = signers_parse(text, v->signers, &signers, reterr);
        if (r >= 0)
                r = manifest_signed_by(m, signers, now, &who, &problems, reterr);
        if (r < 0)
                return r;
        if (strv_length(who) == 0)
                return fault_set(reterr, COMMAND_REFUSED, "'%s' has no signature of anybody in '%s'%s%s",
                                 v->manifest, v->signers, problems ? ": " : "", problems ?: "");
        *ret = TAKE_PTR(who);
        return 0;
}

static int check_what(Verify *v, const Manifest *m, VerifyReport *ret, Fault *reterr) {
        cleanup_fd_ int fd = open(v->what, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        cleanup_strv_ char **protect = NULL;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", v->what);
        if (!S_ISDIR(st.st_mode))
                return verify_archive(m, fd, &v->show.control, take_finding, v, ret, reterr);
        r = snapshot_protect(NULL, v->protect, &protect, reterr);
        return r < 0 ? r : verify_directory(m, fd, protect, &v->show.control, take_finding, v, ret, reterr);
}

static json_t *report_json(const Verify *v, const Manifest *m, char *const *who, const VerifyReport *report,
                           bool good) {
        cleanup_json_ json_t *o = json_object();

        if (!o || json_put_bool(o, "good", good) < 0 ||
            json_put_str(o, "manifest_digest", manifest_digest(m)) < 0 ||
            (who && json_put_strv(o, "signed_by", who) < 0) || json_put_u64(o, "files", report->files) < 0 ||
            json_put_u64(o, "bytes", report->bytes) < 0 || json_put_u64(o, "wrong", report->wrong) < 0 ||
            json_put_u64(o, "missing", report->missing) < 0 || json_put_u64(o, "extra", report->extra) < 0 ||
            json_object_set(o, "findings", v->findings) != 0)
                return NULL;
        return TAKE_PTR(o);
}

static void report_text(const Verify *v, const Manifest *m, char *const *who, const VerifyReport *report,
                        bool good) {
        char size[SIZE_TEXT_MAX];

        printf("%s: whole, digest %s\n", v->manifest, manifest_digest(m));
        STRV_FOREACH (name, who)
                printf("Signed by %s\n", *name);
        if (!v->what)
                return;
        if (good)
                printf("%s: as it says, %s\n", v->what, format_size(size, report->bytes));
        else
                printf("%s: %" PRIu64 " wrong, %" PRIu64 " missing, %" PRIu64 " unknown\n", v->what,
                       report->wrong, report->missing, report->extra);
}

static int run(Verify *v) {
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_strv_ char **who = NULL;
        cleanup_fault_ Fault fault = { 0 };
        VerifyReport report = { 0 };
        int r;

        r = snapshot_open_manifest(v->manifest, &m, &fault);
        if (r >= 0)
                r = check_signers(v, m, &who, &fault);
        if (r == COMMAND_REFUSED)
                return snapshot_fail(v->json, COMMAND_REFUSED, -EPERM, &fault);
        if (r >= 0 && v->what)
                r = check_what(v, m, &report, &fault);
        progress_bar_end(&v->show.bar);
        if (r < 0)
                return snapshot_fail(v->json, EXIT_FAILURE, r, &fault);
        if (!v->json)
                report_text(v, m, who, &report, r == 0);
        else if (snapshot_print(report_json(v, m, who, &report, r == 0)) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse_and_run(int argc, char **argv, Verify *v) {
        int option;

        optind = 0;
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case 's':
                        v->signers = optarg;
                        break;
                case 'p':
                        if (strv_append(&v->protect, optarg) < 0)
                                return EXIT_FAILURE;
                        break;
                case 'j':
                        v->json = true;
                        break;
                case 'q':
                        v->quiet = true;
                        break;
                case 'h':
                        return usage(stdout);
                default:
                        return usage(stderr);
                }
        }
        if (argc - optind < 1 || argc - optind > 2)
                return usage(stderr);
        v->manifest = argv[optind];
        v->what = argc - optind == 2 ? argv[optind + 1] : NULL;
        snapshot_show_init(&v->show, v->quiet);
        return run(v);
}

int command_verify(int argc, char **argv) {
        Verify v = { .findings = json_array() };
        int code = v.findings ? parse_and_run(argc, argv, &v) : EXIT_FAILURE;

        json_decref(v.findings);
        strv_free(v.protect);
        return code;
}
