#pragma once
/*
 * One configuration file: a table of keys, read by libconfuse into a struct.
 * Every fault of the file is gathered; unknown, repeated and misshapen keys are
 * blanked out and reading goes on, so one pass tells them all.
 */
#include "config/faults.h"

typedef struct ConfigKey ConfigKey;

/*
 * Stores one value (of a list: one element). @title is the section's name in
 * "reference NAME { }", else NULL. 0; -EINVAL with what was expected; -ENOMEM.
 */
typedef int (*ConfigSetter)(void *target, const ConfigKey *key, const char *title, const char *value,
                            Fault *reterr);

struct ConfigKey {
        const char *section; /* NULL: top level */
        const char *name;
        ConfigSetter set;
        size_t offset;     /* of the field in the target */
        uint64_t min, max; /* for those setters that look at them */
        bool list;
};

typedef struct ConfigSchema {
        const ConfigKey *keys; /* keys of one section stand together */
        size_t n_keys;
        const char *titled; /* the section that has a name and may be repeated; may be NULL */
} ConfigSchema;

/* Where a key or (key NULL) a section stands. */
typedef struct ConfigSeen {
        const char *section, *key; /* the schema's strings */
        char *title;
        unsigned line;
} ConfigSeen;

typedef struct ConfigFile {
        FaultList faults;
        ConfigSeen *seen;
        size_t n_seen;
        bool cut;  /* the rest of the file was not understood: a key that is missing may stand there */
        bool open; /* and it was cut inside of a section */
} ConfigFile;

/*
 * Reads the bytes: at most 256 KiB of a regular file that not everybody may
 * write. -errno (-ENOENT: there is none), -EINVAL, -EFBIG.
 */
int config_file_load(const char *path, char **ret, size_t *ret_size, Fault *reterr);

/*
 * @text is changed. The schema's setters are called in the order of the file.
 * 0 whatever faults were found (see fault_list_report()), or -ENOMEM.
 */
int config_file_parse(ConfigFile *file, const ConfigSchema *schema, char *text, size_t size, void *target);

/* The line where the key (NULL: the section) stands, 0 if it does not. */
unsigned config_file_line(const ConfigFile *file, const char *section, const char *key, const char *title);

/* NULL if the schema has none. */
const ConfigKey *config_schema_key(const ConfigSchema *schema, const char *section, const char *name);

/* "section.name" or "name", owned; NULL: out of memory. */
char *config_key_name(const char *section, const char *name);

void config_file_done(ConfigFile *file);
#define cleanup_config_file_ cleanup_(config_file_done)
