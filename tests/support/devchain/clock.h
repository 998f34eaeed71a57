#pragma once
/*
 * Time, always in milliseconds. Timers run on the monotonic clock, block and
 * log times on the wall clock.
 */
#include <stdint.h>

#define CLOCK_TEXT_MAX 32

uint64_t clock_mono_ms(void);
uint64_t clock_real_ms(void);

/* "2025-11-22T12:40:00.123Z": what CometBFT prints and RFC 3339 wants. */
void clock_format(uint64_t real_ms, char ret_text[CLOCK_TEXT_MAX]);
