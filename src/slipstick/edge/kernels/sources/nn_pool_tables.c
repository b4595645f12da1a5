/* Products of pool vectors with pixels: by multiplication, or bit by bit from lookup tables. */
#include "nn_pool.h"

/* Weights of channel c of two neighbouring vectors in one word. */
static uint32_t weight_pair(const int8_t *vectors, uint32_t size, uint32_t at, uint32_t c)
{
    const int32_t low = at < size ? vectors[at * NN_POOL_VECTOR + c] : 0;
    const int32_t high = at + 1 < size ? vectors[(at + 1) * NN_POOL_VECTOR + c] : 0;
    return (uint32_t)low + ((uint32_t)high << 16);
}

/* Patterns with bit c are those without it, and its weights; four words of a row at a time. */
NN_POOL_WEAK void nn_pool_add_channel(uint32_t *row, uint32_t channel, const uint32_t pair[4])
{
    const uint32_t step = 32u << channel, p0 = pair[0], p1 = pair[1], p2 = pair[2], p3 = pair[3];
    for (const uint32_t *const end = row + step; row < end; row += 32) {
        const uint32_t a = row[0] + p0, b = row[1] + p1, d = row[2] + p2, e = row[3] + p3;
        uint32_t *const to = row + step;
        to[0] = a, to[1] = b, to[2] = d, to[3] = e;
    }
}

void nn_pool_prepare(const int8_t *vectors, uint16_t size, uint32_t *lookup)
{
    for (uint32_t chunk = 0; chunk < size; chunk += NN_POOL_CHUNK, lookup += 256 * 32)
        for (uint32_t s = 0; s < 32; s += 4) {
            for (uint32_t i = 0; i < 4; i++) lookup[s + i] = NN_POOL_LIFT * 0x10001u;
            for (uint32_t c = 0; c < NN_POOL_VECTOR; c++) {
                uint32_t pair[4];
                for (uint32_t i = 0; i < 4; i++) pair[i] = weight_pair(vectors, size, chunk + 2 * (s + i), c);
                nn_pool_add_channel(lookup + s, c, pair);
            }
        }
}

/* Eight bytes of a bit each: plane k, as an index, has bit c of channel c. */
static void planes_of(const int8_t *x, uint32_t plane[8])
{
    uint32_t low = 0, high = 0, t;
    for (int i = 0; i < 4; i++) {
        low |= (uint32_t)(uint8_t)x[i] << 8 * i;
        high |= (uint32_t)(uint8_t)x[i + 4] << 8 * i;
    }
    low ^= 0x80808080u, high ^= 0x80808080u; /* code + 128 */
    t = (low ^ (low >> 7)) & 0x00aa00aau, low ^= t ^ (t << 7);
    t = (high ^ (high >> 7)) & 0x00aa00aau, high ^= t ^ (t << 7);
    t = (low ^ (low >> 14)) & 0x0000ccccu, low ^= t ^ (t << 14);
    t = (high ^ (high >> 14)) & 0x0000ccccu, high ^= t ^ (t << 14);
    t = (low & 0x0f0f0f0fu) | ((high << 4) & 0xf0f0f0f0u);
    high = ((low >> 4) & 0x0f0f0f0fu) | (high & 0xf0f0f0f0u);
    for (int k = 0; k < 4; k++) plane[k] = (t >> 8 * k) & 255u, plane[k + 4] = (high >> 8 * k) & 255u;
}

#define PAIR(w, k, i) w = row##k[i] + (w << 1)
#define STORE(w, u, i)                                       \
    do {                                                     \
        const uint32_t high_ = (((w) >> 16) << 3) + ((u) >> 16); \
        to[(2 * (i) + 1) * NN_POOL_ENTRY] = (int32_t)high_; \
        to[2 * (i) * NN_POOL_ENTRY] = (int32_t)(((w) << 3) + (u) - (high_ << 16)); \
    } while (0)
#define EIGHT(i)                                                                    \
    do {                                                                            \
        uint32_t w = row7[i], u = row2[i];                                          \
        PAIR(w, 6, i); PAIR(w, 5, i); PAIR(w, 4, i); PAIR(w, 3, i);                 \
        PAIR(u, 1, i); PAIR(u, 0, i);                                               \
        STORE(w, u, i);                                                             \
    } while (0)

