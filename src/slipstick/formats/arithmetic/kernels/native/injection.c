/* Errors of a model added to a layer's smooth sums, in one pass: the stand-in, its bias and deviation by the sum, what is fixed at places, counted
   normal noise, and the slopes that the backward pass needs. Sums of positive and of negative products stand side by side, a block each for every
   image and group of channels. */
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define TERMS 6 /* of a polynomial of degree 5 */
#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));

typedef struct {
    int64_t blocks, size, counted, fixed; /* images times groups, sums of a block, products of a cycle that are counted, whether `fixed` is there */
    int64_t groups;
    uint32_t keys[3], pad;
    float bias[TERMS], deviation[TERMS], middle, inverse, floor;
} injection;

INLINE vec splat(float x) { return x - (vec){0}; }
INLINE vec chosen(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
INLINE vec load(const float *from, int64_t many) {
    vec x = {0};
    if (many >= LANES)
        memcpy(&x, from, sizeof x);
    else
        memcpy(&x, from, (size_t)many * sizeof(float));
    return x;
}
INLINE void store(float *to, vec x, int64_t many) {
    if (many >= LANES)
        memcpy(to, &x, sizeof x);
    else
        memcpy(to, &x, (size_t)many * sizeof(float));
}

INLINE vec root(vec x) {
#if defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vec)_mm256_sqrt_ps((__m256)x);
#else
    for (int l = 0; l < LANES; l++) x[l] = __builtin_sqrtf(x[l]);
    return x;
#endif
}

/* exp(-x) of x >= 0: halves of ln 2 and the polynomial of Cephes' expf */
INLINE vec decay(vec x) {
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves whole numbers */
    x = chosen(x > 87.0f, splat(87.0f), x);
    vec n = (x * -1.44269504f + round) - round;
    vec r = -x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (vec)((__builtin_convertvector(n, ivec) + 127) << 23);
}

INLINE vec polynomial(const float *c, vec t) {
    vec p = splat(c[TERMS - 1]);
    for (int i = TERMS - 2; i >= 0; i--) p = p * t + c[i];
    return p;
}

INLINE vec derivative(const float *c, vec t) {
    vec p = splat((TERMS - 1) * c[TERMS - 1]);
    for (int i = TERMS - 2; i >= 1; i--) p = p * t + i * c[i];
    return p;
}

INLINE uvec ones(uvec x) {
#if defined(__AVX512F__) && defined(__AVX512VPOPCNTDQ__)
    return (uvec)_mm512_popcnt_epi32((__m512i)x);
#else
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    return (((x + (x >> 4)) & 0x0F0F0F0Fu) * 0x01010101u) >> 24;
#endif
}

INLINE uvec hashed(uvec x) {
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return x ^ (x >> 16);
}

/* normal noise of the places from `first` on: `normal_noise` of training/injection_noise.py */
INLINE vec noise(const uint32_t *keys, uint32_t first) {
    uvec place;
    for (int l = 0; l < LANES; l++) place[l] = (uint32_t)l;
    place += first;
    uvec many = ones(hashed(place + keys[0])) + ones(hashed(place + keys[1]));
    vec between = __builtin_convertvector((ivec)(hashed(place + keys[2]) >> 8), vec) * 5.9604644775390625e-8f; /* 2^-24 */
    return (__builtin_convertvector((ivec)many, vec) + between - 32.5f) * 0.24935065f; /* 1 / sqrt(16 + 1 / 12) */
}

/* expected count, with bias, of a sum of one sign; its slope and the deviation */
INLINE vec counted_sum(const injection *s, vec sum, int counted, vec *slope, vec *spread) {
    vec e = decay(sum), term = splat(1), below = splat(1), left = splat(counted);
    for (int i = 1; i < counted; i++) {
        term = term * sum / (float)i;
        below += term;
        left += (float)(counted - i) * term;
    }
    vec count = (float)counted - e * left, raw = (count - s->middle) * s->inverse;
    vec t = chosen(raw < -1.0f, splat(-1), chosen(raw > 1.0f, splat(1), raw));
    vec bend = chosen(raw == t, derivative(s->bias, t) * s->inverse, splat(0));
    vec width = polynomial(s->deviation, t);
    *spread = chosen(width < s->floor, splat(s->floor), width);
    *slope = e * below * (1.0f + bend);
    return count + polynomial(s->bias, t);
}

INLINE void inject_block(const injection *s, float *sums, const float *fixed, const float *unit, float *results, uint32_t place, int counted) {
    float *less = sums + s->size;
    const float *fixed_less = fixed + s->groups * s->size;
    for (int64_t i = 0; i < s->size; i += LANES) {
        int64_t many = s->size - i;
        vec slope[2], spread[2];
        vec y = counted_sum(s, load(sums + i, many), counted, slope, spread) - counted_sum(s, load(less + i, many), counted, slope + 1, spread + 1);
        if (s->fixed) y += spread[0] * load(fixed + i, many) - spread[1] * load(fixed_less + i, many);
        y += root(spread[0] * spread[0] + spread[1] * spread[1]) * noise(s->keys, place + (uint32_t)i);
        store(results + i, y * load(unit + i, many), many);
        store(sums + i, slope[0], many);
        store(less + i, slope[1], many);
    }
}

/* sums: [images, groups, 2, size], slopes on return; fixed: [2, groups, size] or none; unit: [groups, size]; results: [images, groups, size] */
void inject_counts(const injection *s, float *sums, const float *fixed, const float *unit, float *results) {
    for (int64_t block = 0; block < s->blocks; block++) {
        int64_t group = block % s->groups * s->size;
        float *own = sums + 2 * block * s->size, *out = results + block * s->size;
        uint32_t place = (uint32_t)(block * s->size);
#define COUNTED(n) case n: inject_block(s, own, fixed + group, unit + group, out, place, n); break;
        switch (s->counted) { COUNTED(1) COUNTED(2) COUNTED(3) COUNTED(4) COUNTED(5) COUNTED(6) COUNTED(7) }
    }
}

/* slopes [blocks, 2, size] times gradients [blocks, size] */
void inject_slopes(const injection *s, const float *slopes, const float *gradients, float *products) {
    for (int64_t part = 0; part < 2 * s->blocks; part++) {
        const float *own = gradients + part / 2 * s->size;
        for (int64_t i = 0; i < s->size; i++) products[part * s->size + i] = slopes[part * s->size + i] * own[i];
    }
}

/* sums [blocks, size] times unit, plus shift, plus deviation times noise, all [size], in place */
void inject_channels(const injection *s, float *sums, const float *shift, const float *spread, const float *unit) {
    for (int64_t block = 0; block < s->blocks; block++)
        for (int64_t i = 0; i < s->size; i += LANES) {
            int64_t many = s->size - i;
            float *at = sums + block * s->size + i;
            vec y = load(at, many) * load(unit + i, many) + load(shift + i, many);
            store(at, y + load(spread + i, many) * noise(s->keys, (uint32_t)(block * s->size + i)), many);
        }
}

/* inputs as whole numbers by their factor, clipped at `top`, looked up: a table of [-top, top] as fractions; returns 1 if any was clipped, plus 2 if any is negative */
int inject_operands(const float *x, int64_t many, float factor, int32_t top, const float *table, float *carried) {
    const float round = 12582912.0f; /* ties to even */
    ivec beyond = {0}, negative = {0}, most = top - (ivec){0};
    for (int64_t i = 0; i < many; i += LANES) {
        vec code = (load(x + i, many - i) * factor + round) - round;
        code = chosen(code > 1e6f, splat(1e6f), chosen(code < -1e6f, splat(-1e6f), code));
        ivec whole = __builtin_convertvector(code, ivec), above = whole > most, below = whole < -most;
        beyond |= above | below;
        negative |= whole < 0;
        whole = (above & most) | (below & -most) | (~(above | below) & whole);
        whole += most;
#if defined(__AVX512F__)
        store(carried + i, (vec)_mm512_i32gather_ps((__m512i)whole, table, 4), many - i);
#elif defined(__AVX2__)
        store(carried + i, (vec)_mm256_i32gather_ps(table, (__m256i)whole, 4), many - i);
#else
        vec values;
        for (int l = 0; l < LANES; l++) values[l] = table[whole[l]];
        store(carried + i, values, many - i);
#endif
    }
    int clipped = 0, below = 0;
    for (int l = 0; l < LANES; l++) {
        clipped |= beyond[l] != 0;
        below |= negative[l] != 0;
    }
    return clipped + 2 * below;
}
