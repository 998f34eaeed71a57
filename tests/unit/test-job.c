/* A job as operators and scripts see it, and as the journal gets it. */
#include "tests/unit/cmocka-all.h"
#include "upgrade/job.h"
#include "util/text.h"

static Caller root = { .uid = 0,
                       .session = (char *) "c2",
                       .command = (char *) "musterctl upgrade a 2 --now",
                       .why = (char *) "security fix" };
static Caller nobody = { .uid = UID_NOBODY_KNOWN };

static UpgradeJob *job(JobKind kind, const char *from, UpgradeState state, const Caller *by) {
        UpgradeJob *j = NULL;

        assert_int_equal(upgrade_job_new("kcn-1", kind, "1.7.1", from, state, by, &j), 0);
        assert_non_null(j);
        return j;
}

static void kinds_have_names_that_round_trip(void **state) {
        static const char *const names[] = { "stage",    "upgrade", "rollback",
                                             "rehearse", "restore", "snapshot" };

        assert_int_equal(ELEMENTSOF(names), _JOB_KIND_MAX);
        for (JobKind k = 0; k < _JOB_KIND_MAX; k++) {
                assert_string_equal(job_kind_to_string(k), names[k]);
                assert_int_equal(job_kind_from_string(names[k]), k);
        }
        assert_null(job_kind_to_string(_JOB_KIND_MAX));
        assert_int_equal(job_kind_from_string("Upgrade"), _JOB_KIND_MAX);
        assert_int_equal(job_kind_from_string(NULL), _JOB_KIND_MAX);
}

static void ids_are_16_hex_digits_and_no_two_are_equal(void **state) {
        char ids[64][17];

        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                cleanup_(upgrade_job_freep) UpgradeJob *j = job(JOB_STAGE, NULL, UPGRADE_FETCHING, &nobody);

                memcpy(ids[i], j->id, sizeof ids[i]);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 16);
                assert_int_equal(strlen(ids[i]), 16);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(ids[k], ids[i]);
        }
}

/* The caller's D-Bus message is gone long before the job is. */
static void a_job_owns_what_it_was_made_of(void **state) {
        char node[] = "kcn-1", version[] = "1.7.1", from[] = "1.7.0", session[] = "c2", command[] = "x",
             why[] = "y";
        Caller by = { .uid = 1000, .session = session, .command = command, .why = why };
        cleanup_(upgrade_job_freep) UpgradeJob *j = NULL;

        assert_int_equal(upgrade_job_new(node, JOB_UPGRADE, version, from, UPGRADE_STAGED, &by, &j), 0);
        memset(node, '#', 5);
        memset(version, '#', 5);
        memset(from, '#', 5);
        session[0] = command[0] = why[0] = '#';
        assert_string_equal(j->node, "kcn-1");
        assert_string_equal(j->version, "1.7.1");
        assert_string_equal(j->from, "1.7.0");
        assert_int_equal(j->by.uid, 1000);
        assert_string_equal(j->by.session, "c2");
        assert_string_equal(j->by.command, "x");
        assert_string_equal(j->by.why, "y");
        assert_int_equal(j->downtime_usec, -1);
        assert_true(json_is_object(j->facts));
        assert_true(j->created_usec > 0 && j->created_usec == j->since_usec);
}

static void a_staging_and_a_snapshot_rest_at_staged_and_a_rehearsal_when_it_was_rehearsed(void **state) {
        for (JobKind k = 0; k < _JOB_KIND_MAX; k++)
                for (UpgradeState s = _UPGRADE_NONE + 1; s < _UPGRADE_STATE_MAX; s++)
                        for (int rehearsed = 0; rehearsed < 2; rehearsed++) {
                                cleanup_(upgrade_job_freep) UpgradeJob *j = job(k, NULL, s, &nobody);
                                bool over = upgrade_state_is_end(s);

                                assert_int_equal(json_put_bool(j->facts, "rehearsed", rehearsed), 0);
                                if (s == UPGRADE_STAGED && (k == JOB_STAGE || k == JOB_SNAPSHOT ||
                                                            (k == JOB_REHEARSE && rehearsed)))
                                        over = true;
                                assert_int_equal(upgrade_job_is_over(j), over);
                        }
}

static void assert_member(const json_t *j, const char *key, const char *text) {
        const json_t *member = json_object_get(j, key);

        if (!member)
                fail_msg("no member \"%s\"", key);
        if (!text)
                assert_true(json_is_null(member));
        else if (!str_eq(json_string_value(member), text))
                fail_msg("\"%s\" is '%s', expected '%s'", key, json_string_value(member), text);
}

