/* Armv7-M: products of pool vectors with one pixel, bit by bit, from lookup tables of two vectors to a word.

   Horner's rule from the top bit: w = row + 2 w. Five planes fit the 16 bits of a vector (31 * 2040 < 65536), so that
   eight bits are an upper sum h of five planes and a lower one l of three; the product is 8 h + l. Where lower bits are
   dropped, products are in units of the last plane. */
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)
    .syntax unified
    .thumb
    .text

#if defined(__ARM_FEATURE_DSP)
#define STEP 40      /* bytes of a table entry: NN_POOL_ENTRY words */
#define SKIP 16      /* the vector's pairs in front */
#else
#define STEP 24
#define SKIP 0
#endif

/* struct nn_pool_tables */
#define ENTRY 0
#define A 4
#define GROUPS 16
#define SIZE 20
#define LOOKUP 28
#define BITS 36
/* stack: 32 upper sums, then these */
#define PIXEL 128
#define LOOKED 132   /* first table */
#define VECTORS 136
#define PLANES 140   /* bits */
#define LEFT 164     /* groups */
#define TABLE 168
#define CHUNKS 172   /* of a group, left */
#define LOW 144      /* planes 3 to 0 as bytes */
#define HIGH 148     /* planes 7 to 4 */
#define TO 152
#define END 160
#define FRAME 184

.macro function name
    .section .text.\name, "ax", %progbits
    .p2align 2
    .global \name
    .type \name, %function
    .thumb_func
\name:
.endm

/* Two steps of the transposition of 8x8 bits within a word. */
.macro transpose word
    eor r3, \word, \word, lsr #7
    and r3, r3, #0x00aa00aa
    eor \word, \word, r3
    eor \word, \word, r3, lsl #7
    eor r3, \word, \word, lsr #14
    and r3, r3, r4
    eor \word, \word, r3
    eor \word, \word, r3, lsl #14
.endm

/* row \row = table r8 + 128 * byte \at of \planes */
.macro row_of row, planes, at
    .if \at == 24
    lsr \row, \planes, #24
    .else
    ubfx \row, \planes, #\at, #8
    .endif
    add \row, r8, \row, lsl #7
.endm

.macro horner row, a, b, c, d, e, f, g, h
    ldm \row!, {\e, \f, \g, \h}
    add \a, \e, \a, lsl #1
    add \b, \f, \b, lsl #1
    add \c, \g, \c, lsl #1
    add \d, \h, \d, lsl #1
.endm

.macro upper_step row
    horner \row, r6, r7, r8, r9, r10, r11, r12, lr
.endm

.macro lower_step row
    horner \row, r4, r5, r6, r7, r8, r9, r10, r11
.endm

