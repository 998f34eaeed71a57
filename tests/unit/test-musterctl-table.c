#include "tests/unit/cmocka-all.h"

#include <locale.h>

#include "musterctl/table.h"
#include "util/text.h"

static const TableColumn columns[] = {
        { .title = "", .least = 1, .tight = true },
        { .title = "NAME", .least = 6 },
        { .title = "HEIGHT", .least = 6, .right = true },
        { .title = "JOB", .least = 8 },
};

static char *drawn(const Screen *screen) {
        static const char *const cells[] = {
                "*", "kcn1", "178123456", NULL, "*", "a-long-name", NULL, "probation 42%: upgrade 1.7.1"
        };
        cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        char *text = NULL;
        size_t size;
        FILE *f;

        assert_non_null(t);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                assert_int_equal(table_add(t, cells[i], i % 4 == 0 ? TONE_GOOD : TONE_PLAIN), 0);
        f = open_memstream(&text, &size);
        assert_non_null(f);
        table_put(f, screen, t);
        assert_int_equal(fclose(f), 0);
        return text;
}

static char *put(const Screen *screen, const char *text, unsigned max) {
        char *result = NULL;
        size_t size;
        FILE *f = open_memstream(&result, &size);
        unsigned width;

        assert_non_null(f);
        width = text_put(f, screen, text, max);
        assert_int_equal(fclose(f), 0);
        if (max > 0)
                assert_true(width <= max);
        assert_int_equal(text_width(screen, result), width);
        return result;
}

static void assert_put(const Screen *screen, const char *text, unsigned max, const char *expected) {
        cleanup_free_ char *result = put(screen, text, max);

        assert_string_equal(result, expected);
}

static void a_pipe_gets_every_cell_whole(void **state) {
        cleanup_free_ char *text = drawn(&(Screen){});

        assert_string_equal(text, "  NAME            HEIGHT  JOB\n"
                                  "* kcn1         178123456  -\n"
                                  "* a-long-name          -  probation 42%: upgrade 1.7.1\n");
}

static void a_row_is_one_line_at_any_width(void **state) {
        for (unsigned width = 1; width < 80; width++) {
                Screen screen = { .width = width, .utf8 = true };
                cleanup_free_ char *text = drawn(&screen);
                unsigned lines = 0;

                for (char *rest = text, *line; (line = strsep(&rest, "\n")) && (*line || rest);) {
                        lines++;
                        assert_true(text_width(&screen, line) <= width);
                        assert_false(str_ends(line, " ") && line[1]);
                }
                assert_int_equal(lines, 3);
        }
}

static void the_widest_column_is_cut_first(void **state) {
        cleanup_free_ char *text = drawn(&(Screen){ .width = 44, .utf8 = true });

        assert_string_equal(text, "  NAME            HEIGHT  JOB\n"
                                  "* kcn1         178123456  -\n"
                                  "* a-long-name          -  probation 42%: up\u2026\n");
}

static void color_takes_no_room(void **state) {
        cleanup_free_ char *text = drawn(&(Screen){ .color = true });

        assert_non_null(strstr(text, "\033[0;1;32m*\033[0m kcn1         178123456  -\n"));
}

/* A client's version string is somebody else's: it must not drive the operator's terminal. */
static void no_control_character_reaches_the_terminal(void **state) {
        Screen utf8 = { .utf8 = true }, ascii = {};

        assert_put(&utf8,
                   "a\033[31mb\nc\td\x7f"
                   "e",
                   0, "a?[31mb c d?e");
        assert_put(&utf8, "x\u202ey\u200bz\ufeff", 0, "x?y?z?"); /* turns or hides text */
        assert_put(&utf8,
                   "\xc2\x9b"
                   "31m",
                   0, "?31m"); /* CSI in one character */
        assert_put(&utf8, "\xc0\xaf \xed\xa0\x80 \xff \xe2\x82", 0, "?? ??? ? ??"); /* no UTF-8 */
        assert_put(&ascii, "caf\u00e9 \u2192", 0, "caf? ?");
}

static void text_is_cut_by_columns_not_bytes(void **state) {
        Screen utf8 = { .utf8 = true }, ascii = {};

        assert_put(&utf8, "h\u00e9ight", 6, "h\u00e9ight");
        assert_put(&utf8, "h\u00e9ights", 6, "h\u00e9igh\u2026");
        assert_put(&utf8, "\u691c\u8a3c\u4eba", 5, "\u691c\u8a3c\u2026"); /* two columns each */
        assert_put(&utf8, "\u691c\u8a3c\u4eba", 4, "\u691c\u2026");       /* the second does not fit */
        assert_put(&ascii, "validator", 6, "val...");
        assert_put(&ascii, "validator", 2, "..");
        assert_put(&utf8, "validator", 1, "\u2026");
}

/* What to do stands at the end of a reason: cutting it off would hide that. */
static void long_text_is_wrapped_at_blanks_and_loses_no_word(void **state) {
        static const struct {
                const char *text;
                unsigned width;
                const char *expected;
        } cases[] = {
                { "one two three", 0, "one two three" },
                { "one two three", 13, "one two three" },
                { "one two three", 8, "one two\n  three" },
                { "one two three", 7, "one two\n  three" },
                { "one two three", 5, "one\n  two\n  three" },
                { "a/very/long/word b", 6, "a/very\n  /long/\n  word b" },
                { "x", 1, "x" },
        };
        const Screen screen = { .utf8 = true };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_free_ char *result = NULL;
                size_t size;
                FILE *f = open_memstream(&result, &size);

                assert_non_null(f);
                text_put_wrapped(f, &screen, cases[i].text, cases[i].width, 2);
                assert_int_equal(fclose(f), 0);
                assert_string_equal(result, cases[i].expected);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_pipe_gets_every_cell_whole),
                cmocka_unit_test(a_row_is_one_line_at_any_width),
                cmocka_unit_test(the_widest_column_is_cut_first),
                cmocka_unit_test(color_takes_no_room),
                cmocka_unit_test(no_control_character_reaches_the_terminal),
                cmocka_unit_test(text_is_cut_by_columns_not_bytes),
                cmocka_unit_test(long_text_is_wrapped_at_blanks_and_loses_no_word),
        };

        if (!setlocale(LC_ALL, "C.UTF-8")) /* the width of characters */
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
