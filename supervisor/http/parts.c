/*
 * A part gets its buffer before anybody is asked for it and keeps it until it
 * was released, whatever goes wrong on the way. Buffers are given out in order
 * of offset, so that the lowest part that is not done always has one: taking in
 * order cannot wait for a part that waits for a buffer.
 *
 * While a slot is SLOT_FILLING its fields and bytes belong to the network
 * thread, which needs no lock for them; @generation is written by that thread
 * alone.
 */
#include "http/parts.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define ASK_NSEC 200000000L /* between questions whether it is cancelled */

static void get_part(const Parts *p, size_t i, uint64_t *ret_offset, uint32_t *ret_length) {
        uint64_t offset = (uint64_t) i * p->options.part_max;

        if (p->options.part) {
                p->options.part(i, ret_offset, ret_length, p->options.userdata);
                return;
        }
        *ret_offset = offset;
        *ret_length =
                p->size - offset < p->options.part_max ? (uint32_t) (p->size - offset) : p->options.part_max;
}

static int init_sync(Parts *p) {
        int r = pthread_mutex_init(&p->mutex, NULL);

        if (r != 0)
                return -r;
        r = pthread_cond_init(&p->changed, NULL);
        if (r != 0)
                pthread_mutex_destroy(&p->mutex);
        return -r;
}

int parts_init(Parts *p, const RangesOptions *options, size_t n_mirrors, Fault *reterr) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), stride;
        void *memory;
        int r;

        *p = (Parts){ .options = *options };
        if (options->part_max == 0 || options->part_max > options->window)
                return fault_set(reterr, -EINVAL,
                                 "Parts of up to %" PRIu32 " bytes do not fit a window of %" PRIu64,
                                 options->part_max, options->window);
        r = init_sync(p);
        if (r < 0)
                return r;
        stride = ((size_t) options->part_max + page - 1) / page * page;
        p->n_slots = options->window / stride;
        if (p->n_slots == 0)
                p->n_slots = 1;
        p->slots = calloc(p->n_slots, sizeof *p->slots);
        p->wrong = calloc(n_mirrors, sizeof *p->wrong);
        p->wrong_at = calloc(n_mirrors, sizeof *p->wrong_at);
        p->memory_size = p->n_slots * stride;
        memory = mmap(NULL, p->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        p->memory = memory == MAP_FAILED ? NULL : memory;
        if (!p->slots || !p->wrong || !p->wrong_at || !p->memory) {
                parts_done(p);
                return -ENOMEM;
        }
        for (size_t i = 0; i < p->n_slots; i++)
                p->slots[i].part.data = p->memory + i * stride;
        return 0;
}

void parts_done(Parts *p) {
        if (p->memory)
                munmap(p->memory, p->memory_size);
        free(p->slots);
        free(p->wrong);
        free(p->wrong_at);
        fault_done(&p->fault);
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->mutex);
}

static int check_layout(const Parts *p, Fault *reterr) {
        uint64_t end = 0;

        for (size_t i = 0; p->options.part && i < p->options.n_parts; i++) {
                uint64_t offset;
                uint32_t length;

                get_part(p, i, &offset, &length);
                if (length == 0 || length > p->options.part_max || offset < end || offset > p->size ||
                    length > p->size - offset)
                        return fault_set(reterr, -EINVAL,
                                         "Part %zu is of %" PRIu32 " bytes at %" PRIu64
                                         ": expected 1 to %" PRIu32 " bytes at %" PRIu64
                                         " or later in a file of %" PRIu64,
                                         i, length, offset, p->options.part_max, end, p->size);
                end = offset + length;
        }
        return 0;
}

int parts_lay_out(Parts *p, uint64_t size, Fault *reterr) {
        int r;

        pthread_mutex_lock(&p->mutex);
        p->size = size;
        r = check_layout(p, reterr);
        if (r == 0) {
                p->n_parts = p->options.part ? p->options.n_parts
                                             : (size + p->options.part_max - 1) / p->options.part_max;
                p->laid_out = true;
        }
        pthread_mutex_unlock(&p->mutex);
        return r;
}

bool parts_are_one(const Parts *p) {
        uint64_t offset;
        uint32_t length;

        if (p->n_parts != 1)
                return false;
        get_part(p, 0, &offset, &length);
        return offset == 0 && length == p->size;
}

