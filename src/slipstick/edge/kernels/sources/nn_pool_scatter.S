/* Armv7-M: products gathered by address into sums of four columns, and their requantisation.

   An address is loaded with three others (LDM), then overwritten by its own four products (LDM over its base register):
   5.25 instructions for 32 multiply-accumulates. */
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)
    .syntax unified
#if defined(__ARM_FEATURE_DSP)
#define NN_POOL_ENTRY_WORDS 10
#else
#define NN_POOL_ENTRY_WORDS 6
#endif
    .thumb
    .text

/* r0 list, r1 sums, r2 filters left, r4-r7 sums of four columns; r3, r8, r9 and the address: products */
.macro add_products at
    ldm \at, {r3, r8, r9, \at}
    add r4, r4, r3
    add r5, r5, r8
    add r6, r6, r9
    add r7, r7, \at
.endm

.macro add_twelve first
    .if \first == 0
    ldm r0!, {r10, r11, r12, lr}
    add_products r10
    .endif
    add_products r11
    add_products r12
    add_products lr
    .rept 2
    ldm r0!, {r10, r11, r12, lr}
    add_products r10
    add_products r11
    add_products r12
    add_products lr
    .endr
.endm

.macro add_six first
    .if \first == 0
    ldm r0!, {r10, r11, r12, lr}
    add_products r10
    .endif
    add_products r11
    add_products r12
    add_products lr
    ldm r0!, {r10, r11}
    add_products r10
    add_products r11
.endm

.macro begin_sums            /* the first four addresses */
    ldm r0!, {r10, r11, r12, lr}
    ldm r10, {r4, r5, r6, r7}
.endm

.macro clear_sums
    mov r4, #0
    mov r5, r4
    mov r6, r4
    mov r7, r4
.endm

