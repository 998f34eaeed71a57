#pragma once
/*
 * Addresses of RPC endpoints as text.
 */

/* Puts @path (may be NULL or "") behind @url's own, before the query if there is one. Owned; NULL without
 * memory. */
char *url_join(const char *url, const char *path);

/* @url with "***" in place of its password, for messages. Owned; NULL without memory. */
char *url_without_password(const char *url);
