#include "util/fault.h"
#include "util/text.h"

#include <stdarg.h>
#include <string.h>

static void fault_take(Fault *reterr, char *text) {
        free(reterr->text);
        reterr->text = text;
}

int fault_set(Fault *reterr, int r, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        if (!reterr)
                return r;
        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        fault_take(reterr, text);
        return r;
}

int fault_errno(Fault *reterr, int r, const char *format, ...) {
        cleanup_free_ char *what = NULL;
        va_list ap;

        if (!reterr)
                return r;
        va_start(ap, format);
        what = str_vformat(format, ap);
        va_end(ap);
        return fault_set(reterr, r, "%s: %s", what ?: "failed", strerror(abs(r)));
}

int fault_prefix(Fault *reterr, int r, const char *format, ...) {
        cleanup_free_ char *what = NULL, *inner = NULL;
        va_list ap;

        if (!reterr)
                return r;
        va_start(ap, format);
        what = str_vformat(format, ap);
        va_end(ap);
        inner = TAKE_PTR(reterr->text);
        return fault_set(reterr, r, "%s: %s", what ?: "failed", inner ?: strerror(abs(r)));
}

const char *fault_text(const Fault *fault, int r) {
        if (fault && fault->text)
                return fault->text;
        return strerror(abs(r));
}

void fault_done(Fault *fault) {
        free(fault->text);
        fault->text = NULL;
}
