/*
 * Most files lie whole in one frame: they are opened, written and closed by one
 * worker and never seen here. The others have a slot while they are open. More
 * slots than workers: one that nobody holds can always be given away, and its
 * file is opened again when its next extent comes.
 *
 * A file is closed (mode, times, cut to its size) before the frame that completed
 * it is marked in the checkpoint. So a file whose frames are all marked needs
 * nothing any more.
 */
#include "archive/frame-files.h"

#include <pthread.h>

#define SLOTS   64
#define IGNORED UINT32_MAX /* in @outstanding: the output wants nothing of it, and has said so */

typedef struct FrameSlot {
        uint64_t index;
        OutputFile *file; /* NULL: being opened, or ignored */
        unsigned holders;
        bool used, opening, ignored;
} FrameSlot;

struct FrameFiles {
        const Manifest *manifest;
        Output *output;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint32_t *outstanding; /* a file: its extents that are not in */
        FrameSlot slots[SLOTS];
        unsigned hand; /* where the search for a slot to give away goes on */
};

int frame_files_new(const Manifest *m, const Checkpoint *done, Output *output, FrameFiles **ret) {
        cleanup_(frame_files_freep) FrameFiles *t = calloc(1, sizeof *t);

        if (!t)
                return -ENOMEM;
        pthread_mutex_init(&t->lock, NULL);
        pthread_cond_init(&t->changed, NULL);
        t->manifest = m;
        t->output = output;
        t->outstanding = calloc(manifest_n_files(m) + 1, sizeof *t->outstanding);
        if (!t->outstanding)
                return -ENOMEM;
        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                ManifestExtent extent;
                ManifestPart part;

                if (checkpoint_has(done, i))
                        continue;
                manifest_part(m, i, &part);
                for (size_t k = 0; k < part.n_extents; k++) {
                        manifest_extent(m, part.first_extent + k, &extent);
                        t->outstanding[extent.file]++;
                }
        }
        *ret = TAKE_PTR(t);
        return 0;
}

FrameFiles *frame_files_free(FrameFiles *t) {
        if (!t)
                return NULL;
        (void) frame_files_close(t, NULL);
        pthread_cond_destroy(&t->changed);
        pthread_mutex_destroy(&t->lock);
        free(t->outstanding);
        free(t);
        return NULL;
}

static int open_file(FrameFiles *t, uint64_t index, OutputFile **ret, Fault *reterr) {
        ManifestFile file;

        manifest_file(t->manifest, index, &file);
        return output_file_open(t->output, file.path, file.size, file.mode, file.mtime_sec, file.mtime_nsec,
                                ret, reterr);
}

static FrameSlot *find_slot(FrameFiles *t, uint64_t index) {
        for (FrameSlot *s = t->slots; s < t->slots + SLOTS; s++)
                if (s->used && s->index == index)
                        return s;
        return NULL;
}

/* A slot that nobody holds, a free one first; @ret_closing is what was open in it. */
static FrameSlot *take_slot(FrameFiles *t, OutputFile **ret_closing) {
        *ret_closing = NULL;
        for (FrameSlot *s = t->slots; s < t->slots + SLOTS; s++)
                if (!s->used)
                        return s;
        for (;;) {
                FrameSlot *s = &t->slots[t->hand++ % SLOTS];

                if (s->holders > 0)
                        continue;
                *ret_closing = TAKE_PTR(s->file);
                return s;
        }
}

static int close_file(OutputFile *file, Fault *reterr) {
        return file ? output_file_close(file, reterr) : 0;
}

