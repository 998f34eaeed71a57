/*
 * Hooks are the operator's, run as user muster-hook: they decide whether a
 * step goes on, so a hook that would be passed over in silence is an error
 * here. A crash leaves nothing: an order may be run again from its beginning.
 */
#include "hook/run.h"
#include "util/json.h"
#include "util/name.h"
#include "util/text.h"
#include "worker/order.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NAME_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define KEY_ALPHABET  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define HOOK_PATH     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void hook_report_done(HookReport *report) {
        free(report->text);
        json_decref(report->extra);
        *report = (HookReport){};
}

/* Of the worker, of systemd's protocols, or of the dynamic loader: not for hooks. */
static bool environment_is_ours(const char *assignment) {
        static const char *const prefixes[] = {
                "PATH=",
                "NOTIFY_SOCKET=",
                "WATCHDOG_",
                "LISTEN_",
                "INVOCATION_ID=",
                "JOURNAL_STREAM=",
                "RUNTIME_DIRECTORY=",
                "SYSTEMD_EXEC_PID=",
                "CREDENTIALS_DIRECTORY=",
                "MEMORY_PRESSURE_",
                "LD_",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (str_starts(assignment, prefixes[i]))
                        return true;
        return false;
}

static int environment_put(char ***environment, const char *key, const char *value) {
        cleanup_free_ char *assignment = NULL;
        size_t n = strlen(key);

        if (asprintf(&assignment, "%s=%s", key, value) < 0)
                return -ENOMEM;
        for (char **e = *environment; e && *e; e++)
                if (strncmp(*e, key, n) == 0 && (*e)[n] == '=') {
                        free(*e);
                        *e = TAKE_PTR(assignment);
                        return 0;
                }
        return strv_append(environment, assignment);
}

static int environment_make(const HookSetting *setting, const json_t *order, char ***ret, Fault *reterr) {
        cleanup_strv_ char **environment = NULL;
        json_t *given = json_object_get(order, "environment"), *value;
        const char *key;
        int r;

        r = strv_append(&environment, "PATH=" HOOK_PATH);
        STRV_FOREACH (e, setting->environment)
                if (r >= 0 && !environment_is_ours(*e))
                        r = strv_append(&environment, *e);
        if (r < 0)
                return r;
        json_object_foreach (given, key, value) {
                if (!str_starts(key, "MUSTER_") || strspn(key, KEY_ALPHABET) != strlen(key))
                        return fault_set(reterr, -EINVAL,
                                         "The order sets '%s' in the hooks' environment: expected MUSTER_ "
                                         "and capitals",
                                         key);
                if (!json_is_string(value))
                        return fault_set(reterr, -EBADMSG, "The order's \"environment\": '%s' is no string",
                                         key);
                r = environment_put(&environment, key, json_string_value(value));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(environment);
        return 0;
}

static bool is_leftover(const char *name) {
        return name[0] == '.' || str_ends(name, "~") || strstr(name, ".dpkg-") || strstr(name, ".rpm") ||
               strstr(name, ".ucf-");
}

static int directory_open(const char *path, uid_t owner, DIR **ret, Fault *reterr) {
        cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        DIR *dir;

        if (fd < 0)
                return errno == ENOENT ? -ENOENT : fault_errno(reterr, -errno, "Failed to open '%s'", path);
        if (fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
        if (st.st_uid != owner || st.st_mode & 0022)
                return fault_set(reterr, -EPERM,
                                 "'%s' may be written by others: expected uid %u and no more than 0755, its "
                                 "mode is %04o",
                                 path, owner, st.st_mode & 07777);
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        *ret = dir;
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Paths of the scripts of an event; each checked. */
static int scripts_find(const HookSetting *setting, const char *event, char ***ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        cleanup_closedir_ DIR *dir = NULL;
        cleanup_strv_ char **scripts = calloc(1, sizeof *scripts);
        struct dirent *entry;
        int r;

        if (!scripts || asprintf(&path, "%s/%s", setting->directory, event) < 0)
                return -ENOMEM;
        r = directory_open(path, setting->owner, &dir, reterr);
        if (r < 0 && r != -ENOENT)
                return r;
        while (dir && (errno = 0, entry = readdir(dir))) {
                cleanup_free_ char *script = NULL;

                if (is_leftover(entry->d_name))
                        continue;
                if (asprintf(&script, "%s/%s", path, entry->d_name) < 0)
                        return -ENOMEM;
                if (strspn(entry->d_name, NAME_ALPHABET) != strlen(entry->d_name))
                        return fault_set(reterr, -EINVAL,
                                         "'%s' would never run: expected a name of letters, digits, '_' and "
                                         "'-'; rename it",
                                         script);
                r = hook_script_check(script, setting->owner, reterr);
                if (r >= 0)
                        r = strv_append(&scripts, script);
                if (r < 0)
                        return r;
        }
        if (dir && errno)
                return fault_errno(reterr, -errno, "Failed to list '%s'", path);
        qsort(scripts, strv_length(scripts), sizeof *scripts, compare_names);
        *ret = TAKE_PTR(scripts);
        return 0;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int report_add(HookReport *report, const char *path, const HookOutcome *outcome) {
        cleanup_json_ json_t *entry = json_object();
        json_t *list = json_object_get(report->extra, "scripts");

        if (!entry || json_put_str(entry, "name", base_name(path)) < 0 ||
            json_put_str(entry, "status", hook_status_to_string(outcome->status)) < 0 ||
            json_object_set_new(entry, "seconds",
                                json_real((double) outcome->usec / (double) USEC_PER_SEC)) < 0 ||
            json_put_str(entry, "output", outcome->output) < 0 || json_array_append(list, entry) < 0 ||
            json_put_str(report->extra, "stdout", outcome->answer) < 0)
                return -ENOMEM;
        return 0;
}

/* The first one that is not ok makes the text; a failure outweighs "try again". */
static int report_judge(HookReport *report, const char *what, const char *path, const HookOutcome *outcome) {
        bool worse = report->ok || (report->retry && outcome->status != HOOK_RETRY);
        char *text;

        if (outcome->status == HOOK_OK || !worse)
                return 0;
        if (asprintf(&text, "Hook '%s' of %s %s: %s", base_name(path), what,
                     outcome->status == HOOK_RETRY ? "says to try again" : "failed", outcome->how) < 0)
                return -ENOMEM;
        free(report->text);
        report->text = text;
        report->ok = false;
        report->retry = outcome->status == HOOK_RETRY;
        return 0;
}

static int scripts_run(HookScript *script, char *const *paths, const char *what, bool all,
                       HookReport *report, Fault *reterr) {
        size_t n = strv_length(paths), done = 0;
        int r;

        STRV_FOREACH (path, paths) {
                cleanup_hook_outcome_ HookOutcome outcome = {};

                worker_progress(true, "hook %s (%zu of %zu of %s)", base_name(*path), ++done, n, what);
                script->path = *path;
                r = hook_script_run(script, &outcome, reterr);
                if (r < 0)
                        return r;
                r = report_add(report, *path, &outcome);
                if (r >= 0)
                        r = report_judge(report, what, *path, &outcome);
                if (r < 0)
                        return r;
                if (outcome.status != HOOK_OK && !all)
                        break;
        }
        if (!report->ok)
                return 0;
        if (n == 0)
                return asprintf(&report->text, "No hooks for %s", what) < 0 ? -ENOMEM : 0;
        return asprintf(&report->text, "%zu hook%s of %s ok", n, n == 1 ? "" : "s", what) < 0 ? -ENOMEM : 0;
}

/* What is common to both verbs: environment, standard input, limits. */
static int script_prepare(const HookSetting *setting, const json_t *order, HookScript *ret,
                          char ***ret_environment, char **ret_payload, Fault *reterr) {
        const json_t *payload = json_object_get(order, "payload");
        cleanup_free_ char *text = NULL;
        uint64_t timeout;
        int r;

        if (json_read_usec(order, "timeout_usec", &timeout) < 0 || timeout == 0)
                return fault_set(reterr, -EBADMSG,
                                 "The order's \"timeout_usec\" is no number of microseconds and not null");
        if (payload && !json_is_object(payload))
                return fault_set(reterr, -EBADMSG, "The order's \"payload\" is no object");
        text = payload ? json_dumps(payload, JSON_COMPACT) : strdup("{}");
        if (!text || asprintf(ret_payload, "%s\n", text) < 0)
                return -ENOMEM;
        r = environment_make(setting, order, ret_environment, reterr);
        if (r < 0)
                return r;
        *ret = (HookScript){
                .environment = *ret_environment,
                .payload = *ret_payload,
                .timeout_usec = timeout,
                .grace_usec = setting->grace_usec,
                .echo_fd = setting->echo_fd,
        };
        return 0;
}

static int verb_run(const HookSetting *setting, const json_t *order, HookScript *script, HookReport *report,
                    Fault *reterr) {
        cleanup_strv_ char **scripts = NULL;
        const char *event = json_str(order, "event");
        int r;

        if (!event || !*event || strspn(event, NAME_ALPHABET) != strlen(event))
                return fault_set(reterr, -EBADMSG,
                                 "The order's \"event\" is '%s': expected letters, digits, '_' and '-'",
                                 event ?: "");
        r = scripts_find(setting, event, &scripts, reterr);
        if (r < 0)
                return r;
        return scripts_run(script, scripts, event, str_eq(event, "notify"), report, reterr);
}

static int verb_probe(const HookSetting *setting, const json_t *order, HookScript *script,
                      HookReport *report, Fault *reterr) {
        const char *path = json_str(order, "path");
        int r;

        if (!path)
                return fault_set(reterr, -EBADMSG, "The order has no \"path\"");
        r = hook_script_check(path, setting->owner, reterr);
        if (r < 0)
                return r;
        script->keep_stdout = true;
        return scripts_run(script, (char *const[]){ (char *) path, NULL }, "probe", false, report, reterr);
}

int hook_run(const HookSetting *setting, const json_t *order, HookReport *ret, Fault *reterr) {
        cleanup_hook_report_ HookReport report = { .ok = true };
        cleanup_strv_ char **environment = NULL;
        cleanup_free_ char *payload = NULL;
        const char *verb = json_str(order, "verb");
        HookScript script;
        int r;

        report.extra = json_pack("{s:[]}", "scripts");
        if (!report.extra)
                return -ENOMEM;
        r = script_prepare(setting, order, &script, &environment, &payload, reterr);
        if (r < 0)
                return r;
        if (str_eq(verb, "run"))
                r = verb_run(setting, order, &script, &report, reterr);
        else if (str_eq(verb, "probe"))
                r = verb_probe(setting, order, &script, &report, reterr);
        else
                r = fault_set(reterr, -EBADMSG,
                              "The order's \"verb\" is '%s': expected \"run\" or \"probe\"", verb ?: "");
        if (r < 0)
                return r;
        if (json_put_bool(report.extra, "retry", report.retry) < 0)
                return -ENOMEM;
        *ret = report;
        report = (HookReport){};
        return 0;
}
