#include "util/resident.h"

#include "cmocka-all.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relocated at start, then made read-only: lost if the wrong pages were dropped. */
static int (*const functions[])(int) = { toupper, tolower, abs };
static char written[8192] = "before";

/* KiB of executable file mappings that are resident. */
static unsigned long resident_code(void) {
        FILE *f = fopen("/proc/self/smaps", "re");
        unsigned long sum = 0, kib;
        bool code = false;
        char line[4200];

        assert_non_null(f);
        while (fgets(line, sizeof line, f)) {
                if (strstr(line, " r-xp ") || strstr(line, " rw-p ") || strstr(line, " r--p ") ||
                    strstr(line, " ---p "))
                        code = strstr(line, " r-xp ") && strchr(line, '/');
                else if (code && sscanf(line, "Rss: %lu kB", &kib) == 1)
                        sum += kib;
        }
        fclose(f);
        return sum;
}

static void mapped_code_is_given_back_and_comes_again(void **state) {
        unsigned long before = resident_code(), after;

        resident_give_back();
        after = resident_code();
        assert_true(before > 0);
        assert_true(after < before);
        assert_int_equal(functions[0]('a'), 'A');
}

static void nothing_that_was_written_is_lost(void **state) {
        char *heap = strdup("on the heap");

        assert_non_null(heap);
        strcpy(written, "after");
        resident_give_back();
        assert_string_equal(written, "after");
        assert_string_equal(heap, "on the heap");
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
                assert_int_equal(functions[i](' '), ' ');
        free(heap);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mapped_code_is_given_back_and_comes_again),
                cmocka_unit_test(nothing_that_was_written_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
