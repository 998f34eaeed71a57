/* JSON that others wrote, and files of it that must not be half. */
#include "tests/unit/cmocka-all.h"
#include "tests/unit/scratch.h"
#include "util/json.h"
#include "util/utf8.h"

static void assert_bad(void **state, const char *text, const char *word) {
        Scratch *s = *state;
        cleanup_fault_ Fault fault = {};
        json_t *j = NULL;

        put_text(s->fd, "bad", text);
        assert_int_equal(json_read_file(s->fd, "bad", &j, &fault), -EBADMSG);
        assert_null(j);
        assert_says(&fault, word);
}

static void a_broken_file_is_refused_with_line_and_column(void **state) {
        assert_bad(state, "", "bad:1:0: ");
        assert_bad(state, "{\"job\": \"a\",\n \"verb\"; 1}", "bad:2:8: ");
        assert_bad(state, "{\"a\": 1} {\"a\": 2}", "bad:1:");
        assert_bad(state, "{\"a\": 1, \"a\": 2}", "uplicate");
        assert_bad(state, "{\"a\": \"\xff\"}", "bad:1:");
        assert_bad(state, "7", "bad:1:"); /* neither object nor array */
}

static void a_file_cut_short_anywhere_is_refused(void **state) {
        static const char whole[] = "{\"job\":\"00ff\",\"ok\":true,\"text\":\"\xc3\xa4\",\"n\":[1,2]}";
        Scratch *s = *state;

        for (size_t n = 0; n < strlen(whole); n++) {
                cleanup_json_ json_t *j = NULL;

                put_file(s->fd, "cut", whole, n, 0644);
                assert_int_equal(json_read_file(s->fd, "cut", &j, NULL), -EBADMSG);
        }
        put_file(s->fd, "cut", whole, strlen(whole), 0644);
        cleanup_json_ json_t *j = NULL;
        assert_int_equal(json_read_file(s->fd, "cut", &j, NULL), 0);
}

static void a_file_beyond_1_mib_is_refused_and_one_of_1_mib_is_read(void **state) {
        const size_t limit = 1024 * 1024;
        cleanup_free_ char *text = malloc(limit + 1);
        cleanup_json_ json_t *j = NULL;
        cleanup_fault_ Fault fault = {};
        Scratch *s = *state;

        memset(text, ' ', limit + 1);
        memcpy(text, "{}", 2);
        put_file(s->fd, "large", text, limit, 0644);
        assert_int_equal(json_read_file(s->fd, "large", &j, &fault), 0);
        put_file(s->fd, "large", text, limit + 1, 0644);
        assert_int_equal(json_read_file(s->fd, "large", &(json_t *){ NULL }, &fault), -EBADMSG);
        assert_says(&fault, "'large' is larger than 1048576 bytes");
}

static void a_missing_file_is_named(void **state) {
        cleanup_fault_ Fault fault = {};
        json_t *j = NULL;
        Scratch *s = *state;

        assert_int_equal(json_read_file(s->fd, "result", &j, &fault), -ENOENT);
        assert_says(&fault, "Failed to read 'result': No such file");
}