static void eight_bits(const uint32_t *table, const uint32_t plane[8], int32_t *to)
{
    const uint32_t *row0 = table + plane[0] * 32, *row1 = table + plane[1] * 32, *row2 = table + plane[2] * 32;
    const uint32_t *row3 = table + plane[3] * 32, *row4 = table + plane[4] * 32, *row5 = table + plane[5] * 32;
    const uint32_t *row6 = table + plane[6] * 32, *row7 = table + plane[7] * 32;
    for (int i = 0; i < 32; i += 8) {
        EIGHT(0); EIGHT(1); EIGHT(2); EIGHT(3); EIGHT(4); EIGHT(5); EIGHT(6); EIGHT(7);
        row0 += 8, row1 += 8, row2 += 8, row3 += 8, row4 += 8, row5 += 8, row6 += 8, row7 += 8;
        to += 16 * NN_POOL_ENTRY;
    }
}

/* Up to five planes fit 16 bits: 31 * 2040 < 65536. */
static void few_bits(const uint32_t *table, const uint32_t plane[8], int32_t *to, int32_t bits)
{
    const int32_t upper = bits < 5 ? bits : 5;
    for (int32_t i = 0; i < 32; i++, to += 2 * NN_POOL_ENTRY) {
        uint32_t w = 0, u = 0;
        for (int32_t k = 7; k > 7 - upper; k--) w = (w << 1) + table[plane[k] * 32 + (uint32_t)i];
        for (int32_t k = 2; k > 7 - bits; k--) u = (u << 1) + table[plane[k] * 32 + (uint32_t)i];
        to[0] = (int32_t)(((w & 0xffffu) << (bits - upper)) + (u & 0xffffu));
        to[NN_POOL_ENTRY] = (int32_t)(((w >> 16) << (bits - upper)) + (u >> 16));
    }
}

NN_POOL_WEAK void nn_pool_lookup_pixel(const nn_pool_tables *t, int32_t column)
{
    int32_t *to = t->entry + NN_POOL_PAIRS + column;
    for (int32_t g = 0; g < t->groups; g++) {
        uint32_t plane[8];
        planes_of(t->a + g * NN_POOL_VECTOR, plane);
        const uint32_t *table = t->lookup;
        for (int32_t s = 0; s < t->size; s += NN_POOL_CHUNK, table += 256 * 32, to += NN_POOL_CHUNK * NN_POOL_ENTRY) {
            if (t->bits == 8)
                eight_bits(table, plane, to);
            else
                few_bits(table, plane, to, t->bits);
        }
    }
}

NN_POOL_WEAK void nn_pool_shift(const nn_pool_tables *t)
{
    int32_t *to = t->entry + NN_POOL_PAIRS;
    for (int32_t i = t->groups * t->size; i > 0; i--, to += NN_POOL_ENTRY) to[4] = to[0], to[5] = to[1];
}

NN_POOL_WEAK void nn_pool_outside(const nn_pool_tables *t, int32_t column)
{
    int32_t *to = t->entry + NN_POOL_PAIRS + column;
    const int32_t outside = t->outside;
    if (t->zero == 0) {
        for (int32_t i = t->groups * t->size; i > 0; i -= 8, to += 8 * NN_POOL_ENTRY) {
            to[0] = to[NN_POOL_ENTRY] = to[2 * NN_POOL_ENTRY] = to[3 * NN_POOL_ENTRY] = outside;
            to[4 * NN_POOL_ENTRY] = to[5 * NN_POOL_ENTRY] = to[6 * NN_POOL_ENTRY] = to[7 * NN_POOL_ENTRY] = outside;
        }
        return;
    }
    const int32_t zero = t->zero / (1 << (8 - t->bits)); /* without a rest, in units of the last bit */
    for (int32_t g = 0; g < t->groups; g++)
        for (int32_t s = 0; s < t->size; s++, to += NN_POOL_ENTRY) {
            *to = outside;
            if (s < t->real_size)
                for (int32_t c = 0; c < NN_POOL_VECTOR; c++) *to += zero * t->vectors[s * NN_POOL_VECTOR + c];
        }
}

