/* Sums of one filter at four pixels, two in a word, for Armv6-M: see nn_conv_pairs_thumb_core.c. For 8 products of two
 * values: LDM 1, weights 3.5, MUL 4, ADD 2, eight to split the sums, loop 0.5 (eight values a turn).
 * r0 window, r1 weights, r2 a weight, r3 four of them, r4 to r7 two values of four pixels, r8 r9 and r10 r11 what both
 * and the upper halves add up to, r12 2^15, lr end of the window. */
        .syntax unified
        .thumb
        .text

        .macro  TWO
        muls    r6, r2, r6
        muls    r7, r2, r7
        adds    r4, r4, r6
        adds    r5, r5, r7
        add     r8, r4
        add     r4, r12
        asrs    r4, r4, #16
        add     r9, r4
        add     r10, r5
        add     r5, r12
        asrs    r5, r5, #16
        add     r11, r5
        .endm

        .macro  FOUR_VALUES
        ldm     r1!, {r3}
        ldm     r0!, {r4-r7}
        sxtb    r2, r3
        muls    r4, r2, r4
        muls    r5, r2, r5
        asrs    r3, r3, #8
        sxtb    r2, r3
        TWO
        ldm     r0!, {r4-r7}
        asrs    r3, r3, #8
        sxtb    r2, r3
        muls    r4, r2, r4
        muls    r5, r2, r5
        asrs    r2, r3, #8
        TWO
        .endm

        .global nn_pairs_sums
        .type   nn_pairs_sums, %function
        .thumb_func
nn_pairs_sums:
        push    {r4-r7, lr}
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        push    {r3-r7}
        mov     lr, r2
        ldm     r3!, {r4-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        movs    r2, #1
        lsls    r2, r2, #15
        mov     r12, r2
1:      FOUR_VALUES
        FOUR_VALUES
        cmp     r0, lr
        bne     1b
        ldr     r3, [sp]
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        stm     r3!, {r4-r7}
        pop     {r3-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        pop     {r4-r7, pc}
        .size   nn_pairs_sums, . - nn_pairs_sums
