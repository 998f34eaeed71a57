#include "bus/authorize.h"
#include "bus/objects.h"
#include "bus/reply.h"
#include "daemon/upgrade.h"
#include "upgrade/links.h"
#include "util/text.h"

#include <inttypes.h>

#define NODE_PREFIX MUSTER_BUS_PATH "/node"
#define VALUE_MAX   512

static const char node_interface[] = "org.muster1.Node";

char *node_object_path(const char *name) {
        char *path;

        return sd_bus_path_encode(NODE_PREFIX, name, &path) < 0 ? NULL : path;
}

static Node *node_of_path(BusService *service, const char *path) {
        cleanup_free_ char *name = NULL;

        if (sd_bus_path_decode(path, NODE_PREFIX, &name) <= 0)
                return NULL;
        return daemon_node(bus_service_daemon(service), name);
}

static int find_node(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                     sd_bus_error *error) {
        if (!node_of_path(userdata, path))
                return 0;
        *ret_found = userdata; /* methods find the node anew: it may be gone when polkit has answered */
        return 1;
}

static int enumerate_nodes(sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                           sd_bus_error *error) {
        Daemon *daemon = bus_service_daemon(userdata);
        cleanup_strv_ char **paths = calloc(1, sizeof *paths);

        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < daemon->n_nodes; i++) {
                cleanup_free_ char *path = node_object_path(daemon->nodes[i]->name);

                if (!path || strv_append(&paths, path) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(paths);
        return 0;
}

/* --- properties ------------------------------------------------------------ */

/* Every property as text: 's' as it is, 'x', 'u', 'b' in decimal. */
typedef struct NodeProperty {
        const char *name;
        char type;
        void (*get)(const Node *node, char value[static VALUE_MAX]);
} NodeProperty;

static void put_text(char value[static VALUE_MAX], const char *text) {
        snprintf(value, VALUE_MAX, "%s", text ?: "");
}

static void get_name(const Node *n, char *v) {
        put_text(v, n->name);
}

static void get_family(const Node *n, char *v) {
        put_text(v, n->config ? n->config->family : NULL);
}

static void get_chain_id(const Node *n, char *v) {
        put_text(v, n->config ? n->config->chain_id : NULL);
}

static void get_network(const Node *n, char *v) {
        put_text(v, n->config ? n->config->network : NULL);
}

static void get_unit(const Node *n, char *v) {
        put_text(v, n->config ? node_config_unit(n->config) : NULL);
}

static void get_mode(const Node *n, char *v) {
        put_text(v, n->config ? node_mode_to_string(n->config->mode) : NULL);
}

static void get_role(const Node *n, char *v) {
        put_text(v, n->config ? node_role_to_string(n->config->role) : NULL);
}

static void get_signer(const Node *n, char *v) {
        put_text(v, n->config ? node_signer_to_string(n->config->signer) : NULL);
}

static void get_verdict(const Node *n, char *v) {
        put_text(v,
                 verdict_to_string(n->monitor ? monitor_verdict(n->monitor, NULL, NULL) : VERDICT_UNKNOWN));
}

static void get_reason(const Node *n, char *v) {
        const char *reason = n->config_error;

        if (n->monitor)
                (void) monitor_verdict(n->monitor, &reason, NULL);
        put_text(v, reason);
}

static void get_link(const Node *n, const char *link, char *v) {
        cleanup_free_ char *version = NULL;

        if (n->dirfd >= 0)
                (void) release_link_read(n->dirfd, link, &version, NULL);
        put_text(v, version);
}

static void get_current(const Node *n, char *v) {
        get_link(n, "current", v);
}

static void get_previous(const Node *n, char *v) {
        get_link(n, "previous", v);
}

static void get_unit_state(const Node *n, char *v) {
        const UnitStatus *status = node_unit(n);

        put_text(v, status ? status->active_state : "unknown");
}

static const UpgradeJob *job_of(const Node *n) {
        return n->upgrade ? upgrade_job(n->upgrade) : n->staging ? upgrade_job(n->staging) : n->last;
}

static void get_job_state(const Node *n, char *v) {
        put_text(v, job_of(n) ? upgrade_state_to_string(job_of(n)->state) : NULL);
}

static void get_job_id(const Node *n, char *v) {
        put_text(v, job_of(n) ? job_of(n)->id : NULL);
}

static void get_height(const Node *n, char *v) {
        snprintf(v, VALUE_MAX, "%" PRId64, n->monitor ? monitor_sample(n->monitor)->height : CHAIN_UNKNOWN);
}

static void get_peers(const Node *n, char *v) {
        snprintf(v, VALUE_MAX, "%" PRId64, n->monitor ? monitor_sample(n->monitor)->peers : CHAIN_UNKNOWN);
}

static void get_held(const Node *n, char *v) {
        put_text(v, n->hold ? "1" : "0");
}

static void get_pid(const Node *n, char *v) {
        const UnitStatus *status = node_unit(n);

        snprintf(v, VALUE_MAX, "%" PRIu32, status ? status->main_pid : 0);
}

static const NodeProperty properties[] = {
        { "Name", 's', get_name },
        { "Family", 's', get_family },
        { "ChainId", 's', get_chain_id },
        { "Network", 's', get_network },
        { "Unit", 's', get_unit },
        { "Mode", 's', get_mode },
        { "Role", 's', get_role },
        { "Signer", 's', get_signer },
        { "Verdict", 's', get_verdict },
        { "VerdictReason", 's', get_reason },
        { "Version", 's', get_current },
        { "Previous", 's', get_previous },
        { "UnitState", 's', get_unit_state },
        { "JobState", 's', get_job_state },
        { "JobId", 's', get_job_id },
        { "Height", 'x', get_height },
        { "Peers", 'x', get_peers },
        { "Held", 'b', get_held },
        { "Pid", 'u', get_pid },
};

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *name,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Node *node = node_of_path(userdata, path);
        char value[VALUE_MAX] = "";

        if (!node)
                return -ENOENT;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                if (!str_eq(properties[i].name, name))
                        continue;
                properties[i].get(node, value);
                switch (properties[i].type) {
                case 's':
                        return sd_bus_message_append(reply, "s", value);
                case 'x':
                        return sd_bus_message_append(reply, "x", (int64_t) strtoll(value, NULL, 10));
                case 'b':
                        return sd_bus_message_append(reply, "b", value[0] == '1');
                default:
                        return sd_bus_message_append(reply, "u", (uint32_t) strtoul(value, NULL, 10));
                }
        }
        return -ENOENT;
}

