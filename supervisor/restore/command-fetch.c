/*
 * `muster-restore fetch`: a snapshot into a directory, by hand. No daemon and no
 * configuration: what is protected by default is whatever any chain family calls
 * a key or signing state, at the top and one or two directories down, because
 * an archive may begin with a directory of its own and nothing is stripped here.
 */
#include "archive/fetch.h"
#include "chain/family.h"
#include "config/value.h"
#include "crypto/signers.h"
#include "http/fetch.h"
#include "restore/commands.h"
#include "restore/progress-bar.h"
#include "util/durable.h"
#include "util/json.h"
#include "util/text.h"

#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

typedef struct FetchCommand {
        FetchOptions options;
        char **protect, **notices, **sources;
        char *manifest, *sha256, *signers;
        bool json, quiet;
        bool made; /* the directory, by us */
        ProgressBar bar;
} FetchCommand;

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
        interrupted = 1;
}

static void fetch_command_done(FetchCommand *c) {
        strv_free(c->protect);
        strv_free(c->notices);
        strv_free(c->sources);
        free(c->manifest);
        free(c->sha256);
        free(c->signers);
        if (c->options.into_fd >= 0)
                close(c->options.into_fd);
}

/* ---- Words ---- */

static int usage(FILE *to) {
        fputs("Usage: muster-restore fetch --into DIR [OPTIONS] URL...\n"
              "\n"
              "Brings a snapshot from any of its mirrors into a directory: http://, https:// and file://\n"
              "URLs or paths of one .tar, .tar.zst, .tar.lz4, .tar.gz or .tar.xz, or of its first part\n"
              "(.aa, .001). The directory must be new or empty, or what an earlier run left: that is "
              "continued.\n"
              "\n"
              "  --into DIR            where it is unpacked; made if it is not there\n"
              "  --manifest URL|FILE   its manifest (else the one beside the archive, if there is one)\n"
              "  --signers FILE        allowed_signers of those whose manifests count (snapshot.v1@muster)\n"
              "  --sha256 HEX          digest of the archive, or of the manifest\n"
              "  --unsigned            take it as it is, whoever made it\n"
              "  --seed DIR            take from there what is equal, byte for byte, instead of downloading "
              "it\n"
              "  --protect PATTERN     never write these, beside keys and signing state of all families\n"
              "  --limit-rate N[KMG]   bytes a second\n"
              "  --connections N       to each mirror\n"
              "  --ca-file FILE        certificate authorities, instead of the system's\n"
              "  --json                report as JSON\n"
              "  --quiet               no progress\n"
              "\n"
              "Exit: 0 complete and durable, 1 failed, 2 usage, 6 refused for safety.\n",
              to);
        return to == stderr ? COMMAND_USAGE : EXIT_SUCCESS;
}

static int bad(const FetchCommand *c, const char *format, ...) _printf_(2, 3);

/* Every failure ends here. */
static int report_failure(const FetchCommand *c, int status, const char *text) {
        if (c->json) {
                cleanup_json_ json_t *object = json_object();

                if (object && json_put_str(object, "error", text) >= 0 &&
                    json_put_u64(object, "exit", (uint64_t) status) >= 0) {
                        (void) json_dumpf(object, stdout, JSON_COMPACT);
                        putchar('\n');
                }
        } else
                fprintf(stderr, "%s\n", text);
        return status;
}

static int bad(const FetchCommand *c, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        return report_failure(c, COMMAND_USAGE, text ?: "Out of memory");
}

/* A path may be relative to where one stands; a URL and an absolute path stay. Owned. */
static int locate(FetchCommand *c, const char *word, char **ret) {
        cleanup_free_ char *here = NULL;

        if (strstr(word, "://") || *word == '/') {
                *ret = strdup(word);
                return *ret ? 0 : bad(c, "Out of memory");
        }
        here = get_current_dir_name();
        if (!here || asprintf(ret, "%s/%s", here, word) < 0)
                return bad(c, "Failed to tell where '%s' is: give the whole path", word);
        return 0;
}

