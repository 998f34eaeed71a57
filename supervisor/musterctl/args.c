/*
 * Options may stand before and after operands. Not getopt_long(): its
 * abbreviations make a new option break an old runbook, and its messages do
 * not say where help is.
 */
#include "musterctl/args.h"

#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "muster-build.h"
#include "util/text.h"

static bool help, version;

static const ArgOption common[] = {
        { "json", 0, ARG_FLAG, NULL, "print one JSON document", &settings.json },
        { "no-color", 0, ARG_FLAG, NULL, "no colours (as NO_COLOR=1)", &settings.no_color },
        { "no-pager", 0, ARG_FLAG, NULL, "do not page long output", &settings.no_pager },
        { "yes", 'y', ARG_FLAG, NULL, "do not ask", &settings.yes },
        { "reason", 0, ARG_TEXT, "TEXT", "why, for the record", &settings.reason },
        { "help", 'h', ARG_FLAG, NULL, "print this help", &help },
        { "version", 'V', ARG_FLAG, NULL, "print the version of musterctl", &version },
};

static const ArgOption *find_in(const ArgOption *options, size_t n, const char *name, size_t length,
                                char letter) {
        for (size_t i = 0; i < n; i++)
                if (letter ? options[i].letter == letter
                           : strlen(options[i].name) == length &&
                                     strncmp(options[i].name, name, length) == 0)
                        return &options[i];
        return NULL;
}

static const ArgOption *find(const ArgSpec *spec, const char *name, size_t length, char letter) {
        return find_in(spec->options, spec->n_options, name, length, letter)
                       ?: find_in(common, ELEMENTSOF(common), name, length, letter);
}

static int store(const ArgOption *option, const char *value) {
        switch (option->kind) {
        case ARG_FLAG:
                *(bool *) option->target = true;
                return 0;
        case ARG_TEXT:
                *(const char **) option->target = value;
                return 0;
        case ARG_LIST:
                return strv_append((char ***) option->target, value);
        }
        return -EINVAL;
}

/* One argument that begins with '-'; may take the next one as its value. 0 or CTL_USAGE. */
static int take_option(const ArgSpec *spec, char *argv[], int *i) {
        const char *arg = argv[*i], *value = NULL;
        const ArgOption *option;

        if (arg[1] == '-') {
                size_t length = strcspn(arg + 2, "=");

                option = find(spec, arg + 2, length, 0);
                if (arg[2 + length] == '=')
                        value = arg + 2 + length + 1;
        } else {
                option = find(spec, NULL, 0, arg[1]);
                if (arg[2])
                        value = arg + 2;
        }
        if (!option)
                return usage_error(spec->verb, "unknown option '%s'", arg);
        if (option->kind == ARG_FLAG && value)
                return usage_error(spec->verb, "option '%s' takes no value", arg);
        if (option->kind != ARG_FLAG && !value) {
                value = argv[*i + 1];
                if (!value)
                        return usage_error(spec->verb, "option '%s' needs a value: %s %s", arg, arg,
                                           option->value);
                (*i)++;
        }
        return store(option, value) < 0 ? CTL_FAILED : 0;
}

static void print_options(const ArgOption *options, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const ArgOption *o = &options[i];
                char left[64], letter[5] = "    ";

                if (o->letter)
                        snprintf(letter, sizeof letter, "-%c, ", o->letter);
                snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
                         o->value ?: "");
                printf("  %-24s %s\n", left, o->help);
        }
}

static void print_help(const ArgSpec *spec) {
        const Verb *verb = spec->verb ? verb_find(spec->verb) : NULL;

        if (verb)
                printf("musterctl %s %s%s[OPTION...]\n\n%s.\n\n", verb->name, verb->operands,
                       *verb->operands ? " " : "", verb->purpose);
        else {
                printf("musterctl [OPTION...] [VERB] ...\n\nSupervise validator nodes.\n\nVerbs:\n");
                for (const Verb *v = verbs; v->name; v++) {
                        char left[64];

                        snprintf(left, sizeof left, "%s %s", v->name, v->operands);
                        printf("  %-24s %s\n", left, v->purpose);
                }
                printf("\nWithout a verb: list. Each verb has its own --help.\n\n");
        }
        printf("Options:\n");
        print_options(spec->options, spec->n_options);
        print_options(common, ELEMENTSOF(common));
        if (spec->detail)
                printf("\n%s\n", spec->detail);
        printf("\nExit status: 0 ok, 1 failed, 2 usage, 3 unhealthy, 4 denied, 5 busy, 6 refused for "
               "safety\n");
}

static int check_count(const ArgSpec *spec, int n, char *const *operands) {
        const Verb *verb = spec->verb ? verb_find(spec->verb) : NULL;

        if (!verb || (n >= spec->least && (spec->most < 0 || n <= spec->most)))
                return 0;
        if (n < spec->least)
                return usage_error(spec->verb, "too few arguments: expected musterctl %s %s", verb->name,
                                   verb->operands);
        return usage_error(spec->verb, "unexpected argument '%s': expected musterctl %s%s%s",
                           operands[spec->most], verb->name, *verb->operands ? " " : "", verb->operands);
}

bool args_parse(const ArgSpec *spec, int argc, char *argv[], char ***ret_operands, int *ret_exit) {
        int n = 0, r = 0, i;

        for (i = 1; i < argc && r == 0; i++)
                if (str_eq(argv[i], "--")) {
                        i++;
                        break;
                } else if (argv[i][0] == '-' && argv[i][1])
                        r = take_option(spec, argv, &i);
                else if (!spec->verb)
                        break;
                else
                        argv[n++] = argv[i];
        for (; r == 0 && i < argc; i++)
                argv[n++] = argv[i];
        settings_ready();
        if (r == 0 && help)
                print_help(spec);
        else if (r == 0 && version)
                printf("muster %s\n", MUSTER_VERSION);
        else if (r == 0) {
                argv[n] = NULL;
                r = check_count(spec, n, argv);
                if (r == 0) {
                        *ret_operands = argv;
                        return true;
                }
        }
        *ret_exit = r;
        return false;
}