/* lower sums r4-r7, upper sums r8-r11 of eight vectors to products (h << lower) + l */
.macro merge l, h, at, lower
    and r12, lr, \h, lsr #(16 - \lower) /* of the upper half */
    add \h, \l, \h, lsl #\lower
    add \l, r12, \l, lsr #16
    sub \h, \h, \l, lsl #16
    .if \at == 0
    str \l, [r0, #STEP]
    .else
    str \h, [r0, #(\at * STEP)]
    str \l, [r0, #(\at * STEP + STEP)]
    .endif
.endm

.macro merge_eight lower             /* lr: all bits but the lower ones */
    merge r4, r8, 0, \lower
    merge r5, r9, 2, \lower
    merge r6, r10, 4, \lower
    merge r7, r11, 6, \lower
    store_last r8
.endm

.macro store_last word
#if STEP > 31
    str \word, [r0]
    add r0, r0, #(8 * STEP)
#else
    str \word, [r0], #(8 * STEP)
#endif
.endm

/* sums of at most five planes to products */
.macro few word, at
    lsr r10, \word, #16
    uxth \word, \word
    .if \at == 0
    str r10, [r0, #STEP]
    .else
    str \word, [r0, #(\at * STEP)]
    str r10, [r0, #(\at * STEP + STEP)]
    .endif
.endm

.macro few_planes bits
    .rept 2
    ldm r1!, {r6, r7, r8, r9}
    .if \bits > 1
    upper_step r2
    .endif
    .if \bits > 2
    upper_step r3
    .endif
    .if \bits > 3
    upper_step r4
    .endif
    .if \bits > 4
    upper_step r5
    .endif
    few r6, 0
    few r7, 2
    few r8, 4
    few r9, 6
    store_last r6
    .endr
    ldr r10, [sp, #END]
    cmp r0, r10
.endm

.macro upper_eight
    ldm r1!, {r6, r7, r8, r9}
    upper_step r2
    upper_step r3
    upper_step r4
    upper_step r5
    stm r0!, {r6, r7, r8, r9}
.endm

    function nn_pool_lookup_pixel
    push {r4-r11, lr}
    sub sp, sp, #FRAME
    ldr r2, [r0, #ENTRY]
    add r2, r2, r1, lsl #2
    add r2, r2, #SKIP
    str r2, [sp, #TO]
    ldr r3, [r0, #GROUPS]
    str r3, [sp, #LEFT]
    ldr r2, [r0, #A]
    ldr r3, [r0, #LOOKUP]
    strd r2, r3, [sp, #PIXEL]
    ldr r2, [r0, #SIZE]
    ldr r3, [r0, #BITS]
    strd r2, r3, [sp, #VECTORS]
next_group:
    add r2, sp, #PIXEL
    ldm r2, {r2, r8, r9, r10}        /* pixel, table, vectors, bits */
    ldm r2!, {r0, r1}
    str r2, [sp, #PIXEL]
    eor r0, r0, #0x80808080          /* code + 128 */
    eor r1, r1, #0x80808080
    movw r4, #0xcccc
    transpose r0
    transpose r1
    and r3, r1, #0x0f0f0f0f
    and r4, r0, #0xf0f0f0f0
    and r0, r0, #0x0f0f0f0f
    and r1, r1, #0xf0f0f0f0
    orr lr, r0, r3, lsl #4           /* planes 3 to 0 */
    orr r12, r1, r4, lsr #4          /* planes 7 to 4 */
    strd lr, r12, [sp, #LOW]
    str r9, [sp, #CHUNKS]
next_chunk:
    /* lr, r12: planes; r10: bits; r8: table */
    str r8, [sp, #TABLE]
    row_of r1, r12, 24
    row_of r2, r12, 16
    cmp r10, #8
    beq many
    ldr r0, [sp, #TO]
    add r6, r0, #(64 * STEP)
    str r6, [sp, #END]
    cmp r10, #4
    bhi many
    beq four
    cmp r10, #2
    beq two
    blo one
    row_of r3, r12, 8
three:
    few_planes 3
    bne three
    b chunk_done
one:
    few_planes 1
    bne one
    b chunk_done
two:
    few_planes 2
    bne two
    b chunk_done
four:
    row_of r3, r12, 8
    row_of r4, r12, 0
40: few_planes 4
    bne 40b
    b chunk_done
many:
    row_of r3, r12, 8
    row_of r4, r12, 0
    cmp r10, #5
    row_of r5, lr, 24
    bne 60f
50: few_planes 5
    bne 50b
    b chunk_done
60: mov r0, sp
    .rept 8
    upper_eight
    .endr
    ldr r5, [sp, #PLANES]
    ldr r12, [sp, #LOW]
    ldr r8, [sp, #TABLE]
    ldr r0, [sp, #TO]
    row_of r1, r12, 16
    cmp r5, #8
    beq 80f
    mov r3, sp
    cmp r5, #7
    beq 70f
    mvn lr, #1
66: .rept 2
    ldm r1!, {r4, r5, r6, r7}
    ldm r3!, {r8, r9, r10, r11}
    merge_eight 1
    .endr
    ldr r4, [sp, #END]
    cmp r0, r4
    bne 66b
    b chunk_done
70: row_of r2, r12, 8                /* seven bits */
    mvn lr, #3
71: .rept 2
    ldm r1!, {r4, r5, r6, r7}
    lower_step r2
    ldm r3!, {r8, r9, r10, r11}
    merge_eight 2
    .endr
    ldr r4, [sp, #END]
    cmp r0, r4
    bne 71b
    b chunk_done
80:
    row_of r2, r12, 8
    row_of r3, r12, 0
    mvn lr, #7
    .set at, 0
    .rept 8
    ldm r1!, {r4, r5, r6, r7}
    lower_step r2
    lower_step r3
    ldrd r8, r9, [sp, #at]
    ldrd r10, r11, [sp, #(at + 8)]
    .set at, at + 16
    merge_eight 3
    .endr
chunk_done:
    str r0, [sp, #TO]
    ldr r6, [sp, #CHUNKS]
    subs r6, r6, #64
    beq 90f
    str r6, [sp, #CHUNKS]
    ldr r8, [sp, #TABLE]
    ldr r10, [sp, #PLANES]
    ldrd lr, r12, [sp, #LOW]
    add r8, r8, #32768
    b next_chunk
90: ldr r6, [sp, #LEFT]
    subs r6, r6, #1
    str r6, [sp, #LEFT]
    bne next_group
    add sp, sp, #FRAME
    pop {r4-r11, pc}
    .size nn_pool_lookup_pixel, . - nn_pool_lookup_pixel

/* r0 first row, r1 end of the rows, r2 words on, r3 four pairs of weights: the rows `r2` words on are these and the weights */
    function nn_pool_add_weights
    push {r4-r11}
    ldm r3, {r4-r7}
    add r2, r0, r2, lsl #2
1:  ldm r0, {r8-r11}
    add r8, r8, r4
    add r9, r9, r5
    add r10, r10, r6
    add r11, r11, r7
    stm r2, {r8-r11}
    add r0, r0, #128
    add r2, r2, #128
    cmp r0, r1
    bne 1b
    pop {r4-r11}
    bx lr
    .size nn_pool_add_weights, . - nn_pool_add_weights

    function nn_pool_shift
    push {r4, r5, r6, lr}
    ldr r3, [r0, #SIZE]
    ldr r2, [r0, #GROUPS]
    ldr r0, [r0, #ENTRY]
    add r0, r0, #SKIP
    mul r3, r3, r2
1:  .set at, 0
    .rept 16
    ldrd r4, r5, [r0, #at]
    strd r4, r5, [r0, #(at + 16)]
    .set at, at + STEP
    .endr
    add r0, r0, #(16 * STEP)
    subs r3, r3, #16
    bne 1b
    pop {r4, r5, r6, pc}
    .size nn_pool_shift, . - nn_pool_shift
#endif
