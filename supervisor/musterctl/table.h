#pragma once
/*
 * A table of cells, laid out to the screen: columns are cut with an ellipsis,
 * a row is always one line. Pure but for the stream it is written to.
 */
#include <stddef.h>
#include "musterctl/screen.h"
#include "util/cleanup.h"

#define TABLE_COLUMNS_MAX 10

typedef struct TableColumn {
        const char *title;
        unsigned least; /* cut to no less, as long as other columns can be cut */
        bool right;     /* numbers */
        bool tight;     /* one blank behind it, not two */
} TableColumn;

typedef struct Table Table;

/* @columns is borrowed; 1 to TABLE_COLUMNS_MAX of them. NULL without memory. */
Table *table_new(const TableColumn *columns, size_t n_columns);
Table *table_free(Table *table);
DEFINE_CLEANUP(Table *, table_free)

/* One cell after the other, row by row; @text is copied, NULL is "-". 0 or -ENOMEM. */
int table_add(Table *table, const char *text, Tone tone);

/* Title row and rows. No trailing blanks. */
void table_put(FILE *f, const Screen *screen, const Table *table);