struct NodeShown {
        char *values[ELEMENTSOF(properties)];
};

NodeShown *node_shown_free(NodeShown *shown) {
        if (!shown)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                free(shown->values[i]);
        free(shown);
        return NULL;
}

void node_object_emit_changed(sd_bus *bus, Node *node, NodeShown **shown) {
        cleanup_strv_ char **names = NULL;
        cleanup_free_ char *path = NULL;
        char value[VALUE_MAX];

        if (!*shown)
                *shown = calloc(1, sizeof **shown);
        if (!*shown)
                return;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                value[0] = 0;
                properties[i].get(node, value);
                if (str_eq((*shown)->values[i], value))
                        continue;
                if (str_replace(&(*shown)->values[i], value) < 0 ||
                    strv_append(&names, properties[i].name) < 0)
                        return;
        }
        path = names ? node_object_path(node->name) : NULL;
        if (path)
                (void) sd_bus_emit_properties_changed_strv(bus, path, node_interface, names);
}

/* --- methods ------------------------------------------------------------------ */

static void reply_job(sd_bus_message *call, int r, const char *job, const Fault *fault) {
        if (r != 0)
                bus_reply_fault(call, r, fault);
        else if (job)
                (void) sd_bus_reply_method_return(call, "s", job);
        else
                (void) sd_bus_reply_method_return(call, NULL);
}

/* The node that @call is about, or NULL after a reply. */
static Node *node_of_call(BusService *service, sd_bus_message *call) {
        Node *node = node_of_path(service, sd_bus_message_get_path(call));

        if (!node)
                (void) sd_bus_reply_method_errorf(call, "org.muster1.Error.NotFound", "The node is gone");
        return node;
}

static void do_describe(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_json_ json_t *json = NULL;
        int r;

        if (!node)
                return;
        r = node_describe(node, &json);
        if (r < 0)
                bus_reply_fault(call, r, NULL);
        else
                bus_reply_json(call, json);
}

static const BusOption stage_options[] = {
        { "version", "s" }, { "sha256", "s" }, { "sources", "as" }, { "binary", "s" },
        { "signers", "s" }, { "need", "u" },   { NULL, NULL },
};

