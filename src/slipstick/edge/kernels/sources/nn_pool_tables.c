/* Products of pool vectors with pixels: by multiplication, or bit by bit from lookup tables. */
#include "nn_pool.h"

/* Weights of channel c of two neighbouring vectors in one word. */
static uint32_t weight_pair(const int8_t *vectors, uint32_t size, uint32_t at, uint32_t c)
{
    const int32_t low = at < size ? vectors[at * NN_POOL_VECTOR + c] : 0;
    const int32_t high = at + 1 < size ? vectors[(at + 1) * NN_POOL_VECTOR + c] : 0;
    return (uint32_t)low + ((uint32_t)high << 16);
}

/* Rows `step` words on are these rows and a weight; a few words of a row at a time. */
NN_POOL_WEAK void nn_pool_add_weights(uint32_t *row, const uint32_t *end, size_t step, const uint32_t pair[NN_POOL_BLOCK])
{
    const uint32_t p0 = pair[0], p1 = pair[1], p2 = pair[2], p3 = pair[3];
#if NN_POOL_BLOCK == 8
    const uint32_t p4 = pair[4], p5 = pair[5], p6 = pair[6], p7 = pair[7];
#endif
    for (; row < end; row += NN_POOL_ROW) {
        const uint32_t a = row[0] + p0, b = row[1] + p1, c = row[2] + p2, d = row[3] + p3;
        uint32_t *const to = row + step;
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
#if NN_POOL_BLOCK == 8
        const uint32_t e = row[4] + p4, f = row[5] + p5, g = row[6] + p6, h = row[7] + p7;
        to[4] = e, to[5] = f, to[6] = g, to[7] = h;
#endif
    }
}

void nn_pool_prepare(const int8_t *vectors, uint32_t size, uint32_t *lookup)
{
    const uint32_t channels = NN_POOL_VECTOR / NN_POOL_STEP; /* of a table */
    const uint32_t padded = (size + NN_POOL_CHUNK - 1u) / NN_POOL_CHUNK * NN_POOL_CHUNK;
    for (uint32_t at = 0; at < padded * NN_POOL_STEP; at += NN_POOL_CHUNK, lookup += 256 * NN_POOL_ROW) {
        const uint32_t vector = at / (NN_POOL_STEP * NN_POOL_CHUNK) * NN_POOL_CHUNK;
        const uint32_t first = at / NN_POOL_CHUNK % NN_POOL_STEP * channels;
        for (uint32_t s = 0; s < NN_POOL_ROW; s += NN_POOL_BLOCK) {
            for (uint32_t i = 0; i < NN_POOL_BLOCK; i++) lookup[s + i] = NN_POOL_LIFT * 0x10001u;
            size_t step = NN_POOL_ROW;
            for (uint32_t c = first; c < first + channels; c++, step <<= NN_POOL_STEP) {
                uint32_t pair[NN_POOL_BLOCK];
                for (uint32_t i = 0; i < NN_POOL_BLOCK; i++) pair[i] = weight_pair(vectors, size, vector + 2 * (s + i), c);
                nn_pool_add_weights(lookup + s, lookup + s + step * ((1u << NN_POOL_STEP) - 1u), step, pair);
            }
        }
    }
}

/* Sums of two vectors from their upper and lower planes; `to` is the entry of the eight pairs' first vector. */
#define MERGE(h, l, lower, i)                                                                        \
    do {                                                                                             \
        const uint32_t high_ = (((h) >> 16) << (lower)) + ((l) >> 16);                               \
        to[(2 * ((i) & 7) + 1) * NN_POOL_ENTRY] = (int32_t)high_;                                    \
        to[2 * ((i) & 7) * NN_POOL_ENTRY] = (int32_t)(((h) << (lower)) + (l) - (high_ << 16));       \
    } while (0)
#define TWICE(DO, i) DO(i); NN_POOL_FENCE; DO(i + 1); NN_POOL_FENCE
#define EIGHT(DO, i) TWICE(DO, i); TWICE(DO, i + 2); TWICE(DO, i + 4); TWICE(DO, i + 6)

#if NN_POOL_STEP == 1
/* Byte k of the result: a bit of each channel; planes 0 to 3 in `low`, 4 to 7 in `high`. */
static void transpose(uint32_t a, uint32_t b, uint32_t *low, uint32_t *high)
{
    uint32_t t;
    t = (a ^ (a >> 7)) & 0x00aa00aau, a ^= t ^ (t << 7);
    t = (b ^ (b >> 7)) & 0x00aa00aau, b ^= t ^ (t << 7);
    t = (a ^ (a >> 14)) & 0x0000ccccu, a ^= t ^ (t << 14);
    t = (b ^ (b >> 14)) & 0x0000ccccu, b ^= t ^ (t << 14);
    *low = (a & 0x0f0f0f0fu) | ((b << 4) & 0xf0f0f0f0u);
    *high = ((a >> 4) & 0x0f0f0f0fu) | (b & 0xf0f0f0f0u);
}

