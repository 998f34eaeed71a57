/*
 * The trees of a restore job on whatever is mounted (snapshot/incoming.h):
 *
 *     exchanger STATE prepare|arrive|exchange|back|drop|half|place|guard
 *
 * STATE is a node's state directory of the family cometbft, its data is STATE/data,
 * the job is JOB. `arrive` marks what lies in the incoming tree as complete; `half`
 * exits with 3 where the node must not start. Prints what happened.
 */
#include "chain/family.h"
#include "snapshot/incoming.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>

#define JOB "restore-1"

static int arrive(const Incoming *in, Fault *fault) {
        cleanup_fd_ int fd = -1;
        bool complete;
        int r;

        r = incoming_open(in, &fd, &complete, fault);
        if (r >= 0 && syncfs(fd) < 0)
                r = -errno;
        return r < 0 ? r : incoming_complete(in, fd, NULL, fault);
}

static int exchange(const Incoming *in, bool back, Fault *fault) {
        ExchangeReport report = { 0 };
        bool never = false;
        int r;

        r = back ? incoming_exchange_back(in, &report, &never, fault)
                 : incoming_exchange(in, &report, fault);
        if (r == 0)
                printf("%s%s %" PRIi64 "\n", exchange_way_to_string(report.way),
                       never            ? " never"
                       : report.already ? " already"
                                        : "",
                       report.position.height);
        return r;
}

static int guard(const GuardSubject *subject, Fault *fault) {
        GuardReport report;
        int r = guard_check(subject, &report, fault);

        if (r == 0)
                printf("%" PRIi64 "\n", report.position.height);
        return r;
}

static int obey(const Incoming *in, const char *verb, Fault *fault) {
        if (str_eq(verb, "prepare"))
                return incoming_prepare(in, fault);
        if (str_eq(verb, "arrive"))
                return arrive(in, fault);
        if (str_eq(verb, "exchange") || str_eq(verb, "back"))
                return exchange(in, str_eq(verb, "back"), fault);
        if (str_eq(verb, "drop"))
                return incoming_drop(in, fault);
        if (str_eq(verb, "guard"))
                return guard(in->subject, fault);
        if (str_eq(verb, "half")) {
                int r = exchange_is_half_done(in->subject->state_dirfd, in->data_name);

                if (r > 0)
                        exit(3);
                return r;
        }
        if (str_eq(verb, "place")) {
                cleanup_free_ char *name = incoming_name(in);

                return name && puts(name) >= 0 ? 0 : -ENOMEM;
        }
        return fault_set(fault, -EINVAL, "no such verb: %s", verb);
}

int main(int argc, char **argv) {
        cleanup_free_ char *data = NULL, *node = NULL;
        cleanup_fd_ int node_fd = -1, state_fd = -1;
        cleanup_fault_ Fault fault = { 0 };
        GuardSubject subject = { .node = "n1", .domain = "test-1", .role = "active", .signer = "local" };
        Incoming in = { .job = JOB, .subject = &subject };
        int r;

        if (argc != 3 || asprintf(&data, "%s/data", argv[1]) < 0 || asprintf(&node, "%s/..", argv[1]) < 0)
                return 2;
        node_fd = open(node, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        state_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (node_fd < 0 || state_fd < 0) {
                perror(argv[1]);
                return 1;
        }
        in.state = argv[1];
        subject.data = data;
        subject.node_dirfd = node_fd;
        subject.state_dirfd = state_fd;
        chain_family_subject(chain_family_by_name("cometbft"), &subject);
        r = exchange_place(data, argv[1], state_fd, &in.data_name, &in.inside, &fault);
        if (r >= 0)
                r = obey(&in, argv[2], &fault);
        if (r == 0)
                return 0;
        fprintf(stderr, "%s: %s\n", argv[2], fault_text(&fault, r));
        return r > 0 ? 6 : 1;
}
