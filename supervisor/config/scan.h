#pragma once
/*
 * What is checked about a file's characters before libconfuse reads it, and
 * the tokens that recovery after an unknown key needs. The lexical rules are
 * libconfuse's own: words, "..." and '...' strings, # // and block comments.
 */
#include <stddef.h>
#include "config/faults.h"

#define CONFIG_FILE_MAX ((size_t) 256 * 1024)

typedef struct ConfigToken {
        char type; /* 'w' word, 'q' quoted string, else the punctuation itself ('+' is "+=") */
        unsigned line;
        size_t start, end; /* offsets; of a quoted string without its quotes */
} ConfigToken;

typedef struct TokenList {
        ConfigToken *items;
        size_t n;
} TokenList;

/*
 * Replaces comments in @text by blanks (lines keep their numbers) and lists the
 * tokens. What cannot be read safely becomes a fault. An open string or comment
 * is blanked to the end of @text and *ret_cut tells so. 0 or -ENOMEM.
 */
int config_scan(char *text, size_t size, FaultList *faults, TokenList *ret, bool *ret_cut);

/* Overwrites with blanks all but line ends. */
void config_blank(char *text, size_t start, size_t end);

void token_list_done(TokenList *list);
#define cleanup_token_list_ cleanup_(token_list_done)