static void what_was_written_is_one_line_and_reads_back(void **state) {
        cleanup_json_ json_t *j = json_pack("{s:s, s:I}", "text", "two\nlines", "n", (json_int_t) INT64_MAX);
        cleanup_json_ json_t *again = NULL;
        cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        Scratch *s = *state;

        assert_int_equal(json_write_file(s->fd, "out", j, 0640), 0);
        assert_int_equal(fstatat(s->fd, "out", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(read_small_file(s->fd, "out", 4096, &text, &size), 0);
        assert_int_equal(strlen(text), size);
        assert_ptr_equal(strchr(text, '\n'), text + size - 1);
        assert_int_equal(json_read_file(s->fd, "out", &again, NULL), 0);
        assert_true(json_equal(j, again));
}

static void members_of_another_type_are_not_taken_for_what_they_are_not(void **state) {
        cleanup_json_ json_t *j =
                json_loads("{\"s\":\"x\",\"n\":7,\"neg\":-1,\"t\":true,\"f\":false,\"z\":null,"
                           "\"r\":1.5,\"one\":\"1\"}",
                           0, NULL);
        uint64_t n = 4711;

        assert_non_null(j);
        assert_string_equal(json_str(j, "s"), "x");
        assert_null(json_str(j, "n"));
        assert_null(json_str(j, "z"));
        assert_null(json_str(j, "absent"));
        assert_null(json_str(json_object_get(j, "s"), "s")); /* no object at all */
        assert_int_equal(json_u64(j, "absent", &n), -ENOENT);
        assert_int_equal(json_u64(j, "neg", &n), -EBADMSG);
        assert_int_equal(json_u64(j, "r", &n), -EBADMSG);
        assert_int_equal(json_u64(j, "one", &n), -EBADMSG);
        assert_int_equal(n, 4711);
        assert_int_equal(json_u64(j, "n", &n), 0);
        assert_int_equal(n, 7);
        assert_true(json_bool(j, "t"));
        assert_false(json_bool(j, "f"));
        assert_false(json_bool(j, "n")); /* 7 does not mean yes */
        assert_false(json_bool(j, "one"));
        assert_false(json_bool(j, "absent"));
}

static void lists_of_strings_round_trip_and_others_are_refused(void **state) {
        cleanup_json_ json_t *j = json_loads("{\"mixed\":[\"a\",1],\"text\":\"a\",\"none\":[]}", 0, NULL);
        static char *const list[] = { (char *) "--datadir", (char *) "", (char *) "a b", NULL };
        cleanup_strv_ char **v = NULL, **empty = NULL, **absent = NULL;
        char **untouched = NULL;

        assert_int_equal(json_put_strv(j, "list", list), 0);
        assert_int_equal(json_strv(j, "list", &v), 0);
        assert_int_equal(strv_length(v), 3);
        for (size_t i = 0; i < 3; i++)
                assert_string_equal(v[i], list[i]);
        assert_int_equal(json_strv(j, "none", &empty), 0);
        assert_int_equal(strv_length(empty), 0);
        assert_int_equal(json_strv(j, "absent", &absent), 0);
        assert_non_null(absent);
        assert_int_equal(strv_length(absent), 0);
        assert_int_equal(json_strv(j, "mixed", &untouched), -EBADMSG);
        assert_int_equal(json_strv(j, "text", &untouched), -EBADMSG);
        assert_null(untouched);
}

/* A node's data may hold a file of any name; a worker that cannot tell of it would be a worker without
 * result. */
static void any_bytes_can_be_told(void **state) {
        static const char *const told[][2] = {
                { "plain", "plain" },
                { "\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x80" },
                { "a\xff/b", "a?/b" },
                { "\xc0\xaf", "?\?" },             /* overlong */
                { "\xe0\x80\xaf", "?\?\?" },       /* overlong */
                { "\xed\xa0\x80", "?\?\?" },       /* surrogate */
                { "\xf4\x90\x80\x80", "?\?\?\?" }, /* beyond U+10FFFF */
                { "\xf0\x9f\xa6", "?\?\?" },       /* cut short */
                { "\xe2\x82X", "?\?X" },
                { "", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(told); i++) {
                cleanup_json_ json_t *j = json_object();

                assert_int_equal(json_put_str(j, "text", told[i][0]), 0);
                assert_string_equal(json_str(j, "text"), told[i][1]);
        }
        cleanup_json_ json_t *nothing = json_object();
        assert_int_equal(json_put_str(nothing, "text", NULL), 0);
        assert_int_equal(json_object_size(nothing), 0);
}

static void a_number_that_json_cannot_carry_is_refused_and_an_infinite_time_is_null(void **state) {
        static const uint64_t carried[] = { 0, 1, INT64_MAX };
        cleanup_json_ json_t *j = json_object();
        uint64_t back;

        for (size_t i = 0; i < ELEMENTSOF(carried); i++) {
                assert_int_equal(json_put_u64(j, "n", carried[i]), 0);
                assert_int_equal(json_u64(j, "n", &back), 0);
                assert_true(back == carried[i]);
                assert_int_equal(json_object_set_new(j, "usec", json_usec(carried[i])), 0);
                assert_int_equal(json_read_usec(j, "usec", &back), 0);
                assert_true(back == carried[i]);
        }
        assert_int_equal(json_put_u64(j, "n", (uint64_t) INT64_MAX + 1), -ERANGE);
        assert_int_equal(json_u64(j, "n", &back), 0);
        assert_true(back == INT64_MAX);
        assert_int_equal(json_object_set_new(j, "usec", json_usec(UINT64_MAX)), 0);
        assert_true(json_is_null(json_object_get(j, "usec")));
        assert_int_equal(json_read_usec(j, "usec", &back), 0);
        assert_true(back == UINT64_MAX);
        assert_int_equal(json_read_usec(j, "nothing", &back), -ENOENT);
        assert_int_equal(json_object_set_new(j, "usec", json_integer(-1)), 0);
        assert_int_equal(json_read_usec(j, "usec", &back), -EBADMSG);
}

/* Jansson is the second opinion on every sequence of two bytes, and on all that begin with a lead byte. */
static void utf8_is_judged_as_jansson_does(void **state) {
        for (unsigned n = 0x8000; n < 0x1000000; n += n < 0x10000 ? 1 : 0x3ff) {
                char text[5] = { 0 };
                bool ours = true;

                text[0] = (char) (n >> 16 ? n >> 16 : n >> 8);
                text[1] = (char) (n >> 16 ? n >> 8 : n);
                text[2] = (char) (n >> 16 ? n : 0);
                text[3] = (char) (n >> 16 && text[2] ? 0x80 | (n & 0x3f) : 0);
                for (size_t i = 0, step; ours && i < strlen(text); i += step) {
                        step = utf8_length(text + i, strlen(text) - i);
                        ours = step > 0;
                }
                cleanup_json_ json_t *theirs = json_string(text);
                if (ours != !!theirs)
                        fail_msg("%02x %02x %02x %02x", (unsigned char) text[0], (unsigned char) text[1],
                                 (unsigned char) text[2], (unsigned char) text[3]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_broken_file_is_refused_with_line_and_column, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_file_cut_short_anywhere_is_refused, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_file_beyond_1_mib_is_refused_and_one_of_1_mib_is_read,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(a_missing_file_is_named, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(what_was_written_is_one_line_and_reads_back, scratch_new,
                                                scratch_free),
                cmocka_unit_test(members_of_another_type_are_not_taken_for_what_they_are_not),
                cmocka_unit_test(lists_of_strings_round_trip_and_others_are_refused),
                cmocka_unit_test(any_bytes_can_be_told),
                cmocka_unit_test(a_number_that_json_cannot_carry_is_refused_and_an_infinite_time_is_null),
                cmocka_unit_test(utf8_is_judged_as_jansson_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