#define ROW(planes, k) (table + ((planes) >> 8 * (k) & 255u) * NN_POOL_ROW)

/* Five planes fit 16 bits: 31 * 2048 < 65536. */
#define DO(i)                                                                                                        \
    do {                                                                                                             \
        const uint32_t h_ = ((((row7[i] << 1) + row6[i]) << 1) + row5[i]) << 1, l_ = ((row2[i] << 1) + row1[i]) << 1; \
        const uint32_t m_ = ((h_ + row4[i]) << 1) + row3[i], n_ = l_ + row0[i];                                      \
        MERGE(m_, n_, 3, i);                                                                                         \
    } while (0)

static void all_bits(const uint32_t *table, uint32_t low, uint32_t high, int32_t *to)
{
    const uint32_t *row0 = ROW(low, 0), *row1 = ROW(low, 1), *row2 = ROW(low, 2), *row3 = ROW(low, 3);
    const uint32_t *row4 = ROW(high, 0), *row5 = ROW(high, 1), *row6 = ROW(high, 2), *row7 = ROW(high, 3);
    for (int i = 0; i < NN_POOL_ROW; i += 8) {
        EIGHT(DO, 0);
        row0 += 8, row1 += 8, row2 += 8, row3 += 8, row4 += 8, row5 += 8, row6 += 8, row7 += 8;
        to += 16 * NN_POOL_ENTRY;
    }
}

static void few_bits(const uint32_t *table, uint32_t low, uint32_t high, int32_t *to, int32_t bits)
{
    const int32_t upper = bits < 5 ? bits : 5;
    for (int32_t i = 0; i < NN_POOL_ROW; i++, to += 2 * NN_POOL_ENTRY) {
        uint32_t w = 0, u = 0;
        for (int32_t k = 7; k > 7 - upper; k--) w = (w << 1) + ROW(k > 3 ? high : low, k & 3)[i];
        for (int32_t k = 2; k > 7 - bits; k--) u = (u << 1) + ROW(low, k)[i];
        MERGE(w, u, bits - upper, 0);
    }
}

#else
/* Bits 2 j and 2 j + 1 of the four channels in a word, gathered in a byte: the address of a row. */
#define ROW(table, word, j) ((table) + (((word) >> 2 * (j) & 0x03030303u) * 0x01041040u >> 24) * NN_POOL_ROW)

/* Two steps fit 16 bits: 5 * 6144 < 65536. */
#define DO(i)                                                                     \
    do {                                                                          \
        const uint32_t h_ = ((a3[i] + b3[i]) << 2) + a2[i] + b2[i];               \
        const uint32_t l_ = ((a1[i] + b1[i]) << 2) + a0[i] + b0[i];               \
        MERGE(h_, l_, 4, i);                                                      \
    } while (0)

static void all_bits(const uint32_t *table, uint32_t low, uint32_t high, int32_t *to)
{
    const uint32_t *const next = table + 256 * NN_POOL_ROW;
    const uint32_t *a0 = ROW(table, low, 0), *a1 = ROW(table, low, 1), *a2 = ROW(table, low, 2), *a3 = ROW(table, low, 3);
    const uint32_t *b0 = ROW(next, high, 0), *b1 = ROW(next, high, 1), *b2 = ROW(next, high, 2), *b3 = ROW(next, high, 3);
    EIGHT(DO, 0);
    to += 16 * NN_POOL_ENTRY;
    EIGHT(DO, 8);
    to += 16 * NN_POOL_ENTRY;
    EIGHT(DO, 16);
    to += 16 * NN_POOL_ENTRY;
    EIGHT(DO, 24);
}

#define DO_ONE(i)                                     \
    do {                                              \
        const uint32_t h_ = a3[i] + b3[i];            \
        to[2 * (i) * NN_POOL_ENTRY] = (int32_t)(h_ & 0xffffu);   \
        to[(2 * (i) + 1) * NN_POOL_ENTRY] = (int32_t)(h_ >> 16); \
    } while (0)
