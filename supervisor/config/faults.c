#include "config/faults.h"
#include "config/line.h"
#include "util/text.h"

#include <stdarg.h>

#define KEPT_MAX 1000 /* enough to show the first lines of any file; a file of garbage has more */

void fault_list_add(FaultList *list, unsigned line, const char *key, const char *format, ...) {
        cleanup_free_ char *what = NULL;
        ConfigFault *larger;
        va_list ap;
        char *text;

        if (list->n >= KEPT_MAX) {
                list->n_more++;
                return;
        }
        va_start(ap, format);
        what = str_vformat(format, ap);
        va_end(ap);
        if (!what ||
            asprintf(&text, "%s:%u: %s%s%s", list->path, line, key ?: "", key ? ": " : "", what) < 0) {
                list->oom = true;
                return;
        }
        text_make_line(text);
        larger = reallocarray(list->items, list->n + 1, sizeof *larger);
        if (!larger) {
                free(text);
                list->oom = true;
                return;
        }
        list->items = larger;
        list->items[list->n++] = (ConfigFault){ line, text };
}

/* By line; faults of one line stay in the order in which they were found. */
static void sort_by_line(FaultList *list) {
        for (size_t i = 1; i < list->n; i++) {
                ConfigFault item = list->items[i];
                size_t j = i;

                for (; j > 0 && list->items[j - 1].line > item.line; j--)
                        list->items[j] = list->items[j - 1];
                list->items[j] = item;
        }
}

int fault_list_report(FaultList *list, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        cleanup_fclose_ FILE *f = NULL;
        size_t size, shown = list->n < CONFIG_FAULTS_SHOWN ? list->n : CONFIG_FAULTS_SHOWN;

        if (list->oom)
                return -ENOMEM;
        if (list->n == 0)
                return 0;
        sort_by_line(list);
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < shown; i++)
                fprintf(f, "%s%s", i ? "\n" : "", list->items[i].text);
        if (list->n + list->n_more > shown)
                fprintf(f, "\n%s: and %zu more", list->path, list->n + list->n_more - shown);
        if (fflush(f) != 0)
                return -ENOMEM;
        return fault_set(reterr, -EINVAL, "%s", text);
}

void fault_list_done(FaultList *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i].text);
        free(list->items);
        *list = (FaultList){ 0 };
}
