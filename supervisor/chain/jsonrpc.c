/*
 * Everything that comes in here was written by a node that may be broken, by a
 * proxy before it, or by somebody who lies. Nothing is guessed: what is not
 * exactly of the expected form is -EBADMSG and the field stays unknown.
 */
#include "chain/jsonrpc.h"
#include "util/text.h"

#define METHOD_NOT_FOUND (-32601) /* JSON-RPC 2.0, section 5.1 */
#define EXCERPT_LENGTH   80

int jsonrpc_request(const char *method, const char *params, ChainRequest *ret) {
        cleanup_request_ ChainRequest request = {};

        request.path = strdup("");
        if (!request.path ||
            asprintf(&request.body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
                     params) < 0) {
                request.body = NULL;
                return -ENOMEM;
        }
        *ret = request;
        request = (ChainRequest){};
        return 0;
}

const char *jsonrpc_excerpt_text(char buffer[static JSONRPC_EXCERPT_MAX], const char *text) {
        size_t n = 0;

        for (; text[n] && n < EXCERPT_LENGTH; n++)
                buffer[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '.';
        strcpy(buffer + n, text[n] ? "..." : "");
        return buffer;
}

const char *jsonrpc_excerpt(char buffer[static JSONRPC_EXCERPT_MAX], const json_t *value) {
        cleanup_free_ char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

        return jsonrpc_excerpt_text(buffer, text ?: value ? "something unreadable" : "nothing");
}

/* The answer's "error" member. */
static int rpc_error(const char *method, const json_t *error, Fault *reterr) {
        const json_t *code = json_object_get(error, "code");
        const char *message = json_str(error, "message"), *data = json_str(error, "data");
        char a[JSONRPC_EXCERPT_MAX], b[JSONRPC_EXCERPT_MAX];

        if (json_is_integer(code) && json_integer_value(code) == METHOD_NOT_FOUND) {
                fault_set(reterr, 0, "%s: the node does not know this method or has switched it off",
                          method);
                return JSONRPC_E_NO_METHOD;
        }
        if (!json_is_integer(code) || !message)
                return fault_set(reterr, -EBADMSG, "%s: the node reports an error: %s", method,
                                 jsonrpc_excerpt(a, error));
        return fault_set(reterr, -EBADMSG, "%s: the node reports error %" JSON_INTEGER_FORMAT ": %s%s%s",
                         method, json_integer_value(code), jsonrpc_excerpt_text(a, message),
                         data ? ": " : "", data ? jsonrpc_excerpt_text(b, data) : "");
}

static int not_json(const char *method, int status, const char *body, const json_error_t *error,
                    Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX], why[JSONRPC_EXCERPT_MAX];

        if (status != 200)
                return fault_set(reterr, -EBADMSG,
                                 "%s: expected a JSON-RPC answer, got HTTP status %d: '%s'", method, status,
                                 jsonrpc_excerpt_text(buffer, body));
        return fault_set(reterr, -EBADMSG,
                         "%s: expected a JSON-RPC answer, got '%s' (%s, line %d column %d)", method,
                         jsonrpc_excerpt_text(buffer, body), jsonrpc_excerpt_text(why, error->text),
                         error->line, error->column);
}

int jsonrpc_result(const char *method, int status, const char *body, bool bare, json_t **ret,
                   Fault *reterr) {
        cleanup_json_ json_t *answer = NULL;
        json_error_t error;
        const json_t *id, *fault;
        char buffer[JSONRPC_EXCERPT_MAX];
        json_t *result;

        answer = json_loads(body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (!answer)
                return not_json(method, status, body, &error, reterr);
        if (!json_is_object(answer))
                return fault_set(reterr, -EBADMSG, "%s: expected a JSON object, got %s", method,
                                 jsonrpc_excerpt(buffer, answer));
        fault = json_object_get(answer, "error");
        if (fault && !json_is_null(fault))
                return rpc_error(method, fault, reterr);
        if (status != 200)
                return fault_set(reterr, -EBADMSG, "%s: expected HTTP status 200, got %d: %s", method,
                                 status, jsonrpc_excerpt(buffer, answer));
        id = json_object_get(answer, "id");
        if (!bare && !(json_is_integer(id) && json_integer_value(id) == 1))
                return fault_set(reterr, -EBADMSG, "%s: expected the answer to request 1, got \"id\": %s",
                                 method, jsonrpc_excerpt(buffer, id));
        result = json_object_get(answer, "result");
        if (!result && bare && !json_object_get(answer, "jsonrpc"))
                result = answer;
        if (!result || json_is_null(result))
                return fault_set(reterr, -EBADMSG, "%s: expected \"result\", got %s", method,
                                 result ? "null" : jsonrpc_excerpt(buffer, answer));
        *ret = json_incref(result);
        return 0;
}

int jsonrpc_optional(int r, Fault *reterr) {
        if (r > 0 && reterr)
                fault_done(reterr);
        return r > 0 ? 0 : r;
}

int jsonrpc_quantity(const char *method, const char *what, const json_t *value, int64_t *ret,
                     Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX];
        uint64_t n;
        int r = parse_hex_quantity(json_string_value(value), &n);

        if (r == -ERANGE || (r == 0 && n > (uint64_t) CHAIN_NUMBER_MAX))
                return fault_set(reterr, -EBADMSG, "%s: %s is absurd: %s", method, what,
                                 jsonrpc_excerpt(buffer, value));
        if (r < 0)
                return fault_set(reterr, -EBADMSG, "%s: expected %s as a number like \"0x1f\", got %s",
                                 method, what, jsonrpc_excerpt(buffer, value));
        *ret = (int64_t) n;
        return 0;
}

int jsonrpc_decimal(const char *method, const char *what, const json_t *value, int64_t *ret, Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX];
        uint64_t n = 0;
        int r;

        if (json_is_integer(value)) {
                r = json_integer_value(value) < 0 ? -EINVAL : 0;
                n = (uint64_t) json_integer_value(value);
        } else
                r = parse_u64(json_string_value(value), &n);
        if (r == -ERANGE || (r == 0 && n > (uint64_t) CHAIN_NUMBER_MAX))
                return fault_set(reterr, -EBADMSG, "%s: %s is absurd: %s", method, what,
                                 jsonrpc_excerpt(buffer, value));
        if (r < 0)
                return fault_set(reterr, -EBADMSG, "%s: expected %s as a number like \"31\", got %s", method,
                                 what, jsonrpc_excerpt(buffer, value));
        *ret = (int64_t) n;
        return 0;
}

int jsonrpc_text(const char *method, const char *what, const json_t *value, size_t max, char **field,
                 Fault *reterr) {
        const char *text = json_string_value(value);
        char buffer[JSONRPC_EXCERPT_MAX];
        size_t n = text ? json_string_length(value) : 0;
        bool good = n > 0 && n <= max;

        for (size_t i = 0; good && i < n; i++)
                good = text[i] >= ' ' && text[i] < 0x7f;
        if (!good)
                return fault_set(reterr, -EBADMSG,
                                 "%s: expected %s as a text of 1 to %zu characters, got %s", method, what,
                                 max, jsonrpc_excerpt(buffer, value));
        return str_replace(field, text);
}