static void do_stage(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_json_ json_t *o = NULL;
        cleanup_strv_ char **sources = NULL;
        cleanup_fault_ Fault fault = {};
        StageRequest q;
        char job[17];
        int r;

        if (!node)
                return;
        (void) sd_bus_message_rewind(call, 1);
        r = bus_read_options(call, "{sv}", stage_options, &o, &fault);
        if (r >= 0)
                r = json_strv(o, "sources", &sources);
        if (r >= 0) {
                q = (StageRequest){ .version = json_str(o, "version"),
                                    .sha256 = json_str(o, "sha256"),
                                    .binary = json_str(o, "binary"),
                                    .signers = json_str(o, "signers"),
                                    .sources = sources };
                (void) json_u64(o, "need", &q.need);
                r = node_stage(node, &q, by, job, &fault);
        }
        reply_job(call, r, job, &fault);
}

static const BusOption upgrade_options[] = {
        { "trigger", "s" }, { "one-way", "b" }, { "no-rollback", "b" }, { "rehearse", "b" }, { NULL, NULL },
};

static void do_upgrade(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_json_ json_t *o = NULL;
        cleanup_fault_ Fault fault = {};
        const char *version;
        char job[17];
        int r;

        if (!node)
                return;
        (void) sd_bus_message_rewind(call, 1);
        r = sd_bus_message_read(call, "s", &version);
        if (r >= 0)
                r = bus_read_options(call, "{sv}", upgrade_options, &o, &fault);
        if (r >= 0)
                r = node_upgrade(node,
                                 &(UpgradeRequest){ .version = version,
                                                    .trigger = json_str(o, "trigger") ?: "now",
                                                    .one_way = json_bool(o, "one-way"),
                                                    .no_rollback = json_bool(o, "no-rollback"),
                                                    .rehearse = json_bool(o, "rehearse") },
                                 by, job, &fault);
        reply_job(call, r, job, &fault);
}

static void do_discard(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};
        const char *version;
        int r;

        if (!node)
                return;
        (void) sd_bus_message_rewind(call, 1);
        r = sd_bus_message_read(call, "s", &version);
        if (r >= 0)
                r = node_discard(node, version, by, &fault);
        reply_job(call, r, NULL, &fault);
}

static void do_rollback(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};
        char job[17];

        if (node)
                reply_job(call, node_rollback(node, by, job, &fault), job, &fault);
}

static void do_cancel(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};

        if (node)
                reply_job(call, node_cancel(node, by, &fault), NULL, &fault);
}

static const BusOption restore_options[] = {
        { "sources", "as" },     { "manifest", "s" }, { "sha256", "s" }, { "signers", "s" },
        { "signers-name", "s" }, { "unsigned", "b" }, { "prefix", "s" }, { "limit-rate", "t" },
        { "seed", "b" },         { "drop-old", "b" }, { NULL, NULL },
};

static void do_restore(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_json_ json_t *o = NULL;
        cleanup_strv_ char **sources = NULL;
        cleanup_fault_ Fault fault = {};
        RestoreRequest q;
        char job[17];
        int r;

        if (!node)
                return;
        (void) sd_bus_message_rewind(call, 1);
        r = bus_read_options(call, "{sv}", restore_options, &o, &fault);
        if (r >= 0)
                r = json_strv(o, "sources", &sources);
        if (r >= 0) {
                q = (RestoreRequest){ .sources = sources,
                                      .manifest = json_str(o, "manifest"),
                                      .sha256 = json_str(o, "sha256"),
                                      .signers = json_str(o, "signers"),
                                      .signers_name = json_str(o, "signers-name"),
                                      .prefix = json_str(o, "prefix"),
                                      .unsigned_ = json_bool(o, "unsigned"),
                                      .no_seed = json_is_false(json_object_get(o, "seed")),
                                      .drop_old = json_bool(o, "drop-old") };
                (void) json_u64(o, "limit-rate", &q.limit_rate);
                r = node_restore(node, &q, by, job, &fault);
        }
        reply_job(call, r, job, &fault);
}

static const BusOption snapshot_options[] = {
        { "prefix", "s" },
        { "level", "u" },
        { "stop", "b" },
        { NULL, NULL },
};

static void do_create_snapshot(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_json_ json_t *o = NULL;
        cleanup_fault_ Fault fault = {};
        SnapshotRequest q;
        char job[17];
        int r;

        if (!node)
                return;
        (void) sd_bus_message_rewind(call, 1);
        r = bus_read_options(call, "{sv}", snapshot_options, &o, &fault);
        if (r >= 0) {
                q = (SnapshotRequest){ .prefix = json_str(o, "prefix"), .stop = json_bool(o, "stop") };
                (void) json_u64(o, "level", &q.level);
                r = node_snapshot(node, &q, by, job, &fault);
        }
        reply_job(call, r, job, &fault);
}

