/* What a board gives to main.c: a console, a counter of instructions, an end. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Starts the counter. */
void board_start(void);

/* Prints a text that ends with a 0, by semihosting. */
void board_print(const char *text);

/* Instructions since an earlier count, in steps of board_step(); QEMU with -icount shift=0. */
uint32_t board_count(void);
uint32_t board_since(uint32_t earlier);

/* Instructions that one step of the counter is, rounded up. */
uint32_t board_step(void);

/* Runs a loop of 2 * `rounds` instructions. */
void board_loop(uint32_t rounds);

/* The lowest address of the stack, and where it is now. */
extern uint32_t board_stack_limit[];
uint32_t *board_stack_pointer(void);

/* Ends the program; QEMU's exit code is 0 where `passed` is not 0, else 1. */
void board_exit(int passed);

#endif
