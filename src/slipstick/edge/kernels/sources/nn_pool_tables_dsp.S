/* Armv7E-M: products of pool vectors with two pixels at a time.

   An entry is its vector as four pairs, doubled, and the products of six columns: one pointer serves loads and stores.
   21 instructions for four products, the two columns moved on included. */
#if defined(__ARM_ARCH_7EM__)
    .syntax unified
    .thumb
    .text

/* struct nn_pool_tables */
#define ENTRY 0
#define A 4
#define B 8
#define OFFSET_PAIR 12
#define GROUPS 16
#define SIZE 20
/* stack: a, b, offset pair, end of the group, bytes of a group, end of all */
#define GROUP_END 12
#define LAST 20

.macro function name
    .section .text.\name, "ax", %progbits
    .p2align 2
    .global \name
    .type \name, %function
    .thumb_func
\name:
.endm

.macro enter
    push {r4-r11, lr}
    sub sp, sp, #28
    ldr r1, [r0, #A]
    ldr r2, [r0, #B]
    ldr r3, [r0, #OFFSET_PAIR]
    ldr r5, [r0, #SIZE]
    ldr r6, [r0, #GROUPS]
    ldr r0, [r0, #ENTRY]
    mov r4, #40
    mul r5, r5, r4
    mla r6, r5, r6, r0
    mov r4, r0
    stm sp, {r1-r6}
.endm

.macro leave
    add sp, sp, #28
    pop {r4-r11, pc}
.endm

/* r1-r4: pairs of pixel a, r5-r8: of pixel b, with the input offset */
.macro load_two
    ldm sp, {r9, r10, r11, r12, lr}
    add r12, r12, lr
    ldm r9!, {r2, r4}
    ldm r10!, {r6, r8}
    strd r9, r10, [sp]
    str r12, [sp, #GROUP_END]
    sxtab16 r1, r11, r2
    sxtab16 r2, r11, r2, ror #8
    sxtab16 r3, r11, r4
    sxtab16 r4, r11, r4, ror #8
    sxtab16 r5, r11, r6
    sxtab16 r6, r11, r6, ror #8
    sxtab16 r7, r11, r8
    sxtab16 r8, r11, r8, ror #8
.endm

.macro load_one
    ldm sp, {r9, r10, r11, r12, lr}
    add r12, r12, lr
    ldm r9!, {r2, r4}
    str r9, [sp]
    str r12, [sp, #GROUP_END]
    sxtab16 r1, r11, r2
    sxtab16 r2, r11, r2, ror #8
    sxtab16 r3, r11, r4
    sxtab16 r4, r11, r4, ror #8
.endm

/* r9: product of pixel b (the newer column comes first), r10: of pixel a */
.macro multiply_two
    ldm r0!, {r10, r11, r12, lr}
    smuad r9, r10, r5
    smuad r10, r10, r1
    smlad r9, r11, r6, r9
    smlad r10, r11, r2, r10
    smlad r9, r12, r7, r9
    smlad r10, r12, r3, r10
    smlad r9, lr, r8, r9
    smlad r10, lr, r4, r10
.endm

.macro multiply_one
    ldm r0!, {r10, r11, r12, lr}
    smuad r9, r10, r1
    smlad r9, r11, r2, r9
    smlad r9, r12, r3, r9
    smlad r9, lr, r4, r9
.endm

.macro until again, where
    ldr r11, [sp, #\where]
    cmp r0, r11
    bne \again
.endm

    function nn_pool_pair_shift
    enter
1:  load_two
2:  .rept 32
    multiply_two
    ldm r0!, {r11, r12}
    stm r0!, {r9, r10, r11, r12}
    .endr
    until 2b, GROUP_END
    until 1b, LAST
    leave
    .size nn_pool_pair_shift, . - nn_pool_pair_shift

    function nn_pool_pair
    enter
1:  load_two
2:  .rept 32
    multiply_two
    strd r9, r10, [r0], #24
    .endr
    until 2b, GROUP_END
    until 1b, LAST
    leave
    .size nn_pool_pair, . - nn_pool_pair

    function nn_pool_first
    enter
    mov r8, #0
1:  load_one
2:  .rept 32
    multiply_one
    strd r9, r8, [r0], #24
    .endr
    until 2b, GROUP_END
    until 1b, LAST
    leave
    .size nn_pool_first, . - nn_pool_first

    function nn_pool_last
    enter
    mov r8, #0
1:  load_one
2:  .rept 32
    multiply_one
    strd r8, r9, [r0], #24
    .endr
    until 2b, GROUP_END
    until 1b, LAST
    leave
    .size nn_pool_last, . - nn_pool_last
#endif