/* Opens @index into a slot, without the lock; the others that want the file wait for it. */
static int open_slot(FrameFiles *t, uint64_t index, FrameFile *ret, Fault *reterr) {
        OutputFile *file = NULL, *closing;
        FrameSlot *s = take_slot(t, &closing);
        int r;

        *s = (FrameSlot){ .index = index, .holders = 1, .used = true, .opening = true };
        pthread_mutex_unlock(&t->lock);
        r = close_file(closing, reterr);
        if (r >= 0)
                r = open_file(t, index, &file, reterr);
        pthread_mutex_lock(&t->lock);
        s->opening = false;
        s->ignored = r == OUTPUT_E_IGNORED;
        if (s->ignored)
                t->outstanding[index] = IGNORED;
        if (r == 0) {
                s->file = file;
                *ret = (FrameFile){ .file = file, .index = index, .slot = s };
        } else
                s->holders--;
        if (s->holders == 0)
                s->used = r == 0;
        pthread_cond_broadcast(&t->changed);
        return r;
}

static int join_slot(FrameFiles *t, FrameSlot *s, FrameFile *ret, Fault *reterr) {
        s->holders++;
        while (s->opening)
                pthread_cond_wait(&t->changed, &t->lock);
        if (s->file) {
                *ret = (FrameFile){ .file = s->file, .index = s->index, .slot = s };
                return 0;
        }
        s->used = --s->holders > 0;
        if (s->ignored)
                return OUTPUT_E_IGNORED;
        return fault_set(reterr, -EIO, "Failed to open a file that another worker failed to open, too");
}

int frame_files_get(FrameFiles *t, uint64_t file, FrameFile *ret, Fault *reterr) {
        OutputFile *alone = NULL;
        FrameSlot *s;
        int r;

        pthread_mutex_lock(&t->lock);
        if (t->outstanding[file] == IGNORED) {
                pthread_mutex_unlock(&t->lock);
                return OUTPUT_E_IGNORED;
        }
        s = find_slot(t, file);
        if (s || t->outstanding[file] > 1) {
                r = s ? join_slot(t, s, ret, reterr) : open_slot(t, file, ret, reterr);
                pthread_mutex_unlock(&t->lock);
                return r;
        }
        pthread_mutex_unlock(&t->lock);
        r = open_file(t, file, &alone, reterr);
        if (r == 0)
                *ret = (FrameFile){ .file = alone, .index = file };
        else if (r == OUTPUT_E_IGNORED) {
                pthread_mutex_lock(&t->lock);
                t->outstanding[file] = IGNORED;
                pthread_mutex_unlock(&t->lock);
        }
        return r;
}

/* One extent less; with the last one the slot is given back and *ret_closing is to be closed. */
static void count_down(FrameFiles *t, uint64_t file, OutputFile **ret_closing) {
        FrameSlot *s;

        if (t->outstanding[file] > 0 && t->outstanding[file] != IGNORED)
                t->outstanding[file]--;
        s = t->outstanding[file] == 0 ? find_slot(t, file) : NULL;
        if (!s || s->holders > 0)
                return;
        *ret_closing = TAKE_PTR(s->file);
        s->used = false;
}

int frame_files_put(FrameFiles *t, FrameFile *held, bool done, Fault *reterr) {
        OutputFile *closing = NULL;

        pthread_mutex_lock(&t->lock);
        if (held->slot)
                held->slot->holders--;
        else
                closing = held->file;
        if (done) {
                OutputFile *whole = NULL;

                count_down(t, held->index, &whole);
                closing = whole ?: closing;
        }
        pthread_mutex_unlock(&t->lock);
        *held = (FrameFile){};
        return close_file(closing, reterr);
}

int frame_files_done(FrameFiles *t, uint64_t file, Fault *reterr) {
        OutputFile *closing = NULL;

        pthread_mutex_lock(&t->lock);
        count_down(t, file, &closing);
        pthread_mutex_unlock(&t->lock);
        return close_file(closing, reterr);
}

int frame_files_close(FrameFiles *t, Fault *reterr) {
        int r = 0, q;

        for (FrameSlot *s = t->slots; s < t->slots + SLOTS; s++) {
                q = close_file(TAKE_PTR(s->file), reterr);
                if (r >= 0)
                        r = q;
                s->used = false;
        }
        return r;
}
