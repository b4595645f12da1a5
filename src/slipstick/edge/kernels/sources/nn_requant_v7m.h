/* What the cores for Armv7-M without DSP instructions share: the frame, and the codes of sums in r10, r11, r12 and lr.
 * r0 window, r1 stream, r3 end of the window. */
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

        /* label 1 is where a filter begins */
        .macro  ENTER
        push    {r4-r11, lr}
        ldrd    r4, r5, [sp, #36]       /* filters, distance between pixels */
        sub     sp, sp, #20
        add     r4, r4, r3
        stm     sp, {r0, r2, r3, r4, r5} /* window, its end, output, its end, distance */
1:
        .endm

        .macro  BIASES
        ldrd    r0, r3, [sp]
        ldr     r10, [r1], #4
        mov     r11, r10
        mov     r12, r10
        mov     lr, r10
        .endm

        .macro  FILTER_ENDS
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
        .endm
