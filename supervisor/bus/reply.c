#include "bus/reply.h"
#include "util/text.h"

#define SIGNERS_MAX (256 * 1024) /* an allowed_signers file travels as one option */

static const char *error_name(int r) {
        switch (r) {
        case DAEMON_E_BUSY:
                return "org.muster1.Error.Busy";
        case DAEMON_E_REFUSED:
                return "org.muster1.Error.Refused";
        case DAEMON_E_INVALID:
        case -EINVAL:
                return "org.muster1.Error.Invalid";
        case DAEMON_E_NOTFOUND:
                return "org.muster1.Error.NotFound";
        default:
                return "org.muster1.Error.Failed";
        }
}

void bus_reply_fault(sd_bus_message *call, int r, const Fault *fault) {
        (void) sd_bus_reply_method_errorf(call, error_name(r), "%s", fault_text(fault, r));
}

void bus_reply_json(sd_bus_message *call, const json_t *json) {
        cleanup_free_ char *text = json_dumps(json, JSON_COMPACT);

        if (text)
                (void) sd_bus_reply_method_return(call, "s", text);
        else
                (void) sd_bus_reply_method_errno(call, -ENOMEM, NULL);
}

static int read_text(sd_bus_message *call, const char *key, json_t *into, Fault *reterr) {
        const char *text;
        int r;

        r = sd_bus_message_read_basic(call, 's', &text);
        if (r < 0)
                return r;
        if (strlen(text) > (str_eq(key, "signers") ? SIGNERS_MAX : BUS_TEXT_MAX))
                return fault_set(reterr, -EINVAL, "option '%s' is too long", key);
        return json_put_str(into, key, text);
}

static int read_list(sd_bus_message *call, const char *key, json_t *into, Fault *reterr) {
        cleanup_strv_ char **list = NULL;
        int r;

        r = sd_bus_message_read_strv(call, &list);
        if (r < 0)
                return r;
        if (strv_length(list) > BUS_LIST_MAX)
                return fault_set(reterr, -EINVAL, "option '%s' has %zu entries, expected at most %d", key,
                                 strv_length(list), BUS_LIST_MAX);
        STRV_FOREACH (text, list)
                if (strlen(*text) > BUS_TEXT_MAX)
                        return fault_set(reterr, -EINVAL, "an entry of option '%s' is too long", key);
        return json_put_strv(into, key, list);
}

static int read_value(sd_bus_message *call, const char *key, const char *type, json_t *into, Fault *reterr) {
        uint32_t number;
        uint64_t large;
        int flag, r;

        if (str_eq(type, "s"))
                return read_text(call, key, into, reterr);
        if (str_eq(type, "as"))
                return read_list(call, key, into, reterr);
        if (str_eq(type, "b")) {
                r = sd_bus_message_read_basic(call, 'b', &flag);
                return r < 0 ? r : json_put_bool(into, key, flag);
        }
        if (str_eq(type, "t")) {
                r = sd_bus_message_read_basic(call, 't', &large);
                if (r >= 0 && large > INT64_MAX)
                        return fault_set(reterr, -EINVAL, "option '%s' is too large", key);
                return r < 0 ? r : json_put_u64(into, key, large);
        }
        r = sd_bus_message_read_basic(call, 'u', &number);
        return r < 0 ? r : json_put_u64(into, key, number);
}

static int read_variant(sd_bus_message *call, const char *key, const char *type, json_t *into,
                        Fault *reterr) {
        const char *contents;
        int r;

        r = sd_bus_message_peek_type(call, NULL, &contents);
        if (r < 0)
                return r;
        if (!str_eq(contents, type))
                return fault_set(reterr, -EINVAL, "option '%s' has type '%s', expected '%s'", key, contents,
                                 type);
        r = sd_bus_message_enter_container(call, 'v', contents);
        if (r >= 0)
                r = read_value(call, key, type, into, reterr);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

/* The type of option @key, or NULL. */
static const char *option_type(const BusOption *own, const char *key) {
        if (str_eq(key, "command") || str_eq(key, "reason"))
                return "s";
        for (; own && own->name; own++)
                if (str_eq(own->name, key))
                        return own->type;
        return NULL;
}

static int read_option(sd_bus_message *call, bool variant, const BusOption *own, json_t *into,
                       Fault *reterr) {
        const char *key, *type;
        int r;

        r = sd_bus_message_read_basic(call, 's', &key);
        if (r < 0)
                return r;
        type = option_type(own, key);
        if (!type)
                return fault_set(reterr, -EINVAL, "option '%.64s' is not known to this version of musterd",
                                 key);
        if (json_object_get(into, key))
                return fault_set(reterr, -EINVAL, "option '%s' is given twice", key);
        return variant ? read_variant(call, key, type, into, reterr) : read_text(call, key, into, reterr);
}

int bus_read_options(sd_bus_message *call, const char *signature, const BusOption *own, json_t **ret,
                     Fault *reterr) {
        cleanup_json_ json_t *options = json_object();
        bool variants = str_eq(signature, "{sv}");
        int r;

        if (!options)
                return -ENOMEM;
        r = sd_bus_message_enter_container(call, 'a', signature);
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', variants ? "sv" : "ss")) > 0) {
                r = read_option(call, variants, own, options, reterr);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(options);
        return 0;
}