#define DO_TWO(i)                                                       \
    do {                                                                \
        const uint32_t h_ = ((a3[i] + b3[i]) << 2) + a2[i] + b2[i];     \
        to[2 * (i) * NN_POOL_ENTRY] = (int32_t)(h_ & 0xffffu);                     \
        to[(2 * (i) + 1) * NN_POOL_ENTRY] = (int32_t)(h_ >> 16);                   \
    } while (0)
#define DO_THREE(i)                                                                             \
    do {                                                                                        \
        const uint32_t h_ = ((a3[i] + b3[i]) << 2) + a2[i] + b2[i], l_ = a1[i] + b1[i];         \
        MERGE(h_, l_, 2, i);                                                                    \
    } while (0)

static void few_bits(const uint32_t *table, uint32_t low, uint32_t high, int32_t *to, int32_t bits)
{
    const uint32_t *const next = table + 256 * NN_POOL_ROW;
    const uint32_t *a1 = ROW(table, low, 1), *a2 = ROW(table, low, 2), *a3 = ROW(table, low, 3);
    const uint32_t *b1 = ROW(next, high, 1), *b2 = ROW(next, high, 2), *b3 = ROW(next, high, 3);
    for (int i = 0; i < NN_POOL_ROW; i += 8, to += 16 * NN_POOL_ENTRY) {
        if (bits <= 2) {
            EIGHT(DO_ONE, 0);
        } else if (bits <= 4) {
            EIGHT(DO_TWO, 0);
        } else {
            EIGHT(DO_THREE, 0);
        }
        NN_POOL_NEXT(8, a1); NN_POOL_NEXT(8, a2); NN_POOL_NEXT(8, a3);
        NN_POOL_NEXT(8, b1); NN_POOL_NEXT(8, b2); NN_POOL_NEXT(8, b3);
    }
}

static void transpose(uint32_t a, uint32_t b, uint32_t *low, uint32_t *high) { *low = a, *high = b; }
#endif

NN_POOL_WEAK void nn_pool_lookup_pixel(const nn_pool_tables *t, int32_t column)
{
    int32_t *to = t->entry + NN_POOL_PAIRS + column;
    for (int32_t g = 0; g < t->groups; g++) {
        const uint32_t *word = (const uint32_t *)(const void *)(t->a + g * NN_POOL_VECTOR);
        uint32_t a = word[0] ^ 0x80808080u, b = word[1] ^ 0x80808080u, low, high; /* code + 128 */
        if (t->bits < 8) a = nn_pool_rounded(a, (uint32_t)t->bits), b = nn_pool_rounded(b, (uint32_t)t->bits);
        transpose(a, b, &low, &high);
        const uint32_t *table = t->lookup;
        for (int32_t s = 0; s < t->size; s += NN_POOL_CHUNK) {
            if (t->bits > 8 - NN_POOL_STEP)
                all_bits(table, low, high, to);
            else
                few_bits(table, low, high, to, t->bits);
            table += NN_POOL_STEP * 256 * NN_POOL_ROW;
            to += NN_POOL_CHUNK * NN_POOL_ENTRY;
        }
    }
}

NN_POOL_WEAK void nn_pool_shift(const nn_pool_tables *t)
{
    int32_t *to = t->entry + NN_POOL_PAIRS;
    for (int32_t i = t->groups * t->size; i > 0; i -= 8)
        for (int k = 0; k < 8; k++, to += NN_POOL_ENTRY) {
            const int32_t a = to[0], b = to[1];
            to[NN_POOL_BLOCK] = a, to[NN_POOL_BLOCK + 1] = b;
        }
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
    const int32_t zero = t->zero >> t->dropped; /* without a rest, in units of the last bit */
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

#if NN_POOL_PAIRS
NN_POOL_WEAK void nn_pool_pair_shift(const nn_pool_tables *t)
{
    EACH(LOAD(a, t->a); LOAD(b, t->b), to[4] = to[0]; to[5] = to[1]; TWO(2, a, b))
}

NN_POOL_WEAK void nn_pool_pair(const nn_pool_tables *t) { EACH(LOAD(a, t->a); LOAD(b, t->b), TWO(0, a, b)) }

NN_POOL_WEAK void nn_pool_first(const nn_pool_tables *t) { EACH(LOAD(a, t->a), ONE(0, a); to[1] = 0) }

NN_POOL_WEAK void nn_pool_last(const nn_pool_tables *t) { EACH(LOAD(a, t->a), ONE(1, a); to[0] = 0) }
#else
NN_POOL_WEAK void nn_pool_pair(const nn_pool_tables *t, int32_t column)
{
    EACH(LOAD(a, t->a); LOAD(b, t->b), to[column] = DOT(b), to[column + 1] = DOT(a))
}
#endif
