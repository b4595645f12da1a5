/* All filters at four pixels by windows of 3 x 3, for Armv7E-M: see nn_conv3x3_dsp_core.c, which computes the same.
 * 17.9 instructions for 24 products of two channels: LDM 1, LDR 1.5, SXTB16 3, SMLAD 12, loop 0.4 (eight pairs a turn).
 * r0 window, r1 stream, r2 and r3 weights, r4 to r9 six columns, r10 r11 r12 lr sums of four pixels. */
#include "nn_requant_dsp.h"
        .syntax unified
        .thumb
        .text

        .macro  TAP     weights, a, b, c, d
        smlad   r10, \weights, \a, r10
        smlad   r11, \weights, \b, r11
        smlad   r12, \weights, \c, r12
        smlad   lr, \weights, \d, lr
        .endm

        .macro  FOUR_CHANNELS
        ldmia   r0!, {r4-r9}
        ldr     r2, [r1], #4
        sxtb16  r3, r2
        TAP     r3, r4, r5, r6, r7
        sxtb16  r2, r2, ror #8
        TAP     r2, r5, r6, r7, r8
        ldr     r2, [r1], #4
        sxtb16  r3, r2
        TAP     r3, r6, r7, r8, r9
        ldmia   r0!, {r4-r9}
        sxtb16  r2, r2, ror #8
        TAP     r2, r4, r5, r6, r7
        ldr     r2, [r1], #4
        sxtb16  r3, r2
        TAP     r3, r5, r6, r7, r8
        sxtb16  r2, r2, ror #8
        TAP     r2, r6, r7, r8, r9
        .endm

        .global nn_conv3x3_dsp_core
        .type   nn_conv3x3_dsp_core, %function
        .thumb_func
nn_conv3x3_dsp_core:
        ENTER
        FIRST_TURN r2, r0, 4, 140       /* 48 bytes a block: three times n, which is -n modulo 4 */
1:      ldr     r0, [sp, #WINDOW]
        FILTER_BEGINS
2:      FOUR_CHANNELS
3:      FOUR_CHANNELS
        FOUR_CHANNELS
        FOUR_CHANNELS
        ldr     r3, [sp, #WINDOW_END]
        cmp     r0, r3
        bne     2b
        .if     (3b - 2b) - 140
        .error  "a block of another size"
        .endif
        FILTER_ENDS 1b
        LEAVE
        .size   nn_conv3x3_dsp_core, . - nn_conv3x3_dsp_core
