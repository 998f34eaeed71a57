#include "tests/unit/scratch.h"
#include "util/directory.h"

static bool is_there(const Scratch *s, const char *name) {
        return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_tree_goes_whole_and_what_its_links_name_stays(void **state) {
        Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };

        assert_return_code(mkdirat(s->fd, "kept", 0755), errno);
        put_text(s->fd, "kept/file", "kept");
        assert_return_code(mkdirat(s->fd, "tree", 0755), errno);
        assert_return_code(mkdirat(s->fd, "tree/closed", 0755), errno);
        put_text(s->fd, "tree/closed/file", "gone");
        assert_return_code(symlinkat("../kept", s->fd, "tree/link"), errno);
        assert_return_code(symlinkat("kept", s->fd, "top"), errno);
        assert_return_code(fchmodat(s->fd, "tree/closed", 0000, 0), errno);
        assert_int_equal(tree_remove(s->fd, "tree", &fault), 0);
        assert_int_equal(tree_remove(s->fd, "top", &fault), 0);
        assert_false(is_there(s, "tree"));
        assert_false(is_there(s, "top"));
        assert_true(is_there(s, "kept/file"));
        assert_int_equal(tree_remove(s->fd, "tree", &fault), 0);
}

static void a_tree_that_is_too_deep_is_refused_and_not_followed_for_ever(void **state) {
        Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };
        int at = dup(s->fd), below;

        for (int i = 0; i < TREE_DEPTH_MAX + 3; i++) {
                assert_return_code(mkdirat(at, "d", 0755), errno);
                below = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_return_code(below, errno);
                close(at);
                at = below;
        }
        close(at);
        assert_int_equal(tree_remove(s->fd, "d", &fault), -ELOOP);
        assert_says(&fault, "deeper than 128");
        assert_return_code(renameat(s->fd, "d/d/d/d", s->fd, "rest"),
                           errno); /* for the scratch's own removal */
}

static void every_entry_is_listed_but_the_two_dots(void **state) {
        Scratch *s = *state;
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        unsigned seen = 0;

        put_text(s->fd, "..a", "");
        put_text(s->fd, ".b", "");
        assert_int_equal(directory_list(s->fd, &dir), 0);
        while (directory_next(dir, &entry) >= 0 && entry) {
                assert_true(str_eq(entry->d_name, "..a") || str_eq(entry->d_name, ".b"));
                seen++;
        }
        assert_int_equal(seen, 2);
}

static void nothing_is_opened_through_a_link_or_above(void **state) {
        Scratch *s = *state;
        cleanup_fd_ int fd = -1;

        assert_return_code(mkdirat(s->fd, "a", 0755), errno);
        put_text(s->fd, "a/file", "x");
        assert_return_code(symlinkat("a", s->fd, "link"), errno);
        assert_return_code(symlinkat("file", s->fd, "a/last"), errno);
        fd = open_beneath(s->fd, "a/file", O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(open_beneath(s->fd, "link/file", O_RDONLY), -ELOOP);
        assert_int_equal(open_beneath(s->fd, "a/last", O_RDONLY), -ELOOP);
        assert_int_equal(open_beneath(s->fd, "a/file/x", O_RDONLY), -ENOTDIR);
        assert_int_equal(open_beneath(s->fd, "../x", O_RDONLY), -EINVAL);
        assert_int_equal(open_beneath(s->fd, "a/../a/file", O_RDONLY), -EINVAL);
        assert_int_equal(open_beneath(s->fd, "/etc/passwd", O_RDONLY), -EINVAL);
        assert_int_equal(open_beneath(s->fd, "", O_RDONLY), -EINVAL);
}

#define with_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                with_scratch(a_tree_goes_whole_and_what_its_links_name_stays),
                with_scratch(a_tree_that_is_too_deep_is_refused_and_not_followed_for_ever),
                with_scratch(every_entry_is_listed_but_the_two_dots),
                with_scratch(nothing_is_opened_through_a_link_or_above),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
