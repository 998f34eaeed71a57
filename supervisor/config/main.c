#include "config/set.h"
#include "config/setter.h"

#include <stddef.h>

#define MSEC USEC_PER_MSEC
#define SEC  USEC_PER_SEC
#define DAY  (86400 * SEC)

static const ConfigKey keys[] = {
        { .name = "poll",
          .set = config_set_duration,
          .offset = offsetof(MainConfig, poll),
          .min = 50 * MSEC,
          .max = 3600 * SEC },
        { .name = "journal_keep",
          .set = config_set_duration,
          .offset = offsetof(MainConfig, journal_keep),
          .min = 3600 * SEC,
          .max = UINT64_MAX },
};

static const ConfigSchema schema = { keys, ELEMENTSOF(keys), NULL };

MainConfig main_config_default(void) {
        return (MainConfig){ .journal_keep = 400 * DAY };
}

int main_config_read(const char *path, MainConfig *ret, Fault *reterr) {
        MainConfig config = main_config_default();
        ConfigFile file = { .faults.path = path };
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = config_file_load(path, &text, &size, &fault);
        if (r == -ENOENT) {
                *ret = config;
                return 0;
        }
        if (r < 0)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        r = config_file_parse(&file, &schema, text, size, &config);
        if (r >= 0)
                r = fault_list_report(&file.faults, reterr);
        config_file_done(&file);
        if (r < 0)
                return r;
        *ret = config;
        return 0;
}
