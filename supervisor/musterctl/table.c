/*
 * Layout: every column as wide as its widest cell; while the row is wider than
 * the screen the widest column that may still shrink loses one. Columns that
 * do not fit even then are left out, from the right.
 */
#include "musterctl/table.h"

#include "util/text.h"

typedef struct Cell {
        char *text;
        Tone tone;
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        Cell *cells;
        size_t n_cells;
};

#define TINY 5 /* below this a column tells nothing */

/* Blanks behind a column that is not the last. */
static unsigned gap(const TableColumn *column) {
        return column->tight ? 1 : 2;
}

Table *table_new(const TableColumn *columns, size_t n_columns) {
        Table *t = calloc(1, sizeof(*t));

        if (t) {
                t->columns = columns;
                t->n_columns = n_columns;
        }
        return t;
}

Table *table_free(Table *table) {
        if (!table)
                return NULL;
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        free(table);
        return NULL;
}

int table_add(Table *table, const char *text, Tone tone) {
        Cell *cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));

        if (!cells)
                return -ENOMEM;
        table->cells = cells;
        cells[table->n_cells] = (Cell){ strdup(text ?: "-"), tone };
        if (!cells[table->n_cells].text)
                return -ENOMEM;
        table->n_cells++;
        return 0;
}

static unsigned row_width(const TableColumn *columns, const unsigned *widths, size_t n) {
        unsigned sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += widths[i] + (i + 1 < n ? gap(&columns[i]) : 0);
        return sum;
}

/* The widest column above its least width, or n if there is none. */
static size_t widest(const TableColumn *columns, const unsigned *widths, size_t n, bool respect_least) {
        size_t best = n;

        for (size_t i = 0; i < n; i++)
                if (widths[i] > (respect_least || columns[i].least < TINY ? columns[i].least : TINY) &&
                    (best == n || widths[i] > widths[best]))
                        best = i;
        return best;
}

/* Fills @widths; returns how many columns are shown. */
static size_t lay_out(const Table *t, const Screen *screen, unsigned *widths) {
        size_t n = t->n_columns;

        for (size_t i = 0; i < n; i++)
                widths[i] = text_width(screen, t->columns[i].title);
        for (size_t i = 0; i < t->n_cells; i++) {
                unsigned w = text_width(screen, t->cells[i].text);

                if (w > widths[i % n])
                        widths[i % n] = w;
        }
        if (screen->width == 0)
                return n;
        for (int respect = 1; respect >= 0; respect--)
                while (row_width(t->columns, widths, n) > screen->width) {
                        size_t i = widest(t->columns, widths, n, respect);

                        if (i == n)
                                break;
                        widths[i]--;
                }
        while (n > 1 && row_width(t->columns, widths, n) > screen->width)
                n--;
        return n;
}

static void cell_put(FILE *f, const Screen *screen, const TableColumn *column, const char *text, Tone tone,
                     unsigned width, bool last) {
        if (last && !column->right && text_width(screen, text) < width)
                width = text_width(screen, text);
        text_put_padded(f, screen, text, tone, width, column->right);
        if (!last)
                fprintf(f, "%*s", (int) gap(column), "");
}

void table_put(FILE *f, const Screen *screen, const Table *table) {
        unsigned widths[TABLE_COLUMNS_MAX];
        size_t shown = lay_out(table, screen, widths);

        for (size_t i = 0; i < shown; i++)
                cell_put(f, screen, &table->columns[i], table->columns[i].title, TONE_BOLD, widths[i],
                         i + 1 == shown);
        fputc('\n', f);
        for (size_t row = 0; row < table->n_cells; row += table->n_columns) {
                for (size_t i = 0; i < shown && row + i < table->n_cells; i++) {
                        const Cell *c = &table->cells[row + i];

                        cell_put(f, screen, &table->columns[i], c->text, c->tone, widths[i], i + 1 == shown);
                }
                fputc('\n', f);
        }
}
