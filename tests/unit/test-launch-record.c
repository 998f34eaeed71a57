#include "tests/unit/cmocka-all.h"
#include "unit/launch-record.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>

static char directory[] = "/tmp/muster-test-record-XXXXXX";
static int dirfd_of_test = -1;

static int set_up(void **state) {
        if (!mkdtemp(directory))
                return -1;
        dirfd_of_test = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dirfd_of_test < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        (void) unlinkat(dirfd_of_test, "launch", 0);
        (void) unlinkat(dirfd_of_test, "stopped", 0);
        close(dirfd_of_test);
        return rmdir(directory);
}

static void a_refusal_is_read_back_as_it_was_written(void **state) {
        LaunchRecord written = { .refused = true,
                                 .version = (char *) "1.7.1+decree4",
                                 .reason = (char *) "the key \"a\\b\" is missing\n",
                                 .invocation = (char *) "0123456789abcdef",
                                 .pid = 4711,
                                 .monotonic_usec = 12345,
                                 .realtime_usec = 1700000000000000 };
        cleanup_launch_record_ LaunchRecord read = { 0 };

        assert_int_equal(launch_record_write(dirfd_of_test, &written, NULL), 0);
        assert_int_equal(launch_record_read(dirfd_of_test, &read, NULL), 0);
        assert_true(read.refused);
        assert_string_equal(read.version, written.version);
        assert_string_equal(read.reason, written.reason);
        assert_string_equal(read.invocation, written.invocation);
        assert_int_equal(read.pid, 4711);
        assert_int_equal(read.monotonic_usec, 12345);
        assert_true(read.realtime_usec == written.realtime_usec);
}

/* Height 0 is a position, "none" is not height 0. */
static void a_stop_tells_no_position_from_position_zero(void **state) {
        StopRecord written = { .invocation = (char *) "a",
                               .service_result = (char *) "exit-code",
                               .exit_code = (char *) "exited",
                               .exit_status = (char *) "1",
                               .position = { 0, 0, 0 },
                               .monotonic_usec = 5 };
        cleanup_stop_record_ StopRecord zero = { 0 }, none = { 0 };

        assert_int_equal(stop_record_write(dirfd_of_test, &written, NULL), 0);
        assert_int_equal(stop_record_read(dirfd_of_test, &zero, NULL), 0);
        assert_true(zero.position.height == 0 && zero.position.step == 0);
        assert_string_equal(zero.service_result, "exit-code");
        assert_string_equal(zero.exit_status, "1");

        written.position = SIGNING_POSITION_NONE;
        assert_int_equal(stop_record_write(dirfd_of_test, &written, NULL), 0);
        assert_int_equal(stop_record_read(dirfd_of_test, &none, NULL), 0);
        assert_true(none.position.height == -1);
}

static void a_damaged_record_is_an_error_that_says_where(void **state) {
        static const char *const bad[] = {
                "{",
                "{\"result\":\"maybe\",\"pid\":1,\"monotonic_usec\":1,\"realtime_usec\":1}\n",
                "{\"result\":\"exec\",\"pid\":-1,\"monotonic_usec\":1,\"realtime_usec\":1}\n",
                "{\"result\":\"exec\",\"pid\":1,\"realtime_usec\":1}\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_launch_record_ LaunchRecord read = { .pid = 77 };
                cleanup_fault_ Fault fault = { 0 };

                assert_int_equal(durable_write(dirfd_of_test, "launch", bad[i], strlen(bad[i]), 0644), 0);
                assert_int_equal(launch_record_read(dirfd_of_test, &read, &fault), -EBADMSG);
                assert_non_null(strstr(fault.text, "launch"));
                assert_int_equal(read.pid, 77);
        }
}

static void a_stop_with_half_a_position_is_not_believed(void **state) {
        static const char bad[] = "{\"monotonic_usec\":1,\"position\":{\"height\":5,\"round\":0}}\n";
        cleanup_stop_record_ StopRecord read = { 0 };

        assert_int_equal(durable_write(dirfd_of_test, "stopped", bad, strlen(bad), 0644), 0);
        assert_int_equal(stop_record_read(dirfd_of_test, &read, NULL), -EBADMSG);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_refusal_is_read_back_as_it_was_written),
                cmocka_unit_test(a_stop_tells_no_position_from_position_zero),
                cmocka_unit_test(a_damaged_record_is_an_error_that_says_where),
                cmocka_unit_test(a_stop_with_half_a_position_is_not_believed),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
