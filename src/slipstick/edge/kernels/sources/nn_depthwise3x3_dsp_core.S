/* One filter at two rows of outputs, for Armv7E-M: see nn_depthwise3x3_dsp_core.c, which computes the same.
 * 33 instructions for two outputs of nine products. r0 columns, r1 output, r2 r3 a column's four rows, r4 to r6 taps 0
 * and 1 of three columns, r7 to r9 taps 1 and 2, r10 r11 sums, r12 multiplier, lr shift. */
#define BIAS 0
#define ROUNDING 8
#define STRIDE 16
#define FRAME 28
        .syntax unified
        .thumb
        .text

        .macro  TAPS    p, q, offset
        ldr     r2, [r10], #4
        sxtb16  r3, r2                  /* taps 0 and 2 */
        sxtb16  r2, r2, ror #8          /* tap 1, and what is added to each */
        .if     \offset
        pkhtb   r12, r2, r2, asr #16
        sadd16  r3, r3, r12
        sadd16  r2, r2, r12
        .endif
        pkhbt   \p, r3, r2, lsl #16
        pkhbt   \q, r2, r3              /* the top half of r3 as it is */
        .endm

        .macro  COLUMN  p, q
        smlad   r10, r2, \p, r10
        smlabt  r10, r3, \q, r10
        smlatb  r11, r2, \p, r11
        smlad   r11, r3, \q, r11
        .endm

        .macro  TWO_SUMS
        ldrd    r10, r11, [sp, #BIAS]
        ldrd    r2, r3, [r0], #32
        COLUMN  r4, r7
        ldrd    r2, r3, [r0]
        COLUMN  r5, r8
        ldrd    r2, r3, [r0, #32]
        COLUMN  r6, r9
        ldrd    r2, r3, [sp, #ROUNDING]
        .endm

        .macro  CODE    sum
        smmlar  \sum, \sum, r12, \sum
        add     \sum, \sum, \sum, asr #31
        add     \sum, \sum, r2
        asr     \sum, \sum, lr
        ssat    \sum, #8, \sum
        .endm

        .macro  LEFT_CODE sum
        lsl     \sum, \sum, lr
        smmlar  \sum, \sum, r12, \sum
        add     \sum, \sum, r2
        ssat    \sum, #8, \sum
        .endm

        .macro  STORE   again
        strb    r11, [r1, r3]
        ldrd    r2, r3, [sp, #STRIDE]
        strb    r10, [r1]
        add     r1, r1, r2
        cmp     r0, r3
        bne     \again
        .endm

        .global nn_depthwise3x3_dsp_core
        .type   nn_depthwise3x3_dsp_core, %function
        .thumb_func
nn_depthwise3x3_dsp_core:
        push    {r4-r11, lr}
        sub     sp, sp, #FRAME
        mov     r10, r1
        mov     r1, r2
        add     r3, r0, r3, lsl #5      /* end of the first columns of windows */
        ldrd    r4, r5, [sp, #FRAME + 36]
        strd    r4, r3, [sp, #STRIDE]
        ldr     r2, [r10], #4
        strd    r2, r2, [sp, #BIAS]
        mov     r11, r5
        ldrsb   r2, [r10, #3]
        cmp     r2, #0
        bne     5f
        TAPS    r4, r7, 0
        TAPS    r5, r8, 0
        TAPS    r6, r9, 0
6:      ldr     r10, [sp, #FRAME + 44]
        ldm     r10, {r2, r3, lr}
        mov     r12, r2
        cmp     lr, #0
        beq     2f
        strd    r3, r11, [sp, #ROUNDING]
1:      TWO_SUMS
        CODE    r10
        CODE    r11
        STORE   1b
        b       4f
2:      asr     lr, r3, #16             /* to the left */
        sxth    r3, r3
        strd    r3, r11, [sp, #ROUNDING]
3:      TWO_SUMS
        LEFT_CODE r10
        LEFT_CODE r11
        STORE   3b
4:      add     sp, sp, #FRAME
        pop     {r4-r11, pc}
5:      TAPS    r4, r7, 1
        TAPS    r5, r8, 1
        TAPS    r6, r9, 1
        b       6b
        .size   nn_depthwise3x3_dsp_core, . - nn_depthwise3x3_dsp_core
