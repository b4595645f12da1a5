/* Products gathered by address into sums of a block of columns, and their requantisation. Newest column first. */
#include "nn_pool.h"

#if NN_POOL_BLOCK == 8
#define WIDE(...) __VA_ARGS__
#else
#define WIDE(...)
#endif
#define SUMS                                                  \
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3]; \
    WIDE(int32_t s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];)
#define NO_SUMS                                 \
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0; \
    WIDE(int32_t s4 = 0, s5 = 0, s6 = 0, s7 = 0;)
#define STORE                                           \
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3; \
    WIDE(sums[4] = s4, sums[5] = s5, sums[6] = s6, sums[7] = s7;)
#define ADD(i)                                                \
    do {                                                      \
        const int32_t *t = NN_POOL_ENTRY_AT(p->entries, list[i]); \
        s0 += t[0], s1 += t[1], s2 += t[2], s3 += t[3];       \
        WIDE(s4 += t[4], s5 += t[5], s6 += t[6], s7 += t[7];) \
    } while (0)
#define ADD3(i) ADD(i); NN_POOL_FENCE; ADD((i) + 1); NN_POOL_FENCE; ADD((i) + 2); NN_POOL_FENCE
#define ADD12(i) ADD3(i); ADD3((i) + 3); ADD3((i) + 6); ADD3((i) + 9)
#define GATHER                                                 \
    do {                                                       \
        int32_t left = groups;                                 \
        if ((groups & 3) == 0) {                               \
            do {                                               \
                ADD12(0);                                      \
                list += 12, left -= 4;                         \
            } while (left > 0);                                \
        } else {                                               \
            do {                                               \
                ADD3(0);                                       \
                list += 3;                                     \
            } while (--left > 0);                              \
        }                                                      \
    } while (0)

/* `sum` is doubled, so that the product's upper half is rounded as a doubling multiply rounds. */
static inline int32_t requantised(int32_t sum, int32_t multiplier, int32_t rounding, int32_t shift)
{
#if NN_POOL_PAIRS
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(sum), "r"(multiplier));
#else
    const int64_t product = (int64_t)sum * multiplier;
    int32_t r = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
    return (r + (r >> 31) + rounding) >> shift; /* a half goes away from zero */
}

#if defined(__ARM_ARCH) && __ARM_ARCH >= 7
static inline int32_t clamped(int32_t r, int32_t least, int32_t most) /* the caller clamps further */
{
    int32_t code;
    (void)least, (void)most;
    __asm__("ssat %0, #8, %1" : "=r"(code) : "r"(r));
    return code;
}
#else
static inline int32_t clamped(int32_t r, int32_t least, int32_t most) { return r < least ? least : r > most ? most : r; }
#endif

#define CODE(s) \
    s = clamped(requantised(s * scale + bias, multiplier, rounding, shift), least, most)
#define WRITE                                                                                                     \
    do {                                                                                                          \
        const int32_t rounding = (int32_t)list[1], multiplier = (int32_t)list[2], shift = (int32_t)list[3];       \
        const int32_t bias = (int32_t)list[4], scale = (int32_t)list[5];                                          \
        const int32_t least = p->least, most = p->most, stride = p->stride;                                       \
        list += NN_POOL_TAIL;                                                                                     \
        CODE(s0); CODE(s1); CODE(s2); CODE(s3);                                                                   \
        WIDE(CODE(s4); CODE(s5); CODE(s6); CODE(s7);)                                                             \
        WIDE(output[7 * stride] = (int8_t)s0; output[6 * stride] = (int8_t)s1;)                                   \
        WIDE(output[5 * stride] = (int8_t)s2; output[4 * stride] = (int8_t)s3;)                                   \
        WIDE(s0 = s4, s1 = s5, s2 = s6, s3 = s7;)                                                                 \
        output[3 * stride] = (int8_t)s0;                                                                          \
        output[2 * stride] = (int8_t)s1;                                                                          \
        output[stride] = (int8_t)s2;                                                                              \
        *output++ = (int8_t)s3;                                                                                   \
    } while (0)

NN_POOL_WEAK void nn_pool_begin(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    int32_t *sums = p->sums;
    const int32_t groups = p->groups;
    for (int32_t f = p->filters; f > 0; f--, sums += NN_POOL_BLOCK) {
        NO_SUMS
        GATHER;
        STORE
    }
}

NN_POOL_WEAK void nn_pool_middle(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    int32_t *sums = p->sums;
    const int32_t groups = p->groups;
    for (int32_t f = p->filters; f > 0; f--, sums += NN_POOL_BLOCK) {
        SUMS
        GATHER;
        STORE
    }
}

NN_POOL_WEAK void nn_pool_finish(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    const int32_t *sums = p->sums;
    const int32_t groups = p->groups;
    int8_t *output = p->output;
    for (int32_t f = p->filters; f > 0; f--, sums += NN_POOL_BLOCK) {
        SUMS
        GATHER;
        WRITE;
    }
}

NN_POOL_WEAK void nn_pool_flush(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    const int32_t *sums = p->sums;
    int8_t *output = p->output;
    for (int32_t f = p->filters; f > 0; f--, sums += NN_POOL_BLOCK) {
        SUMS
        list += 3 * p->groups;
        WRITE;
    }
}
