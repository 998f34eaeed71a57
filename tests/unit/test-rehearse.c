/*
 * A rehearsal in a network namespace of its own, as the unit gives it one. The
 * release's binary is this very test, which then serves JSON-RPC on loopback.
 */
#include "tests/unit/scratch.h"
#include "restore/rehearse.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PORT 18545
#define RPC  "http://127.0.0.1:18545"
#define HEAD                                                                                                \
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"number\":\"0x2a\",\"timestamp\":\"0x1\",\"hash\":"     \
        "\"0x" ZEROS "\"}}"
#define ZEROS       "0000000000000000000000000000000000000000000000000000000000000000"
#define UNSUPPORTED 77

/* "config" of the data names the live data by its path, as a node's own configuration may. */
static bool sees_what_its_configuration_names(void) {
        char live[PATH_MAX] = "";
        int fd = open("config", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return false;
        if (read(fd, live, sizeof live - 1) <= 0)
                return true;
        close(fd);
        fd = open(live, O_RDONLY | O_CLOEXEC);
        return fd >= 0 || errno != EACCES;
}

/* What the release's binary does: "serve DATA BODY". Prints what it sees of its data. */
static int serve(const char *data, const char *body) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        char request[4096], answer[1024];

        if (chdir(data) < 0 || access("nodekey", F_OK) == 0 || sees_what_its_configuration_names())
                return 3;
        printf("block %s\n", access("block", F_OK) == 0 ? "there" : "missing");
        fflush(stdout);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 8) < 0)
                return 4;
        for (;;) {
                int connection = accept(fd, NULL, NULL);

                (void) !read(connection, request, sizeof request);
                snprintf(answer, sizeof answer,
                         "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(body), body);
                (void) !send(connection, answer, strlen(answer), MSG_NOSIGNAL);
                (void) shutdown(connection, SHUT_WR);
                while (read(connection, request, sizeof request) > 0) /* else the close is a reset */
                        ;
                close(connection);
        }
}

static int enter_network(bool loopback) {
        struct ifreq request = { .ifr_name = "lo" };
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        request.ifr_flags = loopback ? IFF_UP | IFF_RUNNING : 0;
        return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

typedef struct Case {
        const char *body; /* what the new binary answers */
        uint64_t timeout;
        bool occupied; /* another one serves there already */
        bool no_loopback;
        int r;
        const char *says; /* the fault, or the output */
} Case;

/* In a child: asserts are of no use there. 0: as expected. */
static int rehearse_case(const Scratch *s, const Case *c) {
        cleanup_rehearsal_report_ RehearsalReport report = { 0 };
        char release[96], state[96], data[96];
        Fault fault = { 0 };
        pid_t other = 0;
        Rehearsal h = { .family = chain_family_by_name("evm"),
                        .release = release,
                        .data = data,
                        .state = state,
                        .state_dirfd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                        .rpc = RPC,
                        .timeout = c->timeout };
        int r;

        snprintf(release, sizeof release, "%s/release", s->path);
        snprintf(state, sizeof state, "%s/state", s->path);
        snprintf(data, sizeof data, "%s/state/data", s->path);
        if (enter_network(!c->no_loopback) < 0)
                return UNSUPPORTED;
        if (c->occupied) {
                struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
                uint64_t deadline = now_monotonic_usec() + 5 * USEC_PER_SEC;
                int fd;

                address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                other = fork();
                if (other == 0)
                        _exit(serve("/", c->body));
                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                while (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                        if (now_monotonic_usec() > deadline)
                                return 2;
                close(fd);
        }
        r = rehearse(&h, &report, &fault);
        if (other > 0)
                (void) kill(other, SIGKILL);
        if (r != c->r || (r < 0 && !strstr(fault_text(&fault, r), c->says))) {
                fprintf(stderr, "%d: %s\n", r, fault_text(&fault, r));
                return 5;
        }
        if (r == 0 && (report.height != 42 || !str_eq(report.output, c->says) || report.rpc_after_usec == 0))
                return 6;
        return faccessat(s->fd, "state/rehearsal", F_OK, 0) == 0 ||
                               faccessat(s->fd, "state/data/nodekey", F_OK, 0) < 0
                       ? 7
                       : 0;
}

static void run_case(const Scratch *s, const Case *c) {
        char self[PATH_MAX] = { 0 }, arguments[PATH_MAX + 256];
        int status;
        pid_t pid;

        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        (void) mkdirat(s->fd, "release", 0755);
        (void) mkdirat(s->fd, "state", 0755);
        (void) mkdirat(s->fd, "state/data", 0755);
        put_text(s->fd, "state/data/block", "1");
        put_text(s->fd, "state/data/nodekey", "secret");
        snprintf(arguments, sizeof arguments, "%s/state/data/nodekey", s->path);
        put_text(s->fd, "state/data/config", arguments);
        snprintf(arguments, sizeof arguments, "#!/bin/sh\nexec '%s' \"$@\"\n", self);
        put_file(s->fd, "release/node", arguments, strlen(arguments), 0755);
        snprintf(arguments, sizeof arguments, "node\nserve\n%s/state/data\n%s\n", s->path, c->body);
        put_text(s->fd, "release/arguments", arguments);
        put_text(s->fd, "release/environment", "");
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(rehearse_case(s, c));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == UNSUPPORTED)
                skip(); /* needs root */
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_new_binary_is_asked_for_its_head_on_a_copy_without_keys(void **state) {
        run_case(*state, &(Case){ .body = HEAD, .timeout = 20 * USEC_PER_SEC, .says = "block there" });
}

static void one_that_tells_no_height_is_quoted(void **state) {
        run_case(*state,
                 &(Case){ .body = "warming up",
                          .timeout = 2 * USEC_PER_SEC,
                          .r = -ETIMEDOUT,
                          .says = "told no height, within 2s: eth_getBlockByNumber: expected a JSON-RPC "
                                  "answer, got 'warming up'" });
}

static void who_answers_before_the_beginning_is_not_taken_for_the_new_binary(void **state) {
        run_case(*state, &(Case){ .body = HEAD,
                                  .timeout = 20 * USEC_PER_SEC,
                                  .occupied = true,
                                  .r = -EADDRINUSE,
                                  .says = "Somebody answers at '" RPC "'" });
}

static void without_a_loopback_the_new_binary_is_not_blamed(void **state) {
        run_case(*state, &(Case){ .body = HEAD,
                                  .timeout = 20 * USEC_PER_SEC,
                                  .no_loopback = true,
                                  .r = -ENETDOWN,
                                  .says = "over the loopback interface, which is down" });
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_new_binary_is_asked_for_its_head_on_a_copy_without_keys,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(one_that_tells_no_height_is_quoted, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(
                        who_answers_before_the_beginning_is_not_taken_for_the_new_binary, scratch_new,
                        scratch_free),
                cmocka_unit_test_setup_teardown(without_a_loopback_the_new_binary_is_not_blamed, scratch_new,
                                                scratch_free),
        };

        if (argc == 4 && str_eq(argv[1], "serve"))
                return serve(argv[2], argv[3]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
