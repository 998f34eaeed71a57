/*
 * This machine's architecture is that of the program at hand: the linker
 * gives it its own ELF header, so neither /proc nor uname() is asked and a
 * 32-bit userland on a 64-bit kernel compares right.
 */
#include "upgrade/binary.h"

#include <elf.h>
#include <link.h>
#include <string.h>

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static const char *machine_name(unsigned machine, char buffer[static 24]) {
        switch (machine) {
        case EM_X86_64:
                return "x86-64";
        case EM_AARCH64:
                return "AArch64";
        case EM_RISCV:
                return "RISC-V";
        case EM_386:
                return "i386";
        case EM_ARM:
                return "ARM";
        case EM_PPC64:
                return "ppc64";
        case EM_S390:
                return "s390x";
        default:
                snprintf(buffer, 24, "ELF machine %u", machine);
                return buffer;
        }
}

bool binary_is_bare(const void *head, size_t size) {
        return (size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) ||
               (size >= 2 && memcmp(head, "#!", 2) == 0);
}

int binary_check(int fd, const char *path, Fault *reterr) {
        unsigned char head[BINARY_HEAD];
        char is[24], ours[24];
        unsigned machine;
        uint16_t raw;
        ssize_t n;

        n = pread(fd, head, sizeof head, 0);
        if (n < 0)
                return fault_errno(reterr, -errno, "Failed to read '%s'", path);
        if (!binary_is_bare(head, (size_t) n))
                return fault_set(reterr, -ENOEXEC,
                                 "'%s' is no program: expected an ELF binary or a script that begins "
                                 "with '#!'",
                                 path);
        if (head[0] == '#')
                return 0;
        if ((size_t) n < sizeof(Elf64_Ehdr))
                return fault_set(reterr, -ENOEXEC, "'%s' is a truncated ELF file of %zd bytes", path, n);
        memcpy(&raw, head + offsetof(ElfW(Ehdr), e_machine), sizeof raw); /* at one place in both classes */
        machine = head[EI_DATA] == __ehdr_start.e_ident[EI_DATA] ? raw : (unsigned) __builtin_bswap16(raw);
        if (machine != __ehdr_start.e_machine || head[EI_DATA] != __ehdr_start.e_ident[EI_DATA] ||
            head[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS])
                return fault_set(reterr, -ENOEXEC,
                                 "'%s' is a binary for %s (%d bit), this machine is %s (%d bit)", path,
                                 machine_name(machine, is), head[EI_CLASS] == ELFCLASS32 ? 32 : 64,
                                 machine_name(__ehdr_start.e_machine, ours),
                                 __ehdr_start.e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64);
        return 0;
}
