/* The stack, the data, main. */
    .section .start, "ax"
    .globl _start
_start:
    la sp, board_stack_top
    la a0, board_data_from
    la a1, board_data
    la a2, board_data_end
1:  bgeu a1, a2, 2f
    lw a3, 0(a0)
    sw a3, 0(a1)
    addi a0, a0, 4
    addi a1, a1, 4
    j 1b
2:  la a1, board_bss
    la a2, board_bss_end
3:  bgeu a1, a2, 4f
    sw zero, 0(a1)
    addi a1, a1, 4
    j 3b
4:  call main
    li a0, 0
    j board_exit