#if NN_POOL_PAIRS
/* volatile keeps the order, so that eight pairs of pixels, a pair of weights and two sums stay in registers */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}
static inline int32_t smuad(uint32_t a, uint32_t b)
{
    int32_t r;
    __asm__ volatile("smuad %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t sxtab16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t sxtab16_8(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
#define LOAD(n, x)                                                                                       \
    const uint32_t *n##w = (const uint32_t *)(const void *)((x) + g * NN_POOL_VECTOR);                   \
    const uint32_t n##0 = sxtab16(t->offset_pair, n##w[0]), n##1 = sxtab16_8(t->offset_pair, n##w[0]);   \
    const uint32_t n##2 = sxtab16(t->offset_pair, n##w[1]), n##3 = sxtab16_8(t->offset_pair, n##w[1])
#define ONE(at, a)                                                     \
    do {                                                               \
        int32_t p_ = smuad((uint32_t)to[-4], a##0);                    \
        p_ = smlad((uint32_t)to[-3], a##1, p_);                        \
        p_ = smlad((uint32_t)to[-2], a##2, p_);                        \
        to[at] = smlad((uint32_t)to[-1], a##3, p_);                    \
    } while (0)
#define TWO(at, a, b)                                                  \
    do {                                                               \
        uint32_t v_ = (uint32_t)to[-4], u_ = (uint32_t)to[-3];         \
        int32_t q_ = smuad(v_, b##0), p_ = smuad(v_, a##0);            \
        q_ = smlad(u_, b##1, q_), p_ = smlad(u_, a##1, p_);            \
        v_ = (uint32_t)to[-2], u_ = (uint32_t)to[-1];                  \
        q_ = smlad(v_, b##2, q_), p_ = smlad(v_, a##2, p_);            \
        q_ = smlad(u_, b##3, q_), p_ = smlad(u_, a##3, p_);            \
        to[at] = q_, to[at + 1] = p_;                                  \
    } while (0)
#define VECTORS t->size
#else
#define LOAD(n, x)                                                                                                     \
    const int8_t *n##w = (x) + g * NN_POOL_VECTOR;                                                                     \
    const int32_t n##0 = n##w[0] + t->offset, n##1 = n##w[1] + t->offset, n##2 = n##w[2] + t->offset;                  \
    const int32_t n##3 = n##w[3] + t->offset, n##4 = n##w[4] + t->offset, n##5 = n##w[5] + t->offset;                  \
    const int32_t n##6 = n##w[6] + t->offset, n##7 = n##w[7] + t->offset
#define DOT(n) (v[0] * n##0 + v[1] * n##1 + v[2] * n##2 + v[3] * n##3 + v[4] * n##4 + v[5] * n##5 + v[6] * n##6 + v[7] * n##7)
#define ONE(at, a) to[at] = DOT(a)
#define TWO(at, a, b) to[at] = DOT(b), to[at + 1] = DOT(a)
#define VECTORS t->real_size
#endif
#if NN_POOL_PAIRS
#define NEXT to += NN_POOL_ENTRY
#define FOUR(...) __VA_ARGS__; NEXT; __VA_ARGS__; NEXT; __VA_ARGS__; NEXT; __VA_ARGS__; NEXT
#define SOME(...) FOUR(__VA_ARGS__); FOUR(__VA_ARGS__)
#else
#define NEXT to += NN_POOL_ENTRY, v += NN_POOL_VECTOR
#define SOME(...) __VA_ARGS__; NEXT
#endif
#define EACH(load, ...)                                                        \
    for (int32_t g = 0; g < t->groups; g++) {                                  \
        load;                                                                  \
        const int8_t *v = t->vectors;                                          \
        int32_t *to = t->entry + g * t->size * NN_POOL_ENTRY + NN_POOL_PAIRS;  \
        const int32_t *const end = to + VECTORS * NN_POOL_ENTRY;               \
        while (to < end) {                                                     \
            SOME(__VA_ARGS__);                                                 \
        }                                                                      \
        (void)v;                                                               \
    }

NN_POOL_WEAK void nn_pool_pair_shift(const nn_pool_tables *t)
{
    EACH(LOAD(a, t->a); LOAD(b, t->b), to[4] = to[0]; to[5] = to[1]; TWO(2, a, b))
}

NN_POOL_WEAK void nn_pool_pair(const nn_pool_tables *t) { EACH(LOAD(a, t->a); LOAD(b, t->b), TWO(0, a, b)) }

NN_POOL_WEAK void nn_pool_first(const nn_pool_tables *t) { EACH(LOAD(a, t->a), ONE(0, a); to[1] = 0) }

NN_POOL_WEAK void nn_pool_last(const nn_pool_tables *t) { EACH(LOAD(a, t->a), ONE(1, a); to[0] = 0) }
