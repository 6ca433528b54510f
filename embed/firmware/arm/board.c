/* Cortex-M: start, semihosting, and the system timer as a counter of instructions. */
#include "board.h"

#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)

/* BOARD_MHZ: clock of the timer. With -icount shift=0 an instruction takes QEMU one nanosecond. */

extern uint32_t board_stack_top[], board_data_from[], board_data[], board_data_end[];
extern uint32_t board_bss[], board_bss_end[];

int main(void);

static void reset(void)
{
    const uint32_t *from = board_data_from;
    for (uint32_t *to = board_data; to < board_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = board_bss; to < board_bss_end; to++) {
        *to = 0u;
    }
    (void)main();
    board_exit(0);
}

static void fault(void)
{
    board_print("a fault of the processor\n");
    board_exit(0);
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)board_stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
};

static uint32_t host(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_print(const char *text)
{
    (void)host(0x04u, (uintptr_t)text);
}

void board_exit(int passed)
{
    /* Application exit, or an error of no cause that has a number. */
    (void)host(0x18u, passed ? 0x20026u : 0x20023u);
    for (;;) {
    }
}

void board_start(void)
{
    SYST_RVR = 0xffffffu;
    SYST_CVR = 0u;
    SYST_CSR = 5u;
}

uint32_t board_count(void)
{
    return SYST_CVR;
}

uint32_t board_since(uint32_t earlier)
{
    return (uint32_t)((uint64_t)((earlier - SYST_CVR) & 0xffffffu) * 1000u / BOARD_MHZ);
}

uint32_t board_step(void)
{
    return (1000u + BOARD_MHZ - 1u) / BOARD_MHZ;
}

void board_loop(uint32_t rounds)
{
    __asm__ volatile(".syntax unified\n1: subs %0, #1\n bne 1b" : "+l"(rounds) : : "cc");
}

uint32_t *board_stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}
