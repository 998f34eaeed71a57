#pragma once
/*
 * Base64 (RFC 4648 section 4), strict: canonical padding, unused bits zero.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes @size characters; blanks, tabs, CR and LF between them are skipped.
 * -EBADMSG for anything else, including nothing at all; -ENOMEM. *ret is owned.
 */
int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size);
