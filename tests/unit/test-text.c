#include "tests/unit/cmocka-all.h"
#include "util/hex.h"
#include "util/name.h"
#include "util/text.h"

static void a_duration_adds_its_terms(void **state) {
        uint64_t usec;

        assert_int_equal(parse_duration("1h 30min", &usec), 0);
        assert_int_equal(usec, 5400 * USEC_PER_SEC);
        assert_int_equal(parse_duration("90", &usec), 0);
        assert_int_equal(usec, 90 * USEC_PER_SEC);
        assert_int_equal(parse_duration("250ms", &usec), 0);
        assert_int_equal(usec, 250 * USEC_PER_MSEC);
        assert_int_equal(parse_duration("1.5s", &usec), 0);
        assert_int_equal(usec, 1500 * USEC_PER_MSEC);
        assert_int_equal(parse_duration("infinity", &usec), 0);
        assert_true(usec == UINT64_MAX);
}

static void a_duration_that_is_none_is_refused(void **state) {
        static const char *const bad[] = { "",      "s",    "-1s", "5 parsecs", "1h30", "1 2",
                                           "1.2.3", "1h -", "0x5", "5m" /* minutes or months? say min */ };
        uint64_t usec = 7;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse_duration(bad[i], &usec) != -EINVAL)
                        fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(parse_duration("99999999999999999999s", &usec), -ERANGE);
        assert_int_equal(usec, 7);
}

static void numbers_are_strict(void **state) {
        uint64_t n;

        assert_int_equal(parse_u64("18446744073709551615", &n), 0);
        assert_int_equal(parse_u64("18446744073709551616", &n), -ERANGE);
        assert_int_equal(parse_u64("007", &n), -EINVAL);
        assert_int_equal(parse_u64("+7", &n), -EINVAL);
        assert_int_equal(parse_u64("", &n), -EINVAL);
        assert_int_equal(parse_hex_quantity("0x1f", &n), 0);
        assert_int_equal(n, 31);
        assert_int_equal(parse_hex_quantity("0x", &n), -EINVAL);
        assert_int_equal(parse_hex_quantity("31", &n), -EINVAL);
}

static void names_stay_inside_their_directory(void **state) {
        assert_true(name_is_valid("kcn-1"));
        assert_false(name_is_valid("../kcn"));
        assert_false(name_is_valid(".kcn"));
        assert_false(name_is_valid("a/b"));
        assert_false(name_is_valid(""));
        assert_false(name_is_valid("a+b"));
        assert_true(version_is_valid("1.7.1+decree4"));
        assert_false(version_is_valid("1.7.1\n"));
}

static void hex_digits_come_back_and_nothing_else_is_taken(void **state) {
        static const char *const none[] = { "", "00ff7", "00ff7f00", "00FF7F", "00fg7f", " 0ff7f", NULL };
        const unsigned char bytes[3] = { 0x00, 0xff, 0x7f };
        unsigned char back[3] = { 1, 1, 1 };
        char text[7];

        assert_string_equal(hex_encode(bytes, sizeof bytes, text), "00ff7f");
        assert_int_equal(hex_decode(text, back, sizeof back), 0);
        assert_memory_equal(back, bytes, sizeof bytes);
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(hex_decode(none[i], back, sizeof back), -EBADMSG);
        assert_memory_equal(back, bytes, sizeof bytes);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_duration_adds_its_terms),
                cmocka_unit_test(a_duration_that_is_none_is_refused),
                cmocka_unit_test(numbers_are_strict),
                cmocka_unit_test(hex_digits_come_back_and_nothing_else_is_taken),
                cmocka_unit_test(names_stay_inside_their_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
