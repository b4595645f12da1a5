/* One filter after the other at four pixels, two in a word, for Armv7-M: see nn_conv_pairs_core.c, which computes the same.
 * For 8 products of two values: LDM 1, LDRSB 2, MLA 4, four additions, or two where four taps fit, loop 0.75 (eight values
 * a turn). r0 window, r1 stream, r2 weight, r3 2^15, r4 to r7 two values of four pixels, r8 r9 sums of few products,
 * r10 r11 and r12 lr what both and the upper halves add up to. */
#include "nn_requant_v7m.h"
        .syntax unified
        .thumb
        .text

        .macro  TWO     first, second
        ldmia   r0!, {r4-r7}
        ldrsb   r2, [r1], #1
        mla     r8, r2, r4, \first
        mla     r9, r2, r5, \second
        ldrsb   r2, [r1], #1
        mla     r8, r2, r6, r8
        mla     r9, r2, r7, r9
        .endm

        .macro  SUMS
        add     r10, r10, r8
        add     r11, r11, r8, asr #16
        add     r12, r12, r9
        add     lr, lr, r9, asr #16
        .endm

        .macro  AGAIN   turn
        ldr     r2, [sp, #4]
        cmp     r0, r2
        bne     \turn
        .endm

        .global nn_conv_pairs_core
        .type   nn_conv_pairs_core, %function
        .thumb_func
nn_conv_pairs_core:
        ENTER
        ldr     r0, [sp]
        ldr     r4, [r1], #4
        mov     r3, #0x8000
        asrs    r11, r4, #1
        mov     lr, r11
        add     r10, r11, r11, lsl #16
        mov     r12, r10
        bcs     4f
2:      .rept   4
        TWO     r3, r3
        SUMS
        .endr
        AGAIN   2b
        b       6f
4:      .rept   2
        TWO     r3, r3
        TWO     r8, r9
        SUMS
        .endr
        AGAIN   4b
        ldr     r4, [r2, #16]
        add     r10, r10, r4
        add     r12, r12, r4
6:      ldm     r2, {r4-r7}
        sub     r10, r10, r11, lsl #16
        sub     r12, r12, lr, lsl #16
        add     r10, r10, r4
        add     r11, r11, r5
        add     r12, r12, r6
        add     lr, lr, r7
        FILTER_ENDS
        .size   nn_conv_pairs_core, . - nn_conv_pairs_core
