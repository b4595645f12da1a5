/* One filter after the other at four pixels by windows of 3 x 3, for Armv7-M: see nn_conv3x3_core.c, which computes the
 * same. 16.5 instructions for 12 products of a channel: LDM 1, LDRSB 3, MLA 12, loop 0.5 (four channels a turn).
 * r0 window, r1 stream, r2 weight, r3 end of the window, r4 to r9 six columns, r10 r11 r12 lr sums of four pixels. */
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

        .macro  CODE    sum
        smull   r3, r7, \sum, r4
        adds    r3, r3, #0x80000000
        adc     \sum, \sum, r7          /* the rounded upper half, and the sum */
        add     \sum, \sum, \sum, asr #31
        add     \sum, \sum, r5
        asr     \sum, \sum, r6
        ssat    \sum, #8, \sum
        .endm

        .macro  LEFT_CODE sum
        lsl     \sum, \sum, r6
        smull   r3, r7, \sum, r4
        adds    r3, r3, #0x80000000
        adc     \sum, \sum, r7
        add     \sum, \sum, r5
        ssat    \sum, #8, \sum
        .endm

        .global nn_conv3x3_core
        .type   nn_conv3x3_core, %function
        .thumb_func
nn_conv3x3_core:
        push    {r4-r11, lr}
        ldrd    r4, r5, [sp, #36]       /* filters, distance between pixels */
        sub     sp, sp, #20
        add     r4, r4, r3
        stm     sp, {r0, r2, r3, r4, r5} /* window, its end, output, its end, distance */
1:      ldrd    r0, r3, [sp]
        ldr     r10, [r1], #4
        mov     r11, r10
        mov     r12, r10
        mov     lr, r10
2:      CHANNEL
        CHANNEL
        CHANNEL
        CHANNEL
        cmp     r0, r3
        bne     2b
        ldm     r1!, {r4-r6}            /* twice the multiplier less 2^32, rounding, shift to the right */
        cmp     r6, #0
        beq     5f
        CODE    r10
        CODE    r11
        CODE    r12
        CODE    lr
3:      add     r2, sp, #8
        ldm     r2, {r7-r9}
        strb    r11, [r7, r9]
        add     r3, r7, r9, lsl #1
        strb    r12, [r3]
        strb    lr, [r3, r9]
        strb    r10, [r7], #1
        str     r7, [sp, #8]
        cmp     r7, r8
        bne     1b
        add     sp, sp, #20
        pop     {r4-r11, pc}
5:      asr     r6, r5, #16             /* shift to the left, and the output's offset */
        sxth    r5, r5
        LEFT_CODE r10
        LEFT_CODE r11
        LEFT_CODE r12
        LEFT_CODE lr
        b       3b
        .size   nn_conv3x3_core, . - nn_conv3x3_core
