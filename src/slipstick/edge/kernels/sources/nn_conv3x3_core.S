/* One filter after the other at four pixels by windows of 3 x 3, for Armv7-M: see nn_conv3x3_core.c, which computes the
 * same. 16.5 instructions for 12 products of a channel: LDM 1, LDRSB 3, MLA 12, loop 0.5 (four channels a turn).
 * r0 window, r1 stream, r2 weight, r3 end of the window, r4 to r9 six columns, r10 r11 r12 lr sums of four pixels. */
#include "nn_requant_v7m.h"
        .syntax unified
        .thumb
        .text

        .macro  TAP     a, b, c, d
        ldrsb   r2, [r1], #1
        mla     r10, r2, \a, r10
        mla     r11, r2, \b, r11
        mla     r12, r2, \c, r12
        mla     lr, r2, \d, lr
        .endm

        .macro  CHANNEL
        ldmia   r0!, {r4-r9}
        TAP     r4, r5, r6, r7
        TAP     r5, r6, r7, r8
        TAP     r6, r7, r8, r9
        .endm

        .global nn_conv3x3_core
        .type   nn_conv3x3_core, %function
        .thumb_func
nn_conv3x3_core:
        ENTER
        BIASES
2:      CHANNEL
        CHANNEL
        CHANNEL
        CHANNEL
        cmp     r0, r3
        bne     2b
        FILTER_ENDS
        .size   nn_conv3x3_core, . - nn_conv3x3_core
