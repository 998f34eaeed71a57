/*
 * muster-stage NAME: the worker of muster-stage@NAME.service. Reads its order,
 * works below nodes/NAME/releases and nowhere else, writes its result. Exit 0
 * means that a result was written, good or bad; 1 that it could not.
 */
#include "muster-build.h"
#include "upgrade/release.h"
#include "util/name.h"
#include "util/text.h"
#include "worker/order.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>

static int open_releases(const char *node, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, MUSTER_STATEDIR "/nodes/%s/releases", node) < 0)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s' (`musterctl apply` makes it)", path);
        return fd;
}

static int describe(const StageOrder *o, const ReleaseResult *r, json_t *extra) {
        if (json_put_str(extra, "version", o->version) < 0 ||
            json_put_str(extra, "manifest", r->manifest) < 0 || json_put_u64(extra, "size", r->size) < 0 ||
            json_put_u64(extra, "downloaded", r->received) < 0 ||
            json_put_str(extra, "source", r->source) < 0 ||
            json_put_strv(extra, "signed_by", r->signed_by) < 0)
                return -ENOMEM;
        return 0;
}

/* "; signed by A, B", or "" where no signatures were asked for. */
static int signers_text(char *const *signed_by, char **ret) {
        char *text = strdup("");

        STRV_FOREACH (principals, signed_by) {
                char *longer = NULL;

                if (!text ||
                    asprintf(&longer, "%s%s%s", text, *text ? ", " : "; signed by ", *principals) < 0)
                        longer = NULL;
                free(text);
                text = longer;
        }
        *ret = text;
        return text ? 0 : -ENOMEM;
}

static int stage(int releases, const json_t *order, json_t *extra, char **ret_text, Fault *reterr) {
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_(stage_order_done) StageOrder o = { 0 };
        const FetchLimits limits = { 0 };
        cleanup_free_ char *signers = NULL;
        char size[SIZE_TEXT_MAX];
        int r;

        r = stage_order_parse(order, &o, reterr);
        if (r >= 0)
                r = release_stage(releases, &o, &limits, &result, reterr);
        if (r >= 0)
                r = describe(&o, &result, extra);
        if (r >= 0)
                r = signers_text(result.signed_by, &signers);
        if (r < 0)
                return r;
        r = result.already
                    ? asprintf(ret_text, "Version %s was already staged and is intact%s", o.version, signers)
                    : asprintf(ret_text, "Staged version %s from %s (%s)%s", o.version, result.source,
                               format_size(size, result.size), signers);
        return r < 0 ? -ENOMEM : 0;
}

static int discard(int releases, const json_t *order, json_t *extra, char **ret_text, Fault *reterr) {
        const char *version = json_str(order, "version");
        int r;

        r = release_discard(releases, version, reterr);
        if (r < 0)
                return r;
        if (json_put_str(extra, "version", version) < 0)
                return -ENOMEM;
        return asprintf(ret_text, "Discarded version %s", version) < 0 ? -ENOMEM : 0;
}

static int carry_out(const char *node, const json_t *order, json_t *extra, char **ret_text, Fault *reterr) {
        const char *verb = json_str(order, "verb");
        cleanup_fd_ int releases = -1;

        releases = open_releases(node, reterr);
        if (releases < 0)
                return releases;
        if (str_eq(verb, "stage"))
                return stage(releases, order, extra, ret_text, reterr);
        if (str_eq(verb, "discard"))
                return discard(releases, order, extra, ret_text, reterr);
        return fault_set(reterr, -EBADMSG, "Order verb '%s' is not known: expected stage or discard", verb);
}

static int run(const char *node, Fault *reterr) {
        cleanup_json_ json_t *order = NULL, *extra = json_object();
        cleanup_fault_ Fault why = { 0 };
        cleanup_free_ char *text = NULL;
        int r;

        if (!extra)
                return -ENOMEM;
        r = worker_order_read(WORKER_STAGE, node, &order, reterr);
        if (r < 0)
                return r;
        r = carry_out(node, order, extra, &text, &why);
        fprintf(stderr, "%s\n", r < 0 ? fault_text(&why, r) : text);
        worker_progress(true, "%s", r < 0 ? "failed" : "done");
        return worker_result_write(WORKER_STAGE, node, json_str(order, "job"), r >= 0,
                                   r < 0 ? fault_text(&why, r) : text, extra, reterr);
}

int main(int argc, char *argv[]) {
        cleanup_fault_ Fault fault = { 0 };
        int r;

        if (argc != 2 || argv[1][0] == '-') {
                fprintf(stderr, "Usage: muster-stage NODE\nThe worker of muster-stage@NODE.service: not for "
                                "use by hand.\n");
                return 2;
        }
        (void) setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives are UTF-8 */
        umask(022);
        r = name_check(argv[1], "Node name", &fault);
        if (r >= 0)
                r = run(argv[1], &fault);
        if (r >= 0)
                return EXIT_SUCCESS;
        fprintf(stderr, "%s\n", fault_text(&fault, r));
        return EXIT_FAILURE;
}
