/*
 * Split parts are named by counting: their number is not known before one of
 * them is absent. Failures that several connections see at the same time are
 * one failure: a server that restarts breaks all of them at once.
 */
#include "http/mirror.h"
#include "http/fetch.h"
#include "util/text.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TROUBLES_MAX    1500 /* bytes of text */
#define BACKOFF_USEC    (500 * USEC_PER_MSEC)
#define BACKOFF_DOUBLES 4

/* The path's end in @source: before query and fragment of a URL. */
static size_t path_end(const char *source, bool file) {
        return file ? strlen(source) : strcspn(source, "?#");
}

static bool is_split(const char *source, bool file) {
        static const char *const firsts[] = { ".aa", ".part-aa", ".00", ".000", ".001" };
        size_t end = path_end(source, file);

        for (size_t i = 0; i < ELEMENTSOF(firsts); i++) {
                size_t n = strlen(firsts[i]);

                if (end > n && memcmp(source + end - n, firsts[i], n) == 0)
                        return true;
        }
        return false;
}

/* The path of a file:// URL, unescaped. */
static int path_of_url(const char *url, char **ret) {
        CURLU *u = curl_url();
        char *path = NULL;
        int r = -EINVAL;

        if (!u)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
            curl_url_get(u, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK && path[0] == '/') {
                *ret = strdup(path);
                r = *ret ? 0 : -ENOMEM;
        }
        curl_free(path);
        curl_url_cleanup(u);
        return r;
}

static int add_piece(Mirror *m, const char *url) {
        Piece *longer = reallocarray(m->pieces, m->n_pieces + 1, sizeof *longer);
        char *copy;

        if (!longer)
                return -ENOMEM;
        m->pieces = longer;
        copy = strdup(url);
        if (!copy)
                return -ENOMEM;
        m->pieces[m->n_pieces++] = (Piece){ .url = copy, .base = m->size };
        return 0;
}

int mirror_init(Mirror *m, size_t index, const char *source, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        int r = 0;

        *m = (Mirror){ .index = index };
        if (str_starts(source, "file://"))
                r = path_of_url(source, &path);
        if (r == 0 && !path && !source_is_valid(source))
                r = -EINVAL;
        if (r == 0)
                r = source_display(source, &m->shown);
        if (r == -EINVAL)
                return fault_set(
                        reterr, r,
                        "Source %zu: expected http://HOST/PATH, https://HOST/PATH, file:///PATH or an "
                        "absolute path",
                        index + 1);
        m->file = path || source[0] == '/';
        m->split = is_split(path ?: source, m->file);
        return r < 0 ? r : add_piece(m, path ?: source);
}

static void piece_done(Piece *piece) {
        free(piece->url);
        free(piece->current);
        free(piece->etag);
        free(piece->modified);
}

void mirror_done(Mirror *m) {
        for (size_t i = 0; i < m->n_pieces; i++)
                piece_done(&m->pieces[i]);
        free(m->pieces);
        free(m->shown);
        free(m->troubles);
}

/* "az" -> "ba", "09" -> "10". */
static bool count_up(char *name, size_t end) {
        size_t digits = end > 4 && name[end - 4] == '.' && strspn(name + end - 3, "0123456789") >= 3 ? 3 : 2;

        for (size_t i = end; i-- > end - digits;) {
                if (name[i] != 'z' && name[i] != '9') {
                        name[i]++;
                        return true;
                }
                name[i] = name[i] == 'z' ? 'a' : '0';
        }
        return false;
}

int mirror_next_piece(Mirror *m) {
        cleanup_free_ char *url = strdup(m->pieces[m->n_pieces - 1].url);

        if (!url)
                return -ENOMEM;
        if (!count_up(url, path_end(url, m->file)))
                return -ERANGE;
        return add_piece(m, url);
}

void mirror_drop_piece(Mirror *m) {
        piece_done(&m->pieces[--m->n_pieces]);
}

Piece *mirror_piece_at(const Mirror *m, uint64_t offset) {
        size_t low = 0, high = m->n_pieces;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (m->pieces[middle].base <= offset)
                        low = middle;
                else
                        high = middle;
        }
        return &m->pieces[low];
}

int mirror_note(Mirror *m, const char *text) {
        char *longer;

        if (m->troubles && (strstr(m->troubles, text) || strlen(m->troubles) > TROUBLES_MAX))
                return 0;
        if (asprintf(&longer, "%s%s%s", m->troubles ?: "", m->troubles ? "; " : "", text) < 0)
                return -ENOMEM;
        free(m->troubles);
        m->troubles = longer;
        return 0;
}

bool mirror_forgive(Mirror *m, uint64_t begun_usec, uint64_t now_usec, unsigned retries) {
        unsigned doubles;

        if (m->failures > 0 && begun_usec <= m->failed_usec)
                return true;
        if (m->failures >= retries)
                return false;
        doubles = m->failures < BACKOFF_DOUBLES ? m->failures : BACKOFF_DOUBLES;
        m->failures++;
        m->failed_usec = now_usec;
        m->retry_usec = now_usec + ((uint64_t) BACKOFF_USEC << doubles);
        return true;
}

int piece_open(Piece *piece, int *ret_fd, Fault *reterr) {
        cleanup_fd_ int fd = open(piece->url, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        uint64_t mtime_nsec;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_set(reterr, -errno, "%s", strerror(errno));
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EBADMSG, "not a regular file");
        mtime_nsec = (uint64_t) st.st_mtim.tv_sec * 1000000000 + (uint64_t) st.st_mtim.tv_nsec;
        if (piece->inode == 0) {
                piece->device = st.st_dev;
                piece->inode = st.st_ino;
                piece->mtime_nsec = mtime_nsec;
                piece->size = (uint64_t) st.st_size;
        } else if (piece->device != st.st_dev || piece->inode != st.st_ino ||
                   piece->mtime_nsec != mtime_nsec || piece->size != (uint64_t) st.st_size)
                return fault_set(reterr, -EBADMSG, "the file was changed while it was read");
        *ret_fd = TAKE_FD(fd);
        return 0;
}