static int take_sha256(FetchCommand *c, const char *text) {
        if (str_starts(text, "sha256:"))
                text += 7;
        if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
                return bad(c, "--sha256: expected 64 hex digits, found '%s'", text);
        if (str_replace(&c->sha256, text) < 0)
                return bad(c, "Out of memory");
        for (char *p = c->sha256; *p; p++)
                *p = (char) tolower(*p);
        return 0;
}

static int take_signers(FetchCommand *c, const char *path) {
        int r;

        free(TAKE_PTR(c->signers));
        r = read_small_file(AT_FDCWD, path, SIGNERS_MAX, &c->signers, NULL);
        if (r < 0)
                return bad(c, "--signers: failed to read '%s': %s", path, strerror(-r));
        c->options.signers_name = path;
        return 0;
}

static int take_rate(FetchCommand *c, const char *text) {
        cleanup_fault_ Fault fault = {};
        int r = value_parse_size(text, &c->options.limit_rate, &fault);

        if (r < 0 || c->options.limit_rate == 0)
                return bad(c, "--limit-rate: %s", r < 0 ? fault_text(&fault, r) : "expected more than 0");
        if (c->options.limit_rate == UINT64_MAX)
                c->options.limit_rate = 0;
        return 0;
}

static int take_connections(FetchCommand *c, const char *text) {
        uint64_t n;

        if (parse_u64(text, &n) < 0 || n < 1 || n > 64)
                return bad(c, "--connections: expected a number from 1 to 64, found '%s'", text);
        c->options.connections = (unsigned) n;
        return 0;
}

enum {
        OPT_INTO = 256,
        OPT_MANIFEST,
        OPT_SIGNERS,
        OPT_SHA256,
        OPT_UNSIGNED,
        OPT_SEED,
        OPT_PROTECT,
        OPT_RATE,
        OPT_CONNECTIONS,
        OPT_CA_FILE,
        OPT_JSON,
        OPT_QUIET,
        OPT_HELP
};

static const struct option long_options[] = {
        { "into", required_argument, NULL, OPT_INTO },
        { "manifest", required_argument, NULL, OPT_MANIFEST },
        { "signers", required_argument, NULL, OPT_SIGNERS },
        { "sha256", required_argument, NULL, OPT_SHA256 },
        { "unsigned", no_argument, NULL, OPT_UNSIGNED },
        { "seed", required_argument, NULL, OPT_SEED },
        { "protect", required_argument, NULL, OPT_PROTECT },
        { "limit-rate", required_argument, NULL, OPT_RATE },
        { "connections", required_argument, NULL, OPT_CONNECTIONS },
        { "ca-file", required_argument, NULL, OPT_CA_FILE },
        { "json", no_argument, NULL, OPT_JSON },
        { "quiet", no_argument, NULL, OPT_QUIET },
        { "help", no_argument, NULL, OPT_HELP },
        {},
};

/* 0, or an exit status. */
static int take_option(FetchCommand *c, int option, const char *value) {
        switch (option) {
        case OPT_INTO:
                c->options.into = value;
                return 0;
        case OPT_MANIFEST:
                free(c->manifest);
                c->manifest = NULL;
                return locate(c, value, &c->manifest);
        case OPT_SIGNERS:
                return take_signers(c, value);
        case OPT_SHA256:
                return take_sha256(c, value);
        case OPT_UNSIGNED:
                c->options.allow_unsigned = true;
                return 0;
        case OPT_SEED:
                c->options.seed = value;
                return 0;
        case OPT_PROTECT:
                return strv_append(&c->protect, value) < 0 ? bad(c, "Out of memory") : 0;
        case OPT_RATE:
                return take_rate(c, value);
        case OPT_CONNECTIONS:
                return take_connections(c, value);
        case OPT_CA_FILE:
                c->options.ca_file = value;
                return 0;
        case OPT_JSON:
                c->json = true;
                return 0;
        case OPT_QUIET:
                c->quiet = true;
                return 0;
        default:
                return usage(stderr);
        }
}

