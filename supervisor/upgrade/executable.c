#include "upgrade/executable.h"
#include "upgrade/binary.h"
#include "util/text.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

typedef struct Head {
        unsigned char bytes[4096]; /* ELF and program headers of real binaries, or a "#!" line */
        size_t size;
} Head;

static int read_head(int fd, Head *head) {
        ssize_t n = pread(fd, head->bytes, sizeof head->bytes - 1, 0);

        if (n < 0)
                return -errno;
        head->size = (size_t) n;
        head->bytes[n] = 0;
        return 0;
}

/* PT_INTERP of a native 64-bit binary, or the "#!" line's program. False: none that could be read. */
static bool find_interpreter(const Head *head, char ret[static PATH_MAX]) {
        const Elf64_Ehdr *elf = (const Elf64_Ehdr *) (const void *) head->bytes;

        if (head->size > 2 && memcmp(head->bytes, "#!", 2) == 0) {
                const char *start = (const char *) head->bytes + 2;

                start += strspn(start, " \t");
                snprintf(ret, PATH_MAX, "%.*s", (int) strcspn(start, " \t\n"), start);
                return true;
        }
        if (head->size < sizeof *elf || memcmp(head->bytes, ELFMAG, SELFMAG) != 0 ||
            head->bytes[EI_CLASS] != ELFCLASS64 || elf->e_phentsize != sizeof(Elf64_Phdr) ||
            elf->e_phoff > head->size)
                return false;
        for (size_t i = 0; i < elf->e_phnum; i++) {
                size_t at = elf->e_phoff + i * sizeof(Elf64_Phdr);
                Elf64_Phdr segment;

                if (at + sizeof segment > head->size)
                        return false;
                memcpy(&segment, head->bytes + at, sizeof segment);
                if (segment.p_type != PT_INTERP)
                        continue;
                if (segment.p_offset >= head->size || segment.p_filesz > head->size - segment.p_offset)
                        return false;
                snprintf(ret, PATH_MAX, "%.*s", (int) segment.p_filesz,
                         (const char *) head->bytes + segment.p_offset);
                return true;
        }
        return false;
}

static int explain_access(const char *path, int r, Fault *reterr) {
        struct statvfs fs;
        struct stat st;

        if (stat(path, &st) >= 0 && S_ISREG(st.st_mode) && !(st.st_mode & 0111))
                return fault_set(reterr, r, "'%s' is not executable: its mode is %04o, expected 0755", path,
                                 st.st_mode & 07777);
        if (statvfs(path, &fs) >= 0 && fs.f_flag & ST_NOEXEC)
                return fault_set(reterr, r,
                                 "'%s' is mounted noexec, or outside of the unit's ExecPaths=: change that",
                                 path);
        return fault_set(
                reterr, r,
                "User %u may not execute '%s': check the modes of the file and of every directory above "
                "it, and ExecPaths= of the unit",
                (unsigned) geteuid(), path);
}

int executable_explain(const char *path, int r, Fault *reterr) {
        char interpreter[PATH_MAX];
        Head head = { .size = 0 };
        cleanup_fd_ int fd = -1;
        int k;

        if (r == -EACCES || r == -EPERM)
                return explain_access(path, r, reterr);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        k = fd < 0 ? -errno : read_head(fd, &head);
        if (k < 0)
                return fault_errno(reterr, k, "Failed to read the binary '%s'", path);
        if (r == -ENOENT && find_interpreter(&head, interpreter))
                return fault_set(reterr, r,
                                 "'%s' needs the interpreter '%s', which is not on this host: install it",
                                 path, interpreter);
        if (r == -ENOEXEC && binary_check(fd, path, reterr) == -ENOEXEC)
                return r;
        return fault_errno(reterr, r, "Failed to execute '%s'", path);
}
