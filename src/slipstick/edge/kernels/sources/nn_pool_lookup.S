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
#define PAIRS 16     /* the vector's pairs in front */
#else
#define STEP 24
#define PAIRS 0
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
#define TABLE 132
#define TO 136
#define START 140    /* of a chunk's first group */
#define LAST 144     /* start, behind the last group */
#define SKIP 148     /* bytes of a group's other chunks */
#define LEFT 152     /* vectors of this chunk and those behind */
#define PLANES 156   /* bits */
#define TABLES 160   /* argument */
#define FRAME 164

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

/* r0: planes 3 to 0 of the next eight channels as bytes, r1: planes 7 to 4, the uppermost of code and not of code + 128;
   r8: table */
.macro load_planes
    ldrd r2, r8, [sp, #PIXEL]
    ldm r2!, {r0, r1}
    str r2, [sp, #PIXEL]
    movw r4, #0xcccc
    transpose r0
    transpose r1
    eor r3, r1, r0, lsr #4
    and r3, r3, #0x0f0f0f0f
    eor r1, r1, r3
    eor r0, r0, r3, lsl #4
.endm

/* \to: plane \k */
.macro plane to, k
    .if \k == 7
    lsr \to, r1, #24
    eor \to, \to, #255
    .elseif \k == 3
    lsr \to, r0, #24
    .elseif \k > 3
    ubfx \to, r1, #(8 * (\k - 4)), #8
    .else
    ubfx \to, r0, #(8 * \k), #8
    .endif
.endm

.macro row_of row, k
    plane \row, \k
    add \row, r8, \row, lsl #7
.endm

/* One plane of an addition: carry in \in, out in \out. */
.macro carry plane, in, out
    and \out, \plane, \in
    eor \plane, \plane, \in
.endm

/* r1 to r(\bits): rows of the upper planes, rounded by the plane below them: it is added where not all are set. */
.macro upper_rows bits
    plane r10, (7 - \bits)
    .if \bits > 6
    plane r7, 1
    .endif
    .if \bits > 5
    plane r6, 2
    .endif
    .if \bits > 4
    plane r5, 3
    .endif
    .if \bits > 3
    plane r4, 4
    .endif
    .if \bits > 2
    plane r3, 5
    .endif
    .if \bits > 1
    plane r2, 6
    .endif
    .if \bits > 3
    eor r1, r1, #0xff000000
    and r9, r1, r1, lsr #16
    and r9, r9, r9, lsr #8           /* planes 7 to 4 */
    lsr r1, r1, #24
    .else
    plane r1, 7
    .if \bits > 1
    and r9, r1, r2
    .else
    mov r9, r1
    .endif
    .if \bits > 2
    and r9, r9, r3
    .endif
    .endif
    .if \bits > 4
    and r9, r9, r5
    .endif
    .if \bits > 5
    and r9, r9, r6
    .endif
    .if \bits > 6
    and r9, r9, r7
    .endif
    bic r10, r10, r9
    .if \bits > 6
    carry r7, r10, r9
    add r7, r8, r7, lsl #7
    mov r10, r9
    .endif
    .if \bits > 5
    carry r6, r10, r9
    add r6, r8, r6, lsl #7
    mov r10, r9
    .endif
    .if \bits > 4
    carry r5, r10, r9
    add r5, r8, r5, lsl #7
    mov r10, r9
    .endif
    .if \bits > 3
    carry r4, r10, r9
    add r4, r8, r4, lsl #7
    .else
    mov r9, r10
    .endif
    .if \bits > 2
    carry r3, r9, r10
    add r3, r8, r3, lsl #7
    .else
    mov r10, r9
    .endif
    .if \bits > 1
    carry r2, r10, r9
    add r2, r8, r2, lsl #7
    .else
    mov r9, r10
    .endif
    eor r1, r1, r9
    add r1, r8, r1, lsl #7
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
#if STEP > 31
    str r8, [r0]
    add r0, r0, #(8 * STEP)
#else
    str r8, [r0], #(8 * STEP)
#endif
.endm

/* sums of at most five planes to products; the upper halves in memory are 0 */
.macro few word, at, to
    lsr r10, \word, #16
    .if \at == 0
    str r10, [\to, #STEP]
    .else
    strh \word, [\to, #(\at * STEP)]
    str r10, [\to, #(\at * STEP + STEP)]
    .endif
.endm

.macro few_eight bits, to
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
    few r6, 0, \to
    few r7, 2, \to
    few r8, 4, \to
    few r9, 6, \to
#if STEP > 31
    strh r6, [\to]
    add \to, \to, #(8 * STEP)
#else
    strh r6, [\to], #(8 * STEP)
#endif
.endm

.macro upper_eight
    ldm r1!, {r6, r7, r8, r9}
    upper_step r2
    upper_step r3
    upper_step r4
    upper_step r5
    stm r0!, {r6, r7, r8, r9}
.endm

/* On to the next group of channels, or chunk of vectors. */
.macro next_group again
    ldrd r10, r12, [sp, #LAST]
    add r0, r0, r12
    str r0, [sp, #TO]
    cmp r0, r10
    bne \again
.endm

/* A group with one to three bits. */
.macro few_planes bits
    load_planes
    upper_rows \bits
    ldr r0, [sp, #TO]
    add r5, r0, #(64 * STEP)
1:  few_eight \bits, r0
    few_eight \bits, r0
    cmp r0, r5
    bne 1b
.endm

    function nn_pool_lookup_pixel
    push {r4-r11, lr}
    sub sp, sp, #FRAME
    ldr r2, [r0, #ENTRY]
    add r2, r2, r1, lsl #2
    add r2, r2, #PAIRS               /* start */
    ldr r3, [r0, #GROUPS]
    ldr r4, [r0, #SIZE]
    ldr r5, [r0, #LOOKUP]
    ldr r6, [r0, #BITS]
    ldr r7, [r0, #A]
    mov r8, #STEP
    mul r9, r4, r8                   /* bytes of a group */
    mla r10, r9, r3, r2
    sub r11, r9, #(64 * STEP)
    strd r7, r5, [sp, #PIXEL]
    strd r2, r2, [sp, #TO]
    strd r10, r11, [sp, #LAST]
    strd r4, r6, [sp, #LEFT]
    str r0, [sp, #TABLES]
next_chunk:
    cmp r6, #4
    beq four
    bhi many
    cmp r6, #2
    beq two
    bhi three
one:
    few_planes 1
    next_group one
    b chunk_done
two:
    few_planes 2
    next_group two
    b chunk_done
three:
    few_planes 3
    next_group three
    b chunk_done
four:                                /* the most usual one of few bits: r5 stays where its products go, without a loop */
    ldr r5, [sp, #TO]
4:  load_planes
    upper_rows 4
    .rept 8
    few_eight 4, r5
    .endr
    ldrd r10, r12, [sp, #LAST]
    add r5, r5, r12
    cmp r5, r10
    bne 4b
    b chunk_done
many:
    cmp r6, #7
    bhi eight
    cmp r6, #5
    bne six_or_seven
five:
    load_planes
    upper_rows 5
    ldr r0, [sp, #TO]
    .rept 8
    few_eight 5, r0
    .endr
    next_group five
    b chunk_done
six_or_seven:
    load_planes
    cmp r6, #7
    beq seven
    upper_rows 6
    b 2f
seven:
    upper_rows 7
2:  push {r6, r7}
    add r0, sp, #8
    .rept 8
    upper_eight
    .endr
    pop {r1, r2}
    ldr r0, [sp, #TO]
    ldr r6, [sp, #PLANES]
    add r3, r0, #(64 * STEP)
    cmp r6, #7
    beq 7f
    mvn lr, #1
6:  .rept 4
    ldm r1!, {r4, r5, r6, r7}
    pop {r8, r9, r10, r11}
    merge_eight 1
    .endr
    cmp r0, r3
    bne 6b
    b 8f
7:  mvn lr, #3
9:  .rept 4
    ldm r1!, {r4, r5, r6, r7}
    lower_step r2
    pop {r8, r9, r10, r11}
    merge_eight 2
    .endr
    cmp r0, r3
    bne 9b
8:  sub sp, sp, #128
    ldr r6, [sp, #PLANES]
    next_group six_or_seven
chunk_done:
    ldrd r4, r6, [sp, #LEFT]
    subs r4, r4, #64
    beq 5f
    str r4, [sp, #LEFT]
    ldr r0, [sp, #TABLES]
    ldr r7, [r0, #A]
    ldr r5, [sp, #TABLE]
    add r5, r5, #32768
    strd r7, r5, [sp, #PIXEL]
    ldr r2, [sp, #START]
    add r2, r2, #(64 * STEP)
    strd r2, r2, [sp, #TO]
    ldr r10, [sp, #LAST]
    add r10, r10, #(64 * STEP)
    str r10, [sp, #LAST]
    b next_chunk
5:  add sp, sp, #FRAME
    pop {r4-r11, pc}
eight:
    load_planes
    row_of r5, 2
    row_of r6, 1
    row_of r7, 0
    push {r5, r6, r7}
    row_of r5, 3
    row_of r4, 4
    row_of r3, 5
    row_of r2, 6
    row_of r1, 7
    add r0, sp, #12
    .rept 8
    upper_eight
    .endr
    pop {r1, r2, r3}
    ldr r0, [sp, #TO]
    mvn lr, #7
    .rept 8
    ldm r1!, {r4, r5, r6, r7}
    lower_step r2
    lower_step r3
    pop {r8, r9, r10, r11}
    merge_eight 3
    .endr
    sub sp, sp, #128
    next_group eight
    b chunk_done
    .size nn_pool_lookup_pixel, . - nn_pool_lookup_pixel

/* r0 first row, r1 end of the rows, r2 words on, r3 four pairs of weights: the rows `r2` words on are these and the weights */
    function nn_pool_add_weights
    push {r4-r11}
    ldm r3, {r4-r7}
    add r2, r0, r2, lsl #2
    sub r12, r1, r0
    lsls r12, r12, #22
    bne 1f
2:  .set at, 0                       /* eight rows */
    .rept 8
    ldrd r8, r9, [r0, #at]
    ldrd r10, r11, [r0, #(at + 8)]
    add r8, r8, r4
    add r9, r9, r5
    add r10, r10, r6
    add r11, r11, r7
    strd r8, r9, [r2, #at]
    strd r10, r11, [r2, #(at + 8)]
    .set at, at + 128
    .endr
    add r0, r0, #1024
    add r2, r2, #1024
    cmp r0, r1
    bne 2b
    b 3f
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
3:
    pop {r4-r11}
    bx lr
    .size nn_pool_add_weights, . - nn_pool_add_weights

    function nn_pool_shift
    push {r4, r5, r6, lr}
    ldr r3, [r0, #SIZE]
    ldr r2, [r0, #GROUPS]
    ldr r0, [r0, #ENTRY]
    add r0, r0, #PAIRS
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