static int take_sources(FetchCommand *c, char **words) {
        for (; *words; words++) {
                cleanup_free_ char *source = NULL;
                int status = locate(c, *words, &source);

                if (status != 0)
                        return status;
                if (!source_is_valid(source) && !str_starts(source, "file:///"))
                        return bad(c,
                                   "'%s' is no source: expected http://HOST/PATH, https://HOST/PATH, "
                                   "file:///PATH or a path",
                                   source);
                if (strv_append(&c->sources, source) < 0)
                        return bad(c, "Out of memory");
        }
        c->options.sources = c->sources;
        return 0;
}

static int check_words(FetchCommand *c) {
        if (!c->options.into)
                return bad(c, "Where to? Give --into DIR (muster-restore fetch --help tells more)");
        if (!c->sources)
                return bad(c,
                           "Nothing to fetch: give the URL of an archive (muster-restore fetch --help tells "
                           "more)");
        c->options.manifest = c->manifest;
        c->options.sha256 = c->sha256;
        c->options.signers = c->signers;
        return 0;
}

/* ---- What is protected ---- */

static int protect_everywhere(char ***protect, const char *const *patterns) {
        for (; *patterns; patterns++)
                for (const char *const *above = (const char *const[]){ "", "*/", "*/*/", NULL }; *above;
                     above++) {
                        cleanup_free_ char *pattern = NULL;

                        if (asprintf(&pattern, "%s%s", *above, *patterns) < 0) {
                                pattern = NULL;
                                return -ENOMEM;
                        }
                        if (!strv_contains(*protect, pattern) && strv_append(protect, pattern) < 0)
                                return -ENOMEM;
                }
        return 0;
}

static int protect_families(FetchCommand *c) {
        for (const ChainFamily *const *family = chain_families(); *family; family++)
                if (protect_everywhere(&c->protect, (*family)->key_files) < 0 ||
                    protect_everywhere(&c->protect, (*family)->state_files) < 0)
                        return -ENOMEM;
        c->options.protect = c->protect;
        return 0;
}

/* ---- The fetch ---- */

static void on_progress(const FetchProgress *p, void *userdata) {
        FetchCommand *c = userdata;

        progress_bar_show(&c->bar, p);
}

static bool on_cancelled(void *userdata) {
        return interrupted;
}

static void on_notice(const char *text, void *userdata) {
        FetchCommand *c = userdata;

        (void) strv_append(&c->notices, text);
        if (!c->json)
                progress_bar_say(&c->bar, text);
}

