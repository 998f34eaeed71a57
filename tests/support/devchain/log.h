#pragma once
/*
 * One line an event on stdout: "TIME level text". Never fails.
 */

void log_line(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_info(...)  log_line("info", __VA_ARGS__)
#define log_warn(...)  log_line("warn", __VA_ARGS__)
#define log_error(...) log_line("error", __VA_ARGS__)