static void do_pause(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};

        if (node)
                reply_job(call, node_set_paused(node, true, by, &fault), NULL, &fault);
}

static void do_resume(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};

        if (node)
                reply_job(call, node_set_paused(node, false, by, &fault), NULL, &fault);
}

static void do_hold(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};

        if (node)
                reply_job(call, node_hold(node, by, &fault), NULL, &fault);
}

static void do_unhold(BusService *service, sd_bus_message *call, const Caller *by) {
        Node *node = node_of_call(service, call);
        cleanup_fault_ Fault fault = {};

        if (node)
                reply_job(call, node_unhold(node, by, &fault), NULL, &fault);
}

typedef struct NodeMethod {
        const char *name;
        const char *action;
        bool has_version;         /* a string before the options */
        const BusOption *options; /* besides the common ones; NULL: none */
        AuthorizedHandler handler;
} NodeMethod;

static const NodeMethod methods[] = {
        { "Stage", "org.muster1.stage", false, stage_options, do_stage },
        { "Discard", "org.muster1.stage", true, NULL, do_discard },
        { "Upgrade", "org.muster1.upgrade", true, upgrade_options, do_upgrade },
        { "Rollback", "org.muster1.upgrade", false, NULL, do_rollback },
        { "Cancel", "org.muster1.upgrade", false, NULL, do_cancel },
        { "Restore", "org.muster1.restore", false, restore_options, do_restore },
        { "CreateSnapshot", "org.muster1.restore", false, snapshot_options, do_create_snapshot },
        { "Pause", "org.muster1.restore", false, NULL, do_pause },
        { "Resume", "org.muster1.restore", false, NULL, do_resume },
        { "Hold", "org.muster1.hold", false, NULL, do_hold },
        { "Unhold", "org.muster1.hold", false, NULL, do_unhold },
};

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return bus_authorize(userdata, call, "org.muster1.observe", NULL, NULL, do_describe);
}

static int method_with_options(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(call), *version;
        const NodeMethod *method = methods;
        cleanup_json_ json_t *options = NULL;
        cleanup_fault_ Fault fault = {};
        int r = 0;

        while (!str_eq(method->name, member))
                method++;
        if (method->has_version)
                r = sd_bus_message_read(call, "s", &version);
        if (r >= 0)
                r = bus_read_options(call, "{sv}", method->options, &options, &fault);
        if (r < 0)
                return sd_bus_reply_method_errorf(call, "org.muster1.Error.Invalid", "%s",
                                                  fault_text(&fault, r));
        return bus_authorize(userdata, call, method->action, json_str(options, "command"),
                             json_str(options, "reason"), method->handler);
}

#define PROPERTY(name, type)                                                                                \
        SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable node_vtable[] = {
        SD_BUS_VTABLE_START(0),
        PROPERTY("Name", "s"),
        PROPERTY("Family", "s"),
        PROPERTY("ChainId", "s"),
        PROPERTY("Network", "s"),
        PROPERTY("Unit", "s"),
        PROPERTY("Mode", "s"),
        PROPERTY("Role", "s"),
        PROPERTY("Signer", "s"),
        PROPERTY("Verdict", "s"),
        PROPERTY("VerdictReason", "s"),
        PROPERTY("Version", "s"),
        PROPERTY("Previous", "s"),
        PROPERTY("UnitState", "s"),
        PROPERTY("JobState", "s"),
        PROPERTY("JobId", "s"),
        PROPERTY("Height", "x"),
        PROPERTY("Peers", "x"),
        PROPERTY("Held", "b"),
        PROPERTY("Pid", "u"),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stage", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", job),
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Discard", SD_BUS_ARGS("s", version, "a{sv}", options), SD_BUS_NO_RESULT,
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Upgrade", SD_BUS_ARGS("s", version, "a{sv}", options),
                                SD_BUS_RESULT("s", job), method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", job),
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Restore", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", job),
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateSnapshot", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", job),
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Hold", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_with_options,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unhold", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_with_options, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int node_objects_add(BusService *service, sd_bus *bus) {
        int r;

        r = sd_bus_add_fallback_vtable(bus, NULL, NODE_PREFIX, node_interface, node_vtable, find_node,
                                       service);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(bus, NULL, NODE_PREFIX, enumerate_nodes, service);
}
