#include "upgrade/origin.h"
#include "util/hex.h"
#include "util/json.h"
#include "util/name.h"
#include "util/text.h"
#include "util/tree.h"

#define PREFIX         ".source-"
#define FILE_NAME_ROOM (NAME_MAX_LENGTH + sizeof PREFIX)

void origin_done(Origin *origin) {
        free(origin->name);
        origin->name = NULL;
}

static const char *file_name(char buffer[static FILE_NAME_ROOM], const char *version) {
        snprintf(buffer, FILE_NAME_ROOM, "%s%s", PREFIX, version);
        return buffer;
}

int origin_write(int dirfd, const char *version, const Origin *s) {
        cleanup_json_ json_t *j = json_object();
        char name[FILE_NAME_ROOM], sha256[65], sha512[129];

        hex_encode(s->digests.sha256, sizeof s->digests.sha256, sha256);
        hex_encode(s->digests.sha512, sizeof s->digests.sha512, sha512);
        if (!j || json_put_str(j, "sha256", sha256) < 0 || json_put_str(j, "sha512", sha512) < 0 ||
            json_put_u64(j, "size", s->size) < 0 || json_put_str(j, "source", s->name) < 0)
                return -ENOMEM;
        return json_write_file(dirfd, file_name(name, version), j, 0644);
}

int origin_read(int dirfd, const char *version, Origin *ret) {
        cleanup_json_ json_t *j = NULL;
        char name[FILE_NAME_ROOM];
        Origin s = { 0 };
        int r;

        r = json_read_file(dirfd, file_name(name, version), &j, NULL);
        if (r < 0)
                return r;
        if (hex_decode(json_str(j, "sha256"), s.digests.sha256, sizeof s.digests.sha256) < 0 ||
            hex_decode(json_str(j, "sha512"), s.digests.sha512, sizeof s.digests.sha512) < 0 ||
            json_u64(j, "size", &s.size) < 0 || !json_str(j, "source"))
                return -EBADMSG;
        s.name = strdup(json_str(j, "source"));
        if (!s.name)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int origin_remove(int releases_dirfd, const char *version, Fault *reterr) {
        char name[FILE_NAME_ROOM];

        return tree_remove(releases_dirfd, file_name(name, version), reterr);
}