static void describe_shows_every_member_of_the_contract(void **state) {
        static const char *const keys[] = { "id",      "kind",     "version",       "from",
                                            "state",   "reason",   "since_usec",    "created_usec",
                                            "trigger", "progress", "uid",           "session",
                                            "command", "why",      "downtime_usec", "over" };
        cleanup_(upgrade_job_freep) UpgradeJob *j = job(JOB_UPGRADE, "1.7.0", UPGRADE_PROBATION, &root);
        cleanup_json_ json_t *json = NULL;

        assert_int_equal(str_replace(&j->reason, "the node runs"), 0);
        assert_int_equal(json_put_str(j->facts, "trigger", "height:17"), 0);
        j->downtime_usec = 1500000;
        assert_int_equal(upgrade_job_to_json(j, "40% copying", &json), 0);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                assert_non_null(json_object_get(json, keys[i]));
        assert_int_equal(json_object_size(json), ELEMENTSOF(keys));
        assert_member(json, "id", j->id);
        assert_member(json, "kind", "upgrade");
        assert_member(json, "version", "1.7.1");
        assert_member(json, "from", "1.7.0");
        assert_member(json, "state", "probation");
        assert_member(json, "reason", "the node runs");
        assert_member(json, "trigger", "height:17");
        assert_member(json, "progress", "40% copying");
        assert_member(json, "session", "c2");
        assert_member(json, "command", root.command);
        assert_member(json, "why", "security fix");
        assert_int_equal(json_integer_value(json_object_get(json, "uid")), 0);
        assert_int_equal(json_integer_value(json_object_get(json, "downtime_usec")), 1500000);
        assert_int_equal(json_integer_value(json_object_get(json, "since_usec")), j->since_usec);
}

static void a_restore_shows_its_source_and_that_it_is_paused(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *j = job(JOB_RESTORE, "1.7.1", UPGRADE_FETCHING, &root);
        cleanup_json_ json_t *json = NULL, *paused = NULL;

        assert_int_equal(upgrade_job_to_json(j, NULL, &json), 0);
        assert_member(json, "kind", "restore");
        assert_member(json, "source", NULL);
        assert_true(json_is_false(json_object_get(json, "paused")));
        assert_int_equal(json_put_str(j->facts, "source", "pruned.tar.zst"), 0);
        assert_int_equal(json_put_bool(j->facts, "paused", true), 0);
        assert_int_equal(upgrade_job_to_json(j, NULL, &paused), 0);
        assert_member(paused, "source", "pruned.tar.zst");
        assert_true(json_is_true(json_object_get(paused, "paused")));
}

/* Unknown is unknown: null, not 0 and not root. */
static void what_is_not_known_is_null(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *j = job(JOB_UPGRADE, NULL, UPGRADE_STAGED, &nobody);
        cleanup_json_ json_t *json = NULL;

        assert_int_equal(upgrade_job_to_json(j, NULL, &json), 0);
        assert_member(json, "from", NULL);
        assert_member(json, "progress", NULL);
        assert_member(json, "uid", NULL);
        assert_member(json, "downtime_usec", NULL);
        assert_member(json, "reason", "");
        assert_member(json, "trigger", "now");
}

/* One odd file name in a reason must not make the node's description impossible. */
static void a_reason_that_is_not_utf8_can_still_be_shown(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *j = job(JOB_UPGRADE, NULL, UPGRADE_ABORTED, &nobody);
        cleanup_json_ json_t *json = NULL;

        assert_int_equal(str_replace(&j->reason, "the link names '\xff\xc3'"), 0);
        assert_int_equal(upgrade_job_to_json(j, "\xe2\x28", &json), 0);
        assert_member(json, "reason", "the link names '?\?'");
        assert_member(json, "progress", "?(");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(kinds_have_names_that_round_trip),
                cmocka_unit_test(ids_are_16_hex_digits_and_no_two_are_equal),
                cmocka_unit_test(a_job_owns_what_it_was_made_of),
                cmocka_unit_test(
                        a_staging_and_a_snapshot_rest_at_staged_and_a_rehearsal_when_it_was_rehearsed),
                cmocka_unit_test(a_restore_shows_its_source_and_that_it_is_paused),
                cmocka_unit_test(describe_shows_every_member_of_the_contract),
                cmocka_unit_test(what_is_not_known_is_null),
                cmocka_unit_test(a_reason_that_is_not_utf8_can_still_be_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
