/*
 * libcurl brings forty libraries, TLS, LDAP and Kerberos among them. Loading and
 * initialising them maps some 9 MiB of clean file pages, of which a supervisor
 * that polls its nodes uses a third. They would stay mapped until the machine is
 * short of memory.
 *
 * Only segments that were never writable are dropped: relocated data
 * (PT_GNU_RELRO) lies in a writable segment, and dropping that would undo the
 * relocation. Debian builds no library with text relocations; one that has them
 * is left alone.
 */
#include "util/resident.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

typedef ElfW(Dyn) Dynamic;
typedef ElfW(Phdr) Segment;
typedef ElfW(Addr) Address;

/* Where code itself was relocated, the file's bytes are not what must be there. */
static bool has_text_relocations(const struct dl_phdr_info *object) {
        for (unsigned i = 0; i < object->dlpi_phnum; i++) {
                const Segment *segment = &object->dlpi_phdr[i];
                const Dynamic *d = (const Dynamic *) (object->dlpi_addr + segment->p_vaddr);

                for (; segment->p_type == PT_DYNAMIC && d->d_tag != DT_NULL; d++)
                        if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL)))
                                return true;
        }
        return false;
}

/* The kernel's own pages (vdso) have no file behind them. */
static bool is_from_a_file(const struct dl_phdr_info *object) {
        for (unsigned i = 0; i < object->dlpi_phnum; i++)
                if (object->dlpi_phdr[i].p_type == PT_GNU_RELRO)
                        return true;
        return false;
}

static int give_back_object(struct dl_phdr_info *object, size_t size, void *userdata) {
        Address page = (Address) sysconf(_SC_PAGESIZE);

        if (!is_from_a_file(object) || has_text_relocations(object))
                return 0;
        for (unsigned i = 0; i < object->dlpi_phnum; i++) {
                const Segment *segment = &object->dlpi_phdr[i];
                Address from = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
                Address to = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);

                if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && from < to)
                        (void) madvise((void *) from, to - from, MADV_DONTNEED);
        }
        return 0;
}

void resident_give_back(void) {
        (void) malloc_trim(0);
        (void) dl_iterate_phdr(give_back_object, NULL);
}