void parts_fail(Parts *p, int error, const char *text) {
        pthread_mutex_lock(&p->mutex);
        if (p->error == 0) {
                p->error = error;
                if (text)
                        fault_set(&p->fault, error, "%s", text);
        }
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
}

static int told_error(const Parts *p, Fault *reterr) {
        if (p->fault.text)
                return fault_set(reterr, p->error, "%s", p->fault.text);
        return p->error;
}

void parts_opened(Parts *p) {
        pthread_mutex_lock(&p->mutex);
        p->opened = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
}

int parts_wait(Parts *p, Fault *reterr) {
        int r;

        pthread_mutex_lock(&p->mutex);
        while (!p->opened && p->error == 0) {
                struct timespec due;

                if (!p->options.cancelled) {
                        pthread_cond_wait(&p->changed, &p->mutex);
                        continue;
                }
                clock_gettime(CLOCK_MONOTONIC, &due);
                due.tv_nsec += ASK_NSEC;
                due.tv_sec += due.tv_nsec / 1000000000;
                due.tv_nsec %= 1000000000;
                if (pthread_cond_clockwait(&p->changed, &p->mutex, CLOCK_MONOTONIC, &due) != ETIMEDOUT)
                        continue;
                pthread_mutex_unlock(&p->mutex);
                if (p->options.cancelled(p->options.cancelled_userdata))
                        parts_fail(p, -ECANCELED, "Cancelled");
                pthread_mutex_lock(&p->mutex);
        }
        r = told_error(p, reterr);
        pthread_mutex_unlock(&p->mutex);
        return r;
}

/* The lowest one that is not taken, if it is ready; any order: the lowest that is ready. */
static Slot *find_ready(const Parts *p) {
        Slot *found = NULL;

        for (size_t i = 0; i < p->n_slots; i++) {
                Slot *s = &p->slots[i];

                if (s->state == SLOT_FREE || s->state == SLOT_TAKEN ||
                    (!p->options.in_order && s->state != SLOT_READY))
                        continue;
                if (!found || s->part.index < found->part.index)
                        found = s;
        }
        return found && found->state == SLOT_READY ? found : NULL;
}

int parts_take(Parts *p, RangePart **ret, Fault *reterr) {
        Slot *s = NULL;
        int r;

        pthread_mutex_lock(&p->mutex);
        while (p->error == 0 && p->n_done < p->n_parts && !(s = find_ready(p)))
                pthread_cond_wait(&p->changed, &p->mutex);
        r = told_error(p, reterr);
        if (r == 0 && !s)
                r = RANGES_E_END;
        if (r == 0) {
                s->state = SLOT_TAKEN;
                *ret = &s->part;
        }
        pthread_mutex_unlock(&p->mutex);
        return r;
}

/* With the lock, which it gives back. */
static void tell(Parts *p) {
        bool wake = p->hungry;

        p->hungry = false;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
        if (wake)
                p->wake(p->userdata);
}

void parts_release(Parts *p, RangePart *part) {
        Slot *s = (Slot *) part;

        pthread_mutex_lock(&p->mutex);
        s->state = SLOT_FREE;
        p->n_done++;
        tell(p);
}

void parts_reject(Parts *p, RangePart *part) {
        Slot *s = (Slot *) part;

        pthread_mutex_lock(&p->mutex);
        p->rejected += part->length;
        if ((s->givers & (s->givers - 1)) == 0) {
                s->wrong |= s->givers;
                p->wrong[part->mirror]++;
                p->wrong_at[part->mirror] = part->offset;
        } else
                s->pure = true;
        s->state = SLOT_WANTED;
        s->filled = 0;
        s->givers = 0;
        p->hungry = true;
        tell(p);
}

static Slot *slot_of(const Parts *p, size_t index) {
        for (size_t i = 0; i < p->n_slots; i++)
                if (p->slots[i].state != SLOT_FREE && p->slots[i].part.index == index)
                        return &p->slots[i];
        return NULL;
}

/* The next part that was never asked for, in a free slot; NULL: no such part or slot. */
static Slot *assign(Parts *p) {
        for (size_t i = 0; p->next < p->n_parts && i < p->n_slots; i++) {
                Slot *s = &p->slots[i];

                if (s->state != SLOT_FREE)
                        continue;
                s->part.index = p->next++;
                get_part(p, s->part.index, &s->part.offset, &s->part.length);
                s->state = SLOT_WANTED;
                s->filled = s->fillers = 0;
                s->givers = s->wrong = 0;
                s->pure = s->again = false;
                return s;
        }
        return NULL;
}

