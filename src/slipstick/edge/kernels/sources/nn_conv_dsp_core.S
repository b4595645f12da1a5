/* All filters at four pixels by windows of any size, for Armv7E-M: see nn_conv_dsp_core.c, which computes the same.
 * 6.4 instructions for 8 products of a pair: LDM 1, LDRD 0.25, SXTB16 1, SMLAD 4, loop 0.2 (eight values and four
 * turns). r0 window, r1 stream, r2 r3 weights, r4 a pair of them, r5 to r8 four pixels, r9 end of the window,
 * r10 r11 r12 lr sums of four pixels. */
#include "nn_requant_dsp.h"
        .syntax unified
        .thumb
        .text

        .macro  PAIR
        ldmia   r0!, {r5-r8}
        smlad   r10, r4, r5, r10
        smlad   r11, r4, r6, r11
        smlad   r12, r4, r7, r12
        smlad   lr, r4, r8, lr
        .endm

        .macro  EIGHT
        ldrd    r2, r3, [r1], #8
        sxtb16  r4, r2
        PAIR
        sxtb16  r4, r2, ror #8
        PAIR
        sxtb16  r4, r3
        PAIR
        sxtb16  r4, r3, ror #8
        PAIR
        .endm

        .global nn_conv_dsp_core
        .type   nn_conv_dsp_core, %function
        .thumb_func
nn_conv_dsp_core:
        ENTER
        FIRST_TURN r0, r2, 6, 100       /* 64 bytes a block */
1:      ldrd    r0, r9, [sp, #WINDOW]
        ldr     r4, [r1], #4            /* the bias, and behind the window each pixel's share of the weights' offset */
        ldm     r9, {r10, r11, r12, lr}
        add     r10, r10, r4
        add     r11, r11, r4
        add     r12, r12, r4
        add     lr, lr, r4
        ldr     pc, [sp, #TURN]
2:      EIGHT
3:      EIGHT
        EIGHT
        EIGHT
        cmp     r0, r9
        bne     2b
        .if     (3b - 2b) - 100
        .error  "a block of another size"
        .endif
        FILTER_ENDS 1b
        LEAVE
        .size   nn_conv_dsp_core, . - nn_conv_dsp_core
