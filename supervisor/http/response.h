#pragma once
/*
 * What http/fetch.c and http/transfer.c both need of libcurl.
 */
#include <curl/curl.h>
#include <stdbool.h>

#define HEADERS_MAX (64 * 1024)

/* http and https, nothing else. */
void response_only_http(CURL *curl);

bool response_is_redirect(long code);

/* If @line is the header @name, its value without blanks around replaces *field. False when memory ran out.
 */
bool response_take_header(const char *line, size_t size, const char *name, char **field);
