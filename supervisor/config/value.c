#include "config/value.h"
#include "util/text.h"

#include <ctype.h>
#include <signal.h>
#include <strings.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

int value_parse_bool(const char *value, bool *ret, Fault *reterr) {
        if (str_eq(value, "true") || str_eq(value, "yes"))
                *ret = true;
        else if (str_eq(value, "false") || str_eq(value, "no"))
                *ret = false;
        else
                return fault_set(reterr, -EINVAL, "expected yes, no, true or false, found '%s'", value);
        return 0;
}

/* Those that end a process which does not handle them; the others stop it, continue it or do nothing. */
static bool signal_ends(int signal) {
        static const int others[] = { SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
                                      SIGCONT, SIGCHLD, SIGURG,  SIGWINCH };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (others[i] == signal)
                        return false;
        return true;
}

int value_parse_signal(const char *value, int *ret, Fault *reterr) {
        const char *name = str_starts(value, "SIG") ? value + 3 : value;
        uint64_t number = 0;
        int found = 0;

        if (parse_u64(value, &number) >= 0)
                found = number < 32 ? (int) number : 0;
        for (int i = 1; i < 32 && !found; i++)
                if (str_eq(sigabbrev_np(i), name))
                        found = i;
        if (found == SIGKILL)
                return fault_set(reterr, -EINVAL,
                                 "SIGKILL cannot ask a node to stop: expected SIGTERM, SIGINT or the like "
                                 "(and kill = "
                                 "yes for SIGKILL after the patience)");
        if (!found || !signal_ends(found))
                return fault_set(
                        reterr, -EINVAL,
                        "expected a signal that ends a process, such as SIGTERM or SIGINT, found '%s'",
                        value);
        *ret = found;
        return 0;
}

int value_parse_size(const char *value, uint64_t *ret, Fault *reterr) {
        static const char suffixes[] = "KMGT";
        cleanup_free_ char *digits = strdup(value);
        size_t n = strlen(value);
        uint64_t size, factor = 1;
        const char *suffix;

        if (!digits)
                return -ENOMEM;
        if (str_eq(value, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        suffix = n > 0 ? strchr(suffixes, value[n - 1]) : NULL;
        if (suffix) {
                factor = (uint64_t) 1 << (10 * (suffix - suffixes + 1));
                digits[n - 1] = 0;
        }
        if (parse_u64(digits, &size) < 0 || __builtin_mul_overflow(size, factor, &size))
                return fault_set(reterr, -EINVAL,
                                 "expected a number such as 4096, 64K, 2G or infinity, found '%s'", value);
        *ret = size;
        return 0;
}

/* Every part between slashes is a name: not empty, not "." and not "..". */
static bool parts_are_names(const char *path) {
        for (;;) {
                size_t n = strcspn(path, "/");

                if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                if (!path[n])
                        return true;
                path += n + 1;
        }
}

int value_check_path(const char *value, Fault *reterr) {
        if (value[0] == '/' && parts_are_names(value + 1))
                return 0;
        return fault_set(reterr, -EINVAL, "expected an absolute path without '..', '.' or '//', found '%s'",
                         value);
}

int value_check_relative_path(const char *value, Fault *reterr) {
        if (value[0] != '/' && parts_are_names(value))
                return 0;
        return fault_set(reterr, -EINVAL, "expected a relative path without '..', '.' or '//', found '%s'",
                         value);
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool authority_is_valid(const char *authority) {
        bool v6 = authority[0] == '[';
        const char *host = authority + v6, *rest;
        size_t n = strspn(host, v6 ? DIGIT "abcdefABCDEF:." : LOWER UPPER DIGIT ".-_");
        uint64_t port;

        rest = host + n;
        if (n == 0 || (v6 && *rest++ != ']'))
                return false;
        if (!*rest)
                return true;
        return *rest == ':' && parse_u64(rest + 1, &port) >= 0 && port >= 1 && port <= 65535;
}

int value_check_url(const char *value, Fault *reterr) {
        const char *host = str_starts(value, "http://")    ? value + 7
                           : str_starts(value, "https://") ? value + 8
                                                           : NULL;
        cleanup_free_ char *authority = NULL;

        if (host) {
                authority = strndup(host, strcspn(host, "/?"));
                if (!authority)
                        return -ENOMEM;
                if (authority_is_valid(authority) && !strpbrk(host, " #\"\\"))
                        return 0;
        }
        return fault_set(reterr, -EINVAL, "expected http://HOST:PORT[/PATH] or https://..., found '%s'",
                         value);
}

int value_check_user(const char *value, Fault *reterr) {
        size_t n = strlen(value);

        if (n == 0 || n > 31 || !strchr(LOWER UPPER "_", value[0]) ||
            strspn(value, LOWER UPPER DIGIT "_-") != n)
                return fault_set(reterr, -EINVAL,
                                 "expected a user name: a letter or '_', then letters, digits, '_' or '-', "
                                 "at most 31, "
                                 "found '%s'",
                                 value);
        if (str_eq(value, "root") || str_eq(value, "nobody") || strncasecmp(value, "muster", 6) == 0)
                return fault_set(
                        reterr, -EINVAL,
                        "'%s' must not run a node: expected a user of the node's own, such as validator-1",
                        value);
        return 0;
}

int value_check_unit(const char *value, Fault *reterr) {
        static const char *const own[] = { "muster", "validator@" };
        size_t n = strlen(value);

        if (n <= strlen(".service") || n > 255 || !str_ends(value, ".service") || value[0] == '@' ||
            value[0] == '.' || strspn(value, LOWER UPPER DIGIT ":-_.\\@") != n ||
            str_ends(value, "@.service"))
                return fault_set(reterr, -EINVAL,
                                 "expected the name of a service such as kcnd.service, found '%s'", value);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (str_starts(value, own[i]))
                        return fault_set(reterr, -EINVAL,
                                         "'%s' is a unit of muster's own: expected the existing service "
                                         "that runs the "
                                         "node, or no key 'unit' for a node that muster runs",
                                         value);
        return 0;
}

static const char *const capability_names[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

int value_check_capability(const char *value, Fault *reterr) {
        for (size_t i = 0; i < ELEMENTSOF(capability_names); i++)
                if (str_eq(capability_names[i], value))
                        return 0;
        return fault_set(reterr, -EINVAL,
                         "expected a capability such as CAP_NET_BIND_SERVICE or CAP_IPC_LOCK, found '%s'",
                         value);
}

int value_check_environment(const char *value, Fault *reterr) {
        size_t n = strspn(value, LOWER UPPER DIGIT "_");

        if (n == 0 || value[n] != '=' || isdigit((unsigned char) value[0]))
                return fault_set(reterr, -EINVAL, "expected KEY=VALUE, found '%s'", value);
        if (str_starts(value, "MUSTER_"))
                return fault_set(reterr, -EINVAL,
                                 "'%.*s' is not for nodes: names that begin with MUSTER_ are muster's",
                                 (int) n, value);
        if (str_starts(value, "LD_"))
                return fault_set(
                        reterr, -EINVAL,
                        "'%.*s' would make the loader run code that was not staged: put libraries into the "
                        "release, or link the binary so that it finds them",
                        (int) n, value);
        return 0;
}

int value_check_pattern(const char *value, Fault *reterr) {
        if (value[0] != '/' && parts_are_names(value) && !strchr(value, ':'))
                return 0;
        return fault_set(
                reterr, -EINVAL,
                "expected a file or pattern below the data directory, without '..' and ':', found '%s'",
                value);
}
