/* What all cores for Armv7E-M share: the frame, and the codes of four sums in r10, r11, r12 and lr. */
#define WINDOW 0
#define WINDOW_END 4
#define OUTPUT 8
#define OUTPUT_END 12
#define STRIDE 16
#define TURN 20 /* address where a filter begins */
#define FRAME 24

        /* r0 window, r1 stream, r2 end of the window, r3 output; on the stack filters, distance between pixels */
        .macro  ENTER
        push    {r4-r11, lr}
        ldrd    r4, r5, [sp, #36]
        sub     sp, sp, #FRAME
        add     r4, r4, r3
        stm     sp, {r0, r2, r3, r4, r5}
        .endm

        /* A turn takes four blocks of the window, at label 2, each of `bytes` of code; the window has n blocks, and
         * \less - \from bytes with n in bits \bit and \bit + 1. -n modulo 4 blocks are left out of a filter's first turn. */
        .macro  FIRST_TURN from, less, bit, bytes
        sub     r4, \from, \less
        ubfx    r4, r4, #\bit, #2
        mov     r5, #\bytes
        mul     r4, r4, r5
        adr.w   r5, 2f
        add     r4, r4, r5
        orr     r4, r4, #1
        str     r4, [sp, #TURN]
        .endm

        .macro  LEAVE
        add     sp, sp, #FRAME
        pop     {r4-r11, pc}
        .endm

        .macro  FILTER_BEGINS
        ldr     r10, [r1], #4
        mov     r11, r10
        mov     r12, r10
        mov     lr, r10
        ldr     pc, [sp, #TURN]
        .endm

        .macro  CODE    sum
        smmlar  \sum, \sum, r4, \sum
        add     \sum, \sum, \sum, asr #31
        add     \sum, \sum, r5
        asr     \sum, \sum, r6
        ssat    \sum, #8, \sum
        .endm

        .macro  LEFT_CODE sum
        lsl     \sum, \sum, r6
        smmlar  \sum, \sum, r4, \sum
        add     \sum, \sum, r5
        ssat    \sum, #8, \sum
        .endm

        .macro  FILTER_ENDS again
        ldm     r1!, {r4-r6}            /* multiplier, rounding, shift to the right */
        cbz     r6, 8f
        CODE    r10
        CODE    r11
        CODE    r12
        CODE    lr
9:      add     r2, sp, #OUTPUT
        ldm     r2, {r7-r9}             /* output, its end, distance */
        strb    r11, [r7, r9]
        add     r3, r7, r9, lsl #1
        strb    r12, [r3]
        strb    lr, [r3, r9]
        strb    r10, [r7], #1
        str     r7, [sp, #OUTPUT]
        cmp     r7, r8
        bne     \again
        b       7f
8:      asr     r6, r5, #16             /* shift to the left, and the output's offset */
        sxth    r5, r5
        LEFT_CODE r10
        LEFT_CODE r11
        LEFT_CODE r12
        LEFT_CODE lr
        b       9b
7:
        .endm
