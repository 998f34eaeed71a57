#pragma once
/*
 * Setters for a schema's keys, by the type of the field: each stores one value
 * at key->offset of the target. See ConfigSetter in file.h.
 */
#include "config/file.h"

#define CONFIG_LIST_MAX 1024 /* elements */

int config_set_text(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr);
int config_set_path(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr);
int config_set_url(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr);
int config_set_bool(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr);
int config_set_signal(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr);
int config_set_duration(void *target, const ConfigKey *key, const char *title, const char *value,
                        Fault *reterr);
int config_set_size(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr);
int config_set_count(void *target, const ConfigKey *key, const char *title, const char *value,
                     Fault *reterr);

/* Appends to a char **; -EINVAL beyond CONFIG_LIST_MAX. */
int config_append(void *target, const ConfigKey *key, const char *value, Fault *reterr);
