#include "http/url.h"
#include "util/cleanup.h"

#include <string.h>

char *url_join(const char *url, const char *path) {
        size_t length = strcspn(url, "?");
        const char *query = url[length] ? url + length + 1 : NULL;
        char *joined = NULL;

        if (!path || !*path)
                return strdup(url);
        while (length > 0 && url[length - 1] == '/')
                length--;
        if (asprintf(&joined, "%.*s%s%s%s", (int) length, url, path,
                     !query              ? ""
                     : strchr(path, '?') ? "&"
                                         : "?",
                     query ?: "") < 0)
                return NULL;
        return joined;
}

char *url_without_password(const char *url) {
        const char *host = strstr(url, "://"), *at = NULL, *colon;
        char *text = NULL;

        host = host ? host + 3 : url;
        for (const char *s = host; *s && !strchr("/?#", *s); s++)
                if (*s == '@')
                        at = s;
        colon = at ? memchr(host, ':', (size_t) (at - host)) : NULL;
        if (!colon)
                return strdup(url);
        if (asprintf(&text, "%.*s:***%s", (int) (colon - url), url, at) < 0)
                return NULL;
        return text;
}
