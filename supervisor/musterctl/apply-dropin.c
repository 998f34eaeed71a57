#include "musterctl/apply-dropin.h"
#include "musterctl/apply-verify.h"
#include "muster-build.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HEADER "# Written by musterctl apply from "

static char *dropin_dir(DropinUnit unit, const char *below, const char *node) {
        cleanup_free_ char *name = dropin_unit_name(unit, node);
        char *path;

        return !name || asprintf(&path, "%s/%s.d", below, name) < 0 ? NULL : path;
}

static int read_found(DropinUnit unit, const char *node, char **ret, size_t *ret_size, Fault *reterr) {
        cleanup_free_ char *dir = dropin_dir(unit, MUSTER_UNITDROPINDIR, node), *path = NULL;
        int r;

        if (!dir || asprintf(&path, "%s/" DROPIN_NAME, dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_small_file(AT_FDCWD, path, DROPIN_MAX, ret, ret_size);
        return r < 0 && r != -ENOENT ? fault_errno(reterr, r, "Failed to read '%s'", path) : 0;
}

int dropin_plan(const NodeConfig *config, DropinPlan *ret, Fault *reterr) {
        DropinPlan plan = { 0 };
        int r;

        r = dropin_render(config, &plan.dropins, reterr);
        for (DropinUnit u = 0; r >= 0 && u < _DROPIN_UNIT_MAX; u++) {
                size_t size = 0;

                r = read_found(u, config->name, &plan.found[u], &size, reterr);
                if (r >= 0)
                        plan.state[u] = dropin_compare(plan.found[u], size, plan.dropins.text[u]);
        }
        if (r < 0) {
                dropin_plan_done(&plan);
                return r;
        }
        *ret = plan;
        return 0;
}

void dropin_plan_done(DropinPlan *plan) {
        dropins_done(&plan->dropins);
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++)
                free(plan->found[u]);
        *plan = (DropinPlan){ 0 };
}

bool dropin_plan_changes(const DropinPlan *plan) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++)
                if (plan->state[u] != DROPIN_APPLIED)
                        return true;
        return false;
}

static int split_lines(const char *text, char ***ret) {
        cleanup_strv_ char **lines = NULL;

        for (const char *p = text ?: ""; *p;) {
                size_t n = strcspn(p, "\n");
                cleanup_free_ char *line = strndup(p, n);

                if (!line || strv_append(&lines, line) < 0)
                        return -ENOMEM;
                p += n + (p[n] ? 1 : 0);
        }
        *ret = TAKE_PTR(lines);
        return 0;
}

static void print_lines(const char *sign, char *const *lines, char *const *others) {
        STRV_FOREACH (line, lines)
                if (!strv_contains(others, *line))
                        printf("  %s%s\n", sign, *line);
}

void dropin_plan_print(const DropinPlan *plan, const char *node) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *dir = dropin_dir(u, MUSTER_UNITDROPINDIR, node);
                cleanup_strv_ char **before = NULL, **after = NULL;

                if (plan->state[u] == DROPIN_APPLIED)
                        continue;
                if (!dir || split_lines(plan->found[u], &before) < 0 ||
                    split_lines(plan->dropins.text[u], &after) < 0)
                        return;
                printf("%s: %s/" DROPIN_NAME " is %s\n", node, dir, dropin_state_to_string(plan->state[u]));
                print_lines("-", before, after);
                print_lines("+", after, before);
        }
}

/* systemd uses these as soon as it has read them again. */
static bool works_at_once(const char *line) {
        static const char *const keys[] = {
                "#", "[", "KillSignal=", "TimeoutStopSec=", "SendSIGKILL=", "RestartSec="
        };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (str_starts(line, keys[i]))
                        return true;
        return !*line;
}

/* "User", or of Environment="KEY=..." that KEY. */
static char *setting_name(const char *line) {
        if (str_starts(line, "Environment=\""))
                line += strlen("Environment=\"");
        return strndup(line, strcspn(line, "="));
}

