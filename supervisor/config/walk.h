#pragma once
/*
 * The statements of a file, by its tokens: which keys and sections stand where,
 * and what of them the schema does not allow.
 */
#include "config/file.h"
#include "config/scan.h"

/* Fills file->seen and file->faults; blanks in @text what libconfuse would stop at. 0 or -ENOMEM. */
int config_walk(ConfigFile *file, const ConfigSchema *schema, char *text, size_t size,
                const TokenList *tokens);
