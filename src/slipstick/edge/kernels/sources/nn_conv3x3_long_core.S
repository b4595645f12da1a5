/* One filter after the other at four pixels, two in a product, for Armv7-M: see nn_conv3x3_long_core.c, which computes
 * the same. 10.5 instructions for 12 products of a channel: LDM 1, LDRSB 3, SMLAL 6, loop 0.5 (four channels a turn).
 * r0 window, r1 stream, r2 weight, r3 end of the window, r4 to r8 pairs of columns, r9 r10 and r11 r12 pairs of sums,
 * lr bias. */
#include "nn_requant_v7m.h"
        .syntax unified
        .thumb
        .text

        .macro  TAP     left, right
        ldrsb   r2, [r1], #1
        smlal   r9, r10, r2, \left
        smlal   r11, r12, r2, \right
        .endm

        .macro  CHANNEL
        ldmia   r0!, {r4-r8}
        TAP     r4, r6
        TAP     r5, r7
        TAP     r6, r8
        .endm

        .macro  SPLIT   low, high, lower, upper
        sbfx    \lower, \low, #0, #23
        adds    \low, \low, #0x400000
        adc     \high, \high, #0
        lsr     \low, \low, #23
        orr     \upper, \low, \high, lsl #9
        .endm

        .global nn_conv3x3_long_core
        .type   nn_conv3x3_long_core, %function
        .thumb_func
nn_conv3x3_long_core:
        ENTER
        BIASES
        mov     r9, #0
        mov     r10, #0
        mov     r11, #0
        mov     r12, #0
2:      CHANNEL
        CHANNEL
        CHANNEL
        CHANNEL
        cmp     r0, r3
        bne     2b
        SPLIT   r9, r10, r4, r5
        SPLIT   r11, r12, r6, r7
        add     r10, r4, lr
        add     r11, r5, lr
        add     r12, r6, lr
        add     lr, r7, lr
        FILTER_ENDS
        .size   nn_conv3x3_long_core, . - nn_conv3x3_long_core