/* What is to be of one mirror is continued by that one alone; parts_forget() frees it. */
static bool is_for(const Slot *s, uint64_t bit) {
        return s && s->state == SLOT_WANTED && !(s->wrong & bit) &&
               !(s->pure && s->givers && s->givers != bit);
}

static Slot *first_wanted(Parts *p, uint64_t bit) {
        Slot *found = NULL;

        for (size_t i = 0; i < p->n_slots; i++)
                if (is_for(&p->slots[i], bit) && (!found || p->slots[i].part.index < found->part.index))
                        found = &p->slots[i];
        return found ?: assign(p);
}

static void cover(Slot *s, Cover *ret) {
        s->state = SLOT_FILLING;
        s->fillers++;
        *ret = (Cover){ s, s->generation, s->part.offset, s->part.length };
}

size_t parts_pick(Parts *p, size_t mirror, size_t max, uint64_t (*end)(uint64_t offset, void *userdata),
                  void *userdata, Cover *ret, uint64_t *ret_from) {
        uint64_t bit = UINT64_C(1) << mirror, limit = 0;
        size_t n = 0;
        Slot *s;

        pthread_mutex_lock(&p->mutex);
        s = first_wanted(p, bit);
        if (s) {
                *ret_from = s->part.offset + s->filled;
                limit = end(*ret_from, userdata);
        }
        while (s) {
                const RangePart *last = &s->part;

                cover(s, &ret[n++]);
                if (n == max || last->offset + last->length >= limit)
                        break;
                s = last->index + 1 == p->next ? assign(p) : slot_of(p, last->index + 1);
                if (!is_for(s, bit) || s->filled > 0 || s->part.offset != last->offset + last->length)
                        break;
        }
        if (n == 0)
                p->hungry = true;
        pthread_mutex_unlock(&p->mutex);
        return n;
}

size_t parts_share(Parts *p, size_t mirror, const Cover *from, size_t n, Cover *ret, uint64_t *ret_from) {
        uint64_t bit = UINT64_C(1) << mirror;
        size_t k = 0;

        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < n; i++) {
                Slot *s = from[i].slot;

                if (!cover_valid(&from[i])) {
                        if (k > 0)
                                break;
                        continue;
                }
                if (s->pure || (s->wrong & bit) || s->fillers > 1 || (k > 0 && s->filled > 0))
                        break;
                if (k == 0)
                        *ret_from = s->part.offset + s->filled;
                cover(s, &ret[k++]);
        }
        pthread_mutex_unlock(&p->mutex);
        return k;
}

void parts_leave(Parts *p, const Cover *covers, size_t n) {
        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < n; i++) {
                Slot *s = covers[i].slot;

                if (cover_valid(&covers[i]) && --s->fillers == 0)
                        s->state = SLOT_WANTED;
        }
        pthread_mutex_unlock(&p->mutex);
}

void parts_filled(Parts *p, Slot *slot, size_t mirror, uint64_t received) {
        pthread_mutex_lock(&p->mutex);
        p->received = received;
        slot->generation++;
        slot->fillers = 0;
        slot->part.mirror = mirror;
        slot->state = SLOT_READY;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
}

void parts_forget(Parts *p, size_t mirror) {
        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < p->n_slots; i++) {
                Slot *s = &p->slots[i];

                if (s->state == SLOT_WANTED && (s->givers & (UINT64_C(1) << mirror))) {
                        s->filled = 0;
                        s->givers = 0;
                }
        }
        pthread_mutex_unlock(&p->mutex);
}

bool parts_has_suspect(Parts *p) {
        bool suspect = false;

        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < p->n_slots && !suspect; i++)
                suspect = p->slots[i].state == SLOT_WANTED && (p->slots[i].wrong || p->slots[i].pure);
        pthread_mutex_unlock(&p->mutex);
        return suspect;
}

bool parts_hopeless(Parts *p, uint64_t alive, uint64_t *ret_offset, uint32_t *ret_length) {
        bool hopeless = false;

        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < p->n_slots && !hopeless; i++) {
                Slot *s = &p->slots[i];

                if (s->state != SLOT_WANTED || (alive & ~s->wrong))
                        continue;
                hopeless = s->again;
                s->again = true;
                s->wrong = 0;
                *ret_offset = s->part.offset;
                *ret_length = s->part.length;
        }
        pthread_mutex_unlock(&p->mutex);
        return hopeless;
}