static void catch_signals(void) {
        struct sigaction action = { .sa_handler = on_signal };

        (void) sigaction(SIGINT, &action, NULL);
        (void) sigaction(SIGTERM, &action, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
}

static int open_into(FetchCommand *c, Fault *reterr) {
        const char *name = c->options.into;

        c->made = mkdir(name, 0755) >= 0;
        if (!c->made && errno == ENOENT)
                return fault_set(reterr, -ENOENT,
                                 "Failed to make the directory '%s': what it is to be in is not there",
                                 name);
        if (!c->made && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make the directory '%s'", name);
        c->options.into_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return c->options.into_fd < 0
                       ? fault_errno(reterr, -errno, "Failed to open the directory '%s'", name)
                       : 0;
}

static int print_json(const FetchCommand *c, const FetchReport *report) {
        cleanup_json_ json_t *object = json_object();

        if (!object || json_put_str(object, "into", c->options.into) < 0 ||
            json_put_bool(object, "framed", report->framed) < 0 ||
            json_put_bool(object, "resumed", report->resumed) < 0 ||
            json_put_str(object, "signed_by", report->signed_by) < 0 ||
            json_put_str(object, "chain", report->chain) < 0 ||
            (report->height >= 0 && json_put_u64(object, "height", (uint64_t) report->height) < 0) ||
            json_put_u64(object, "archive_size", report->archive_size) < 0 ||
            json_put_u64(object, "plain_size", report->plain_size) < 0 ||
            json_put_u64(object, "files", report->files) < 0 ||
            json_put_u64(object, "received", report->received) < 0 ||
            json_put_u64(object, "rejected", report->rejected) < 0 ||
            json_put_u64(object, "seeded", report->seeded) < 0 ||
            json_put_u64(object, "ignored", report->ignored) < 0 ||
            json_put_u64(object, "usec", report->usec) < 0 ||
            json_put_strv(object, "notices", c->notices) < 0)
                return -ENOMEM;
        return json_dumpf(object, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF || fflush(stdout) == EOF
                       ? -EIO
                       : 0;
}

static void print_report(const FetchCommand *c, const FetchReport *report) {
        char plain[SIZE_TEXT_MAX], archive[SIZE_TEXT_MAX], received[SIZE_TEXT_MAX], seeded[SIZE_TEXT_MAX];
        char duration[DURATION_TEXT_MAX];

        printf("Restored %s in %" PRIu64 " files and directories into '%s' in %s",
               format_size(plain, report->plain_size), report->files, c->options.into,
               format_duration(duration, report->usec));
        printf(": %s of the archive's %s received", format_size(received, report->received),
               format_size(archive, report->archive_size));
        if (report->seeded > 0)
                printf(", %s taken from the seed", format_size(seeded, report->seeded));
        if (report->resumed)
                printf(", the rest was there");
        printf("; %s%s", report->signed_by ? "signed by " : "no signature was asked for",
               report->signed_by ?: "");
        if (report->chain)
                printf("; chain %s", report->chain);
        if (report->height >= 0)
                printf(" at height %" PRId64, report->height);
        putchar('\n');
}

static int give_up(FetchCommand *c, int r, const Fault *fault) {
        cleanup_free_ char *text = NULL;
        bool resumable;

        if (c->made && rmdir(c->options.into) >= 0)
                c->made = false;
        resumable = c->options.into_fd >= 0 && faccessat(c->options.into_fd, FETCH_PARTIAL, F_OK, 0) >= 0 &&
                    r != FETCH_SNAPSHOT_E_REFUSED && r != -EBUSY && r != -EBADMSG;
        if (asprintf(&text, "%s%s", fault_text(fault, r),
                     resumable ? " (resumable: run the same command again)" : "") < 0)
                text = NULL;
        return report_failure(c, r == FETCH_SNAPSHOT_E_REFUSED ? COMMAND_REFUSED : EXIT_FAILURE,
                              text ?: "Out of memory");
}

static int run(FetchCommand *c) {
        cleanup_(fetch_report_done) FetchReport report = {};
        cleanup_fault_ Fault fault = {};
        int r;

        catch_signals();
        progress_bar_init(&c->bar, c->quiet);
        c->options.control = (FetchControl){
                .progress = on_progress, .cancelled = on_cancelled, .notice = on_notice, .userdata = c
        };
        r = protect_families(c);
        if (r >= 0)
                r = open_into(c, &fault);
        if (r >= 0)
                r = fetch_snapshot(&c->options, &report, &fault);
        progress_bar_end(&c->bar);
        if (r != 0)
                return give_up(c, r, &fault);
        if (c->json)
                r = print_json(c, &report);
        else
                print_report(c, &report);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int command_fetch(int argc, char **argv) {
        cleanup_(fetch_command_done) FetchCommand c = { .options.into_fd = -1 };
        int option, status;

        for (int i = 1; i < argc; i++) /* a bad word before it is JSON, too */
                c.json = c.json || str_eq(argv[i], "--json");
        optind = 0;
        while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                if (option == OPT_HELP)
                        return usage(stdout);
                status = take_option(&c, option, optarg);
                if (status != 0)
                        return status;
        }
        status = take_sources(&c, argv + optind);
        if (status == 0)
                status = check_words(&c);
        return status != 0 ? status : run(&c);
}