/* Any number of groups: lr counts them. */
.macro add_any
    ldr lr, [sp, #12]
8:  ldm r0!, {r10, r11, r12}
    add_products r10
    add_products r11
    add_products r12
    subs lr, lr, #1
    bne 8b
.endm

/* Groups in eights: lr counts them. */
.macro add_eights
    ldr lr, [sp, #12]
7:  .rept 8
    ldm r0!, {r10, r11, r12}
    add_products r10
    add_products r11
    add_products r12
    .endr
    subs lr, lr, #8
    bne 7b
.endm

/* Doubled sum to code: multiplier r9, shift r10; rounding, and 2^31 below it, in r8 and r3. A negative sum loses 1, so that
   a half goes away from zero; where it is rounded to 0 before, 1 less than half a code changes nothing. */
.macro requantise sum
#if defined(__ARM_FEATURE_DSP)
    smmlar r3, \sum, r9, r8
    add \sum, r3, \sum, asr #31
#else
    smlal r3, r8, \sum, r9
    add \sum, r8, \sum, asr #31
#endif
    asr \sum, \sum, r10
    ssat \sum, #8, \sum
.endm

.macro round_anew
#if !defined(__ARM_FEATURE_DSP)
    ldrd r3, r8, [r0, #-24]
#endif
.endm

.macro write_codes
    ldm r0!, {r3, r8, r9, r10, r11, r12} /* 2^31, rounding, multiplier, shift, twice the bias, scale */
    mla r4, r4, r12, r11
    mla r5, r5, r12, r11
    mla r6, r6, r12, r11
    mla r7, r7, r12, r11
    ldrd r11, r12, [sp]              /* stride, three strides */
    requantise r4
    round_anew
    requantise r5
    round_anew
    requantise r6
    round_anew
    requantise r7
    strb r4, [r2, r12]
    strb r5, [r2, r11, lsl #1]
    strb r6, [r2, r11]
    strb r7, [r2], #1
.endm

/* Codes of all filters are written: r2 is the output from here on, its end on the stack. */
.macro to_output
    ldr r8, [sp, #8]
    add r2, r2, r8
    str r2, [sp, #8]
    mov r2, r8
.endm

.macro leave
    add sp, sp, #20
    pop {r4-r11, pc}
.endm

.macro until_written again
    ldr r3, [sp, #8]
    cmp r2, r3
    bne \again
    leave
.endm

.macro enter
    push {r4-r11, lr}
    sub sp, sp, #20
    ldr r8, [r0, #16]                /* stride */
    ldr r9, [r0, #20]                /* three strides */
    ldr r10, [r0, #24]               /* output */
    ldr r12, [r0, #12]               /* groups */
    stm sp, {r8, r9, r10, r12}
    ldm r0, {r0, r1, r2}
.endm

/* Two groups and filters in fours to 3, four groups and filters in fours to 4, eight groups and filters in pairs to 5, groups in eights to 6, others go on. */
.macro dispatch
    cmp r12, #2
    itt eq
    tsteq r2, #3
    beq.w 3f
    cmp r12, #4
    itt eq
    tsteq r2, #3
    beq.w 4f
    cmp r12, #8
    itt eq
    tsteq r2, #1
    beq.w 5f
    tst r12, #7
    beq.w 6f
.endm

.macro function name
    .section .text.\name, "ax", %progbits
    .p2align 2
    .global \name
    .type \name, %function
    .thumb_func
\name:
.endm

    function nn_pool_begin
    enter
    dispatch
1:  clear_sums
    add_any
    stm r1!, {r4-r7}
    subs r2, r2, #1
    bne 1b
    leave
6:  clear_sums
    add_eights
    stm r1!, {r4-r7}
    subs r2, r2, #1
    bne 6b
    leave
3:  .rept 4
    begin_sums
    add_six 1
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #4
    bne 3b
    leave
4:  .rept 4
    begin_sums
    add_twelve 1
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #4
    bne 4b
    leave
5:  .rept 2
    begin_sums
    add_twelve 1
    add_twelve 0
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #2
    bne 5b
    leave
    .size nn_pool_begin, . - nn_pool_begin

    function nn_pool_middle
    enter
    dispatch
1:  ldm r1, {r4-r7}
    add_any
    stm r1!, {r4-r7}
    subs r2, r2, #1
    bne 1b
    leave
6:  ldm r1, {r4-r7}
    add_eights
    stm r1!, {r4-r7}
    subs r2, r2, #1
    bne 6b
    leave
3:  .rept 4
    ldm r1, {r4-r7}
    add_six 0
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #4
    bne 3b
    leave
4:  .rept 4
    ldm r1, {r4-r7}
    add_twelve 0
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #4
    bne 4b
    leave
5:  .rept 2
    ldm r1, {r4-r7}
    add_twelve 0
    add_twelve 0
    stm r1!, {r4-r7}
    .endr
    subs r2, r2, #2
    bne 5b
    leave
    .size nn_pool_middle, . - nn_pool_middle

    function nn_pool_finish
    enter
    dispatch
    to_output
1:  ldm r1!, {r4-r7}
    add_any
    write_codes
    until_written 1b
6:  to_output
16: ldm r1!, {r4-r7}
    add_eights
    write_codes
    until_written 16b
3:  to_output
13: .rept 4
    ldm r1!, {r4-r7}
    add_six 0
    write_codes
    .endr
    until_written 13b
4:  to_output
14: .rept 4
    ldm r1!, {r4-r7}
    add_twelve 0
    write_codes
    .endr
    until_written 14b
5:  to_output
15: .rept 2
    ldm r1!, {r4-r7}
    add_twelve 0
    add_twelve 0
    write_codes
    .endr
    until_written 15b
    .size nn_pool_finish, . - nn_pool_finish

    function nn_pool_flush
    enter
    mov r8, #12
    mul r12, r12, r8
    str r12, [sp, #12]
    to_output
1:  ldm r1!, {r4-r7}
    ldr r8, [sp, #12]
    add r0, r0, r8
    write_codes
    until_written 1b
    .size nn_pool_flush, . - nn_pool_flush

/* r0 to, r1 three taps' entries, r2 groups, r3 bytes between groups' entries, [sp] packed indices; returns what follows them */
    function nn_pool_expand_six
    push {r4-r11, lr}
    ldr r12, [sp, #36]
    mov r11, #(4 * NN_POOL_ENTRY_WORDS)
    mov r10, #3                      /* taps */
1:  ldr r9, [r1], #4
    mov r8, r2
2:  ldrh r7, [r12], #2
    ldrb r6, [r12], #1
    orr r7, r7, r6, lsl #16
    and r4, r7, #63
    ubfx r5, r7, #6, #6
    ubfx r6, r7, #12, #6
    lsr r7, r7, #18
    mla r4, r4, r11, r9
    add r9, r9, r3
    mla r5, r5, r11, r9
    add r9, r9, r3
    mla r6, r6, r11, r9
    add r9, r9, r3
    mla r7, r7, r11, r9
    add r9, r9, r3
    stm r0!, {r4-r7}
    subs r8, r8, #4
    bne 2b
    subs r10, r10, #1
    bne 1b
    mov r0, r12
    pop {r4-r11, pc}
    .size nn_pool_expand_six, . - nn_pool_expand_six
#endif
