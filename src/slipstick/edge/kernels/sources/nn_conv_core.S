/* One filter after the other at four pixels by windows of any size, for Armv7-M: see nn_conv_core.c, which computes the
 * same. 6.5 instructions for 4 products of a value: LDM 1, LDRSB 1, MLA 4, loop 0.5 (four values a turn).
 * r0 window, r1 stream, r2 weight, r3 end of the window, r4 to r7 four pixels, r10 r11 r12 lr their sums. */
#include "nn_requant_v7m.h"
        .syntax unified
        .thumb
        .text

        .macro  VALUE
        ldmia   r0!, {r4-r7}
        ldrsb   r2, [r1], #1
        mla     r10, r2, r4, r10
        mla     r11, r2, r5, r11
        mla     r12, r2, r6, r12
        mla     lr, r2, r7, lr
        .endm

        .global nn_conv_core
        .type   nn_conv_core, %function
        .thumb_func
nn_conv_core:
        ENTER
        BIASES
2:      VALUE
        VALUE
        VALUE
        VALUE
        cmp     r0, r3
        bne     2b
        FILTER_ENDS
        .size   nn_conv_core, . - nn_conv_core
