#include "restore/command-snapshot.h"
#include "archive/create.h"
#include "util/text.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>

#define LEVEL_MAX 22

typedef struct Create {
        const char *from, *output, *key;
        char **protect;     /* the operator's */
        char **left_out;    /* all patterns */
        ManifestHead about; /* borrowed texts */
        unsigned level;
        bool json, quiet;
} Create;

static int usage(FILE *f) {
        fputs("Usage: muster-restore create --from DIR --output PREFIX [OPTION]...\n"
              "Makes PREFIX.tar.zst, which `zstd -dc | tar x` restores too, and PREFIX.manifest.\n"
              "       muster-restore create --from ARCHIVE --output PREFIX [OPTION]...\n"
              "Makes only PREFIX.manifest, of an archive that exists.\n\n"
              "  --sign KEY         sign with this OpenSSH Ed25519 private key\n"
              "  --level N          of zstd, 1 to 22 (3)\n"
              "  --family F         chain family: its own files are left out besides all keys\n"
              "  --chain ID  --height N  --block-hash H  --software S\n"
              "                     what the snapshot is of; readers check the chain\n"
              "  --expires WHEN     a date, or a duration as 30d\n"
              "  --protect PATTERN  leave these files out too; may be given again\n"
              "  --json             the report as JSON\n"
              "  --quiet            no progress and notices\n\n"
              "A snapshot is consistent only if nothing writes to DIR: stop the node, or give a snapshot "
              "of\n"
              "its file system (see hooks.d/snapshot). Links, devices and sockets are left out.\n",
              f);
        return f == stdout ? EXIT_SUCCESS : COMMAND_USAGE;
}

