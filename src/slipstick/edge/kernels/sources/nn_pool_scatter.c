/* Products gathered by address into sums of four columns, and their requantisation. Newest column first. */
#include "nn_pool.h"

#define ADD(i)                                          \
    do {                                                \
        const int32_t *t = (const int32_t *)list[i];    \
        s0 += t[0], s1 += t[1], s2 += t[2], s3 += t[3]; \
    } while (0)
#define ADD3(i) ADD(i); ADD((i) + 1); ADD((i) + 2)
#define ADD12(i) ADD3(i); ADD3((i) + 3); ADD3((i) + 6); ADD3((i) + 9)
#define GATHER                                                        \
    do {                                                              \
        int32_t left = groups;                                        \
        for (; left >= 4; left -= 4, list += 12) { ADD12(0); }        \
        for (; left > 0; left--, list += 3) { ADD3(0); }              \
    } while (0)

/* `sum` is doubled, so that the product's upper half is rounded as a doubling multiply rounds. */
static inline int32_t requantised(int32_t sum, int32_t multiplier, int32_t shift)
{
#if NN_POOL_PAIRS
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(sum), "r"(multiplier));
#else
    const int64_t product = (int64_t)sum * multiplier;
    int32_t r = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
    r += r >> 31; /* a half goes away from zero */
    return ((r >> (shift - 1)) + 1) >> 1;
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

#define WRITE                                                                                                     \
    do {                                                                                                          \
        const int32_t multiplier = (int32_t)list[0], shift = (int32_t)list[1], bias = (int32_t)list[2];           \
        const int32_t scale = p->scale, offset = p->offset, least = p->least, most = p->most, stride = p->stride; \
        list += 3;                                                                                                \
        s0 = clamped(requantised(s0 * scale + bias, multiplier, shift) + offset, least, most);                    \
        s1 = clamped(requantised(s1 * scale + bias, multiplier, shift) + offset, least, most);                    \
        s2 = clamped(requantised(s2 * scale + bias, multiplier, shift) + offset, least, most);                    \
        s3 = clamped(requantised(s3 * scale + bias, multiplier, shift) + offset, least, most);                    \
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
    for (int32_t f = p->filters; f > 0; f--, sums += 4) {
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        GATHER;
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
}

NN_POOL_WEAK void nn_pool_middle(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    int32_t *sums = p->sums;
    const int32_t groups = p->groups;
    for (int32_t f = p->filters; f > 0; f--, sums += 4) {
        int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        GATHER;
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
}

NN_POOL_WEAK void nn_pool_finish(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    const int32_t *sums = p->sums;
    const int32_t groups = p->groups;
    int8_t *output = p->output;
    for (int32_t f = p->filters; f > 0; f--, sums += 4) {
        int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        GATHER;
        WRITE;
    }
}

NN_POOL_WEAK void nn_pool_flush(const nn_pool_pass *p)
{
    const nn_pool_word *list = p->list;
    const int32_t *sums = p->sums;
    int8_t *output = p->output;
    for (int32_t f = p->filters; f > 0; f--, sums += 4) {
        int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        list += 3 * p->groups;
        WRITE;
    }
}
