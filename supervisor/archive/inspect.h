#pragma once
/*
 * A manifest, for people and for their programs.
 */
#include "archive/manifest.h"
#include "util/json.h"

/* Lines "Key: value". */
void inspect_text(const Manifest *m, FILE *f);

/* New reference, NULL without memory. */
json_t *inspect_json(const Manifest *m);

/* One line a file: mode, size, time, path. */
void inspect_files(const Manifest *m, FILE *f);

/* New reference: an array of {"path","directory","size","mode","mtime"}. */
json_t *inspect_files_json(const Manifest *m);