static int add_names(char *const *lines, char *const *others, char ***names) {
        STRV_FOREACH (line, lines) {
                cleanup_free_ char *name = setting_name(*line);

                if (!name)
                        return -ENOMEM;
                if (!works_at_once(*line) && !strv_contains(others, *line) && !strv_contains(*names, name) &&
                    strv_append(names, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int dropin_plan_needs_restart(const DropinPlan *plan, char **ret) {
        cleanup_strv_ char **before = NULL, **after = NULL, **names = NULL;
        cleanup_free_ char *joined = NULL;

        if (split_lines(plan->found[DROPIN_VALIDATOR], &before) < 0 ||
            split_lines(plan->dropins.text[DROPIN_VALIDATOR], &after) < 0 ||
            add_names(before, after, &names) < 0 || add_names(after, before, &names) < 0)
                return -ENOMEM;
        STRV_FOREACH (name, names) {
                char *longer;

                if (asprintf(&longer, "%s%s%s", joined ?: "", joined ? ", " : "", *name) < 0)
                        return -ENOMEM;
                free(joined);
                joined = longer;
        }
        *ret = TAKE_PTR(joined);
        return 0;
}

static int write_in(DropinUnit unit, const char *below, const char *node, const char *name, const char *text,
                    Fault *reterr) {
        cleanup_free_ char *path = dropin_dir(unit, below, node);
        cleanup_fd_ int parent = -1, dir = -1;
        int r;

        if (!path)
                return -ENOMEM;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make '%s'", path);
        parent = open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = parent < 0 || dir < 0 || fsync(parent) < 0 ? -errno
                                                       : durable_write(dir, name, text, strlen(text), 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write '%s/%s'", path, name) : 0;
}

static void remove_temporary(const char *dir, const char *node) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *path = dropin_dir(u, dir, node), *file = NULL;

                if (path && asprintf(&file, "%s/" DROPIN_NAME, path) >= 0)
                        (void) unlink(file);
                else
                        file = NULL;
                if (path)
                        (void) rmdir(path);
        }
        (void) rmdir(dir);
}

int dropin_plan_verify(const DropinPlan *plan, const char *node, Fault *reterr) {
        char dir[] = "/tmp/muster-apply.XXXXXX";
        int r = 0;

        if (!mkdtemp(dir))
                return fault_errno(reterr, -errno, "Failed to make a temporary directory");
        for (DropinUnit u = 0; r >= 0 && u < _DROPIN_UNIT_MAX; u++)
                r = write_in(u, dir, node, DROPIN_NAME, plan->dropins.text[u], reterr);
        for (DropinUnit u = 0; r >= 0 && u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *unit = dropin_unit_name(u, node);

                r = unit ? apply_verify(dir, unit, reterr) : -ENOMEM;
        }
        remove_temporary(dir, node);
        return r;
}

int dropin_plan_write(const DropinPlan *plan, const char *node, Fault *reterr) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                int r = 0;

                if (plan->state[u] == DROPIN_EDITED)
                        r = write_in(u, MUSTER_UNITDROPINDIR, node, DROPIN_NAME ".edited", plan->found[u],
                                     reterr);
                if (r >= 0 && plan->state[u] != DROPIN_APPLIED)
                        r = write_in(u, MUSTER_UNITDROPINDIR, node, DROPIN_NAME, plan->dropins.text[u],
                                     reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "validator@NAME.service.d" -> NAME, or "muster-restore@..."; NULL for anything else. */
static char *node_of(const char *entry) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *prefix = dropin_unit_name(u, ""), *node = NULL;
                size_t n;

                if (!prefix)
                        return NULL;
                n = strcspn(prefix, "@") + 1;
                if (strncmp(entry, prefix, n) != 0 || !str_ends(entry, ".service.d"))
                        continue;
                node = strndup(entry + n, strlen(entry) - n - strlen(".service.d"));
                return node && name_is_valid(node) ? TAKE_PTR(node) : NULL;
        }
        return NULL;
}

static bool is_ours(const char *node) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *found = NULL;
                size_t size;

                if (read_found(u, node, &found, &size, NULL) >= 0 && found && str_starts(found, HEADER))
                        return true;
        }
        return false;
}

int dropin_list(char ***ret, Fault *reterr) {
        cleanup_strv_ char **nodes = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(MUSTER_UNITDROPINDIR, &entries, NULL, alphasort);
        if (n < 0)
                return fault_errno(reterr, -errno, "Failed to read '" MUSTER_UNITDROPINDIR "'");
        for (int i = 0; i < n; i++) {
                cleanup_free_ char *node = node_of(entries[i]->d_name);

                if (r >= 0 && node && !strv_contains(nodes, node) && is_ours(node))
                        r = strv_append(&nodes, node);
                free(entries[i]);
        }
        free(entries);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(nodes);
        return 0;
}

int dropin_remove(const char *node, Fault *reterr) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *path = dropin_dir(u, MUSTER_UNITDROPINDIR, node);
                cleanup_fd_ int dir = -1;
                int r;

                if (!path)
                        return -ENOMEM;
                dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (dir < 0 && errno == ENOENT)
                        continue;
                r = dir < 0 ? -errno : durable_unlink(dir, DROPIN_NAME);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to remove '%s/" DROPIN_NAME "'", path);
                /* The operator's own drop-ins may be there: then the directory stays. */
                if (rmdir(path) < 0 && errno != ENOTEMPTY && errno != EEXIST)
                        return fault_errno(reterr, -errno, "Failed to remove '%s'", path);
        }
        return 0;
}
