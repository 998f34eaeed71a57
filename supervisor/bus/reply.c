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

static int read_list(sd_bus_message *call, const char *key, json_t *into) {
        cleanup_strv_ char **list = NULL;
        int r;

        r = sd_bus_message_read_strv(call, &list);
        return r < 0 ? r : json_put_strv(into, key, list);
}

static int read_variant(sd_bus_message *call, const char *key, json_t *into, Fault *reterr) {
        const char *contents;
        int flag, r;
        char type;
        union {
                uint32_t u;
                uint64_t t;
        } number;

        r = sd_bus_message_peek_type(call, &type, &contents);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(call, 'v', contents);
        if (r < 0)
                return r;
        if (str_eq(contents, "s"))
                r = read_text(call, key, into, reterr);
        else if (str_eq(contents, "as"))
                r = read_list(call, key, into);
        else if (str_eq(contents, "b")) {
                r = sd_bus_message_read_basic(call, 'b', &flag);
                if (r >= 0)
                        r = json_put_bool(into, key, flag);
        } else if (str_eq(contents, "u")) {
                r = sd_bus_message_read_basic(call, 'u', &number.u);
                if (r >= 0)
                        r = json_put_u64(into, key, number.u);
        } else
                return fault_set(reterr, -EINVAL, "option '%s' has type '%s', expected s, as, b or u", key, contents);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

int bus_read_options(sd_bus_message *call, const char *signature, json_t **ret, Fault *reterr) {
        cleanup_json_ json_t *options = json_object();
        bool variants = str_eq(signature, "{sv}");
        int r;

        if (!options)
                return -ENOMEM;
        r = sd_bus_message_enter_container(call, 'a', signature);
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', variants ? "sv" : "ss")) > 0) {
                const char *key;

                r = sd_bus_message_read_basic(call, 's', &key);
                if (r >= 0)
                        r = variants ? read_variant(call, key, options, reterr)
                                     : read_text(call, key, options, reterr);
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
