#include "restore/command-snapshot.h"
#include "chain/family.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t interrupted;

int snapshot_fail(bool json, int code, int r, const Fault *fault) {
        const char *text = fault_text(fault, r);

        if (json) {
                cleanup_json_ json_t *o = json_pack("{s:o, s:i}", "error", json_text(text), "exit", code);

                if (o) {
                        json_dumpf(o, stdout, JSON_COMPACT);
                        putchar('\n');
                        return code;
                }
        }
        fprintf(stderr, "muster-restore: %s\n", text);
        return code;
}

int snapshot_print(json_t *object) {
        int r = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;

        json_decref(object);
        if (r == 0)
                putchar('\n');
        return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int snapshot_parse_time(const char *text, uint64_t *ret) {
        static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ" };
        uint64_t usec;

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm = { 0 };
                const char *end = strptime(text, formats[i], &tm);
                time_t t = end && !*end ? timegm(&tm) : -1;

                if (t > 0) {
                        *ret = (uint64_t) t;
                        return 0;
                }
        }
        if (parse_duration(text, &usec) < 0 || usec == UINT64_MAX || usec == 0)
                return -EINVAL;
        *ret = (now_realtime_usec() + usec) / USEC_PER_SEC;
        return 0;
}

static int append(char ***v, const char *before, const char *pattern) {
        cleanup_free_ char *whole = NULL;

        if (asprintf(&whole, "%s%s", before, pattern) < 0)
                return -ENOMEM;
        return strv_contains(*v, whole) ? 0 : strv_append(v, whole);
}

/* @pattern from its data directory, from up to two above, and the bare name from within. */
static int append_around(char ***v, const char *pattern) {
        const char *slash = strrchr(pattern, '/');
        int r;

        r = append(v, "", pattern);
        if (r >= 0)
                r = append(v, "*/", pattern);
        if (r >= 0)
                r = append(v, "*/*/", pattern);
        if (r >= 0 && slash && slash[1] && !strpbrk(slash, "*?["))
                r = append(v, "", slash + 1);
        return r;
}

static int append_family(char ***v, const ChainFamily *f, bool own) {
        int r = 0;

        for (size_t i = 0; r >= 0 && f->key_files && f->key_files[i]; i++)
                r = append_around(v, f->key_files[i]);
        for (size_t i = 0; r >= 0 && f->state_files && f->state_files[i]; i++)
                r = append_around(v, f->state_files[i]);
        for (size_t i = 0; r >= 0 && own && f->own_files && f->own_files[i]; i++)
                r = append(v, "", f->own_files[i]);
        return r;
}

int snapshot_protect(const char *family, char *const *operators, char ***ret, Fault *reterr) {
        cleanup_strv_ char **v = NULL;
        int r = 0;

        if (family && !chain_family_by_name(family))
                return fault_set(reterr, -EINVAL, "'%s' is no chain family: expected one of %s", family,
                                 chain_family_names());
        for (const ChainFamily *const *f = chain_families(); r >= 0 && *f; f++)
                r = append_family(&v, *f, !family || str_eq((*f)->name, family));
        STRV_FOREACH (pattern, operators) {
                if (r < 0)
                        break;
                if (**pattern == '/' || strstr(*pattern, ".."))
                        return fault_set(
                                reterr, -EINVAL,
                                "The pattern '%s' is absolute or has '..': expected a path below the "
                                "directory",
                                *pattern);
                r = append(&v, "", *pattern);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

int snapshot_open_manifest(const char *path, Manifest **ret, Fault *reterr) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the manifest '%s'", path);
        return manifest_open(fd, path, ret, reterr);
}

static void show_progress(const FetchProgress *p, void *userdata) {
        progress_bar_show(&((SnapshotShow *) userdata)->bar, p);
}

static void show_notice(const char *text, void *userdata) {
        SnapshotShow *show = userdata;

        if (!show->quiet)
                progress_bar_say(&show->bar, text);
}

static bool is_cancelled(void *userdata) {
        return interrupted;
}

static void interrupt(int number) {
        interrupted = 1;
}

void snapshot_show_init(SnapshotShow *show, bool quiet) {
        const struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESETHAND };

        *show = (SnapshotShow){ .control = { .progress = show_progress,
                                             .cancelled = is_cancelled,
                                             .notice = show_notice,
                                             .userdata = show },
                                .quiet = quiet };
        progress_bar_init(&show->bar, quiet);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}
