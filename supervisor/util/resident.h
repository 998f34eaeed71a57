#pragma once
/*
 * Giving back what only the start of a long-lived process touched.
 */

/*
 * Drops this process's mapped pages of code and constants, its libraries'
 * included, and what the heap has free at its end. Nothing is lost: what is
 * used again comes back from the page cache, at the cost of a minor fault for
 * each 64 KiB. Safe at any time; does nothing where the kernel refuses.
 */
void resident_give_back(void);