static const struct option options[] = {
        { "from", required_argument, NULL, 'f' },
        { "output", required_argument, NULL, 'o' },
        { "sign", required_argument, NULL, 's' },
        { "level", required_argument, NULL, 'l' },
        { "family", required_argument, NULL, 'F' },
        { "chain", required_argument, NULL, 'c' },
        { "height", required_argument, NULL, 'H' },
        { "block-hash", required_argument, NULL, 'b' },
        { "software", required_argument, NULL, 'S' },
        { "expires", required_argument, NULL, 'e' },
        { "protect", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int take_number(int option, Create *c, Fault *reterr) {
        uint64_t number;

        if (option == 'e') {
                if (snapshot_parse_time(optarg, &c->about.expires) < 0)
                        return fault_set(reterr, -EINVAL,
                                         "--expires '%s': expected 2027-01-31, 2027-01-31T12:00:00Z or 30d",
                                         optarg);
                return 0;
        }
        if (parse_u64(optarg, &number) < 0 || number > INT64_MAX)
                return fault_set(reterr, -EINVAL, "--%s '%s': expected a number",
                                 option == 'l' ? "level" : "height", optarg);
        if (option == 'H') {
                c->about.height = (int64_t) number;
                return 0;
        }
        if (number < 1 || number > LEVEL_MAX)
                return fault_set(reterr, -EINVAL, "--level %s: expected 1 to %d", optarg, LEVEL_MAX);
        c->level = (unsigned) number;
        return 0;
}

static int take(int option, Create *c, Fault *reterr) {
        switch (option) {
        case 'f':
                c->from = optarg;
                return 0;
        case 'o':
                c->output = optarg;
                return 0;
        case 's':
                c->key = optarg;
                return 0;
        case 'F':
                c->about.family = optarg;
                return 0;
        case 'c':
                c->about.chain = optarg;
                return 0;
        case 'b':
                c->about.block_hash = optarg;
                return 0;
        case 'S':
                c->about.software = optarg;
                return 0;
        case 'p':
                return strv_append(&c->protect, optarg);
        case 'j':
                c->json = true;
                return 0;
        case 'q':
                c->quiet = true;
                return 0;
        default:
                return take_number(option, c, reterr);
        }
}

static json_t *report_json(const Create *c, bool archive, const CreateReport *report) {
        cleanup_json_ json_t *o = json_object();
        cleanup_free_ char *archive_path = NULL, *manifest = NULL;

        if (asprintf(&archive_path, "%s.tar.zst", c->output) < 0 ||
            asprintf(&manifest, "%s" MANIFEST_SUFFIX, c->output) < 0)
                return NULL;
        if (!o || json_put_str(o, "archive", archive ? archive_path : c->from) < 0 ||
            json_put_str(o, "manifest", manifest) < 0 ||
            json_put_u64(o, "archive_size", report->archive_size) < 0 ||
            json_put_u64(o, "plain_size", report->plain_size) < 0 ||
            json_put_u64(o, "files", report->files) < 0 ||
            json_put_u64(o, "left_out", report->left_out) < 0 ||
            json_put_bool(o, "changed", report->changed) < 0 ||
            json_put_str(o, "archive_sha256", report->archive_sha256) < 0 ||
            json_put_str(o, "manifest_digest", report->manifest_digest) < 0 ||
            json_put_bool(o, "signed", c->key != NULL) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static void report_text(const Create *c, bool archive, const CreateReport *report) {
        char size[SIZE_TEXT_MAX], plain[SIZE_TEXT_MAX];

        if (archive)
                printf("%s.tar.zst: %s of %" PRIu64 " files and directories with %s\n", c->output,
                       format_size(size, report->archive_size), report->files,
                       format_size(plain, report->plain_size));
        printf("%s" MANIFEST_SUFFIX ": %s, digest %s\n", c->output, c->key ? "signed" : "not signed",
               report->manifest_digest);
        if (!c->key)
                printf("To sign it: ssh-keygen -Y sign -n " MANIFEST_NAMESPACE " -f KEY %s" MANIFEST_SUFFIX
                       " && cat %s" MANIFEST_SUFFIX ".sig >>%s" MANIFEST_SUFFIX "\n",
                       c->output, c->output, c->output);
}

static int create(const Create *c, SnapshotShow *show, bool *ret_archive, CreateReport *report,
                  Fault *reterr) {
        const char *slash = strrchr(c->output, '/');
        cleanup_free_ char *parent =
                slash ? strndup(c->output, (size_t) (slash - c->output) + 1) : strdup(".");
        cleanup_fd_ int from = open(c->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), output = -1;
        CreateOptions o = { .from = c->from,
                            .prefix = slash ? slash + 1 : c->output,
                            .level = (int) c->level,
                            .about = &c->about,
                            .key = c->key,
                            .control = &show->control };
        struct stat st;

        if (!parent)
                return -ENOMEM;
        if (from < 0 || fstat(from, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", c->from);
        output = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (output < 0)
                return fault_errno(reterr, -errno, "Failed to open the directory '%s'", parent);
        o.from_fd = from;
        o.output_fd = output;
        o.protect = c->left_out;
        *ret_archive = S_ISDIR(st.st_mode);
        return *ret_archive ? create_snapshot(&o, report, reterr)
                            : create_manifest(&o, c->from, report, reterr);
}

static int run(const Create *c) {
        cleanup_fault_ Fault fault = { 0 };
        CreateReport report;
        SnapshotShow show;
        bool archive = false;
        int r;

        snapshot_show_init(&show, c->quiet);
        r = create(c, &show, &archive, &report, &fault);
        progress_bar_end(&show.bar);
        if (r < 0)
                return snapshot_fail(c->json, EXIT_FAILURE, r, &fault);
        if (report.changed)
                fprintf(stderr, "Warning: files changed while they were read, so this snapshot is not "
                                "consistent. Stop the "
                                "node first, or pack a snapshot of its file system (hooks.d/snapshot).\n");
        else if (archive && !c->quiet)
                fprintf(stderr,
                        "Nothing changed while it was read. It is consistent if no node ran on '%s'.\n",
                        c->from);
        if (c->json)
                return snapshot_print(report_json(c, archive, &report));
        report_text(c, archive, &report);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse_and_run(int argc, char **argv, Create *c) {
        cleanup_fault_ Fault fault = { 0 };
        int option, r;

        optind = 0;
        while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                if (option == 'h')
                        return usage(stdout);
                if (option == '?')
                        return usage(stderr);
                r = take(option, c, &fault);
                if (r < 0)
                        return snapshot_fail(c->json, COMMAND_USAGE, r, &fault);
        }
        if (optind < argc || !c->from || !c->output || !*c->output) {
                fault_set(&fault, -EINVAL,
                          optind < argc ? "'%s' is not expected: see --help"
                                        : "--from and --output are needed: see --help",
                          argv[optind]);
                return snapshot_fail(c->json, COMMAND_USAGE, -EINVAL, &fault);
        }
        r = snapshot_protect(c->about.family, c->protect, &c->left_out, &fault);
        if (r < 0)
                return snapshot_fail(c->json, r == -EINVAL ? COMMAND_USAGE : EXIT_FAILURE, r, &fault);
        return run(c);
}

int command_create(int argc, char **argv) {
        Create c = { .about = { .height = -1, .created = now_realtime_usec() / USEC_PER_SEC } };
        int code = parse_and_run(argc, argv, &c);

        strv_free(c.protect);
        strv_free(c.left_out);
        return code;
}
