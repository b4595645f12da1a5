/* Sums of table look-ups of a convolution: out[b][n][p] = scale * sum over taps of U[weight][input] + offset[n].

   U is split into planes of bytes (radix 2^shift), each a table [weight class][entries] that byte permutes look up for 64
   positions at a time (AVX-512 VBMI) or 32 (AVX2, pshufb). Bytes are added in 16 bit lanes: `whole` sums words, `odd` their
   upper bytes, so that the even bytes' sum is whole - 256 odd, modulo 2^16; 64 taps of at most 255 stay below 2^16.
   Radix 2^7 lets two taps be added as bytes first. Every function is compared with the oracle when the library is loaded. */
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, CHUNK = 64, LANES = BLOCK / 64, BYTE_BLOCK = 64, BYTE_CHUNK = 512, SLACK = 64 }; /* positions and taps of look-ups, and of byte products,
    that stay in the first cache; bytes written past a row */
enum { BATCH, CHANNELS, HEIGHT, WIDTH, TOP, BOTTOM, LEFT, RIGHT, FILTERS, ROWS, COLUMNS, OUT_ROWS, OUT_COLUMNS, STEP_ROWS,
       STEP_COLUMNS, GAP_ROWS, GAP_COLUMNS, GROUPS, PLANES, CLASSES, ENTRIES, SHIFT, FULL, BYTES, SCALE, WIDE };

typedef struct { uint16_t tap, row; } term;
typedef struct { const uint8_t *from; int to, length; } segment;

#define VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define UNROLL _Pragma("GCC unroll 8")
#define WIDE_TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vl"))) static inline __attribute__((always_inline))
#define NARROW_TARGET __attribute__((target("avx2"))) static inline __attribute__((always_inline))

WIDE_TARGET __m512i look_up_512(__m512i at, const __m512i *t, int entries) {
    if (entries == 64) return _mm512_permutexvar_epi8(at, t[0]);
    __m512i low = _mm512_permutex2var_epi8(t[0], at, t[1]);
    if (entries == 128) return low;
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, _mm512_permutex2var_epi8(t[2], at, t[3]));
}

WIDE_TARGET void add_512(__m512i whole, __m512i odd, int shift, int32_t *sums) {
    __m512i even = _mm512_sub_epi16(whole, _mm512_slli_epi16(odd, 8));
    __m512i order = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    __m512i more = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
    __m512i first = _mm512_permutex2var_epi32(low, order, high), last = _mm512_permutex2var_epi32(low, more, high);
    __m128i by = _mm_cvtsi32_si128(shift);
    __m512i words[4] = {_mm512_cvtepu16_epi32(_mm512_castsi512_si256(first)), _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(first, 1)),
                        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(last)), _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(last, 1))};
    for (int i = 0; i < 4; i++) {
        __m512i *to = (__m512i *)(sums + 16 * i);
        _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), _mm512_sll_epi32(words[i], by)));
    }
}

WIDE_TARGET void plane_512(const uint8_t *columns, const uint8_t *plane, const term *terms, int count, int entries, int pairs, int shift, int32_t *sums) {
    const int parts = entries / 64;
    __m512i whole[LANES], odd[LANES], t[4], u[4];
    UNROLL for (int i = 0; i < LANES; i++) whole[i] = odd[i] = _mm512_setzero_si512();
    int n = 0;
    if (pairs)
        for (; n + 1 < count; n += 2) {
            const uint8_t *a = columns + BLOCK * terms[n].tap, *b = columns + BLOCK * terms[n + 1].tap;
            UNROLL for (int i = 0; i < parts; i++) t[i] = _mm512_loadu_si512(plane + (size_t)entries * terms[n].row + 64 * i);
            UNROLL for (int i = 0; i < parts; i++) u[i] = _mm512_loadu_si512(plane + (size_t)entries * terms[n + 1].row + 64 * i);
            UNROLL for (int i = 0; i < LANES; i++) {
                __m512i v = _mm512_add_epi8(look_up_512(_mm512_loadu_si512(a + 64 * i), t, entries), look_up_512(_mm512_loadu_si512(b + 64 * i), u, entries));
                whole[i] = _mm512_add_epi16(whole[i], v), odd[i] = _mm512_add_epi16(odd[i], _mm512_srli_epi16(v, 8));
            }
        }
    for (; n < count; n++) {
        const uint8_t *a = columns + BLOCK * terms[n].tap;
        UNROLL for (int i = 0; i < parts; i++) t[i] = _mm512_loadu_si512(plane + (size_t)entries * terms[n].row + 64 * i);
        UNROLL for (int i = 0; i < LANES; i++) {
            __m512i v = look_up_512(_mm512_loadu_si512(a + 64 * i), t, entries);
            whole[i] = _mm512_add_epi16(whole[i], v), odd[i] = _mm512_add_epi16(odd[i], _mm512_srli_epi16(v, 8));
        }
    }
    UNROLL for (int i = 0; i < LANES; i++) add_512(whole[i], odd[i], shift, sums + 64 * i);
}

/* 16 entries a pshufb, which gives 0 for an index below zero: of `differences`' rows those up to the index's add up to its entry */
NARROW_TARGET __m256i look_up_256(__m256i at, const uint8_t *t, int entries) {
    __m256i v = _mm256_setzero_si256();
    UNROLL for (int half = 0; half < entries; half += 128, at = _mm256_xor_si256(at, _mm256_set1_epi8(-128))) {
        __m256i x = at;
        UNROLL for (int k = half; k < entries && k < half + 128; k += 16, x = _mm256_subs_epi8(x, _mm256_set1_epi8(16)))
            v = _mm256_xor_si256(v, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(t + k))), x));
    }
    return v;
}

/* Rows of planes as pshufb reads them: each 16 entries of a half of 128 as what they differ by (exclusive or) from the 16 before. */
static uint8_t *differences(const uint8_t *planes, int64_t bytes, int64_t entries) {
    uint8_t *rows = malloc((size_t)bytes);
    for (int64_t i = 0; rows && i < bytes; i++) rows[i] = i % entries % 128 < 16 ? planes[i] : planes[i] ^ planes[i - 16];
    return rows;
}

NARROW_TARGET void plane_256(const uint8_t *columns, const uint8_t *plane, const term *terms, int count, int entries, int shift, int32_t *sums) {
    const __m256i byte = _mm256_set1_epi16(255);
    for (int part = 0; part < BLOCK / 32; part++) {
        __m256i even = _mm256_setzero_si256(), odd = even;
        for (int n = 0; n < count; n++) {
            __m256i at = _mm256_loadu_si256((const __m256i *)(columns + BLOCK * terms[n].tap + 32 * part));
            __m256i v = look_up_256(at, plane + (size_t)entries * terms[n].row, entries);
            even = _mm256_add_epi16(even, _mm256_and_si256(v, byte)), odd = _mm256_add_epi16(odd, _mm256_srli_epi16(v, 8));
        }
        __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
        __m128i eights[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high), _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
        UNROLL for (int i = 0; i < 4; i++) {
            __m256i *to = (__m256i *)(sums + 32 * part + 8 * i);
            __m256i more = _mm256_sll_epi32(_mm256_cvtepu16_epi32(eights[i]), _mm_cvtsi32_si128(shift));
            _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), more));
        }
    }
}

#define CASES(entries, shift7) \
    __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vl"))) static void wide_##entries##_##shift7(const uint8_t *c, const uint8_t *p, const term *t, int n, int s, int32_t *o) { \
        plane_512(c, p, t, n, entries, shift7, s, o); }
CASES(64, 0) CASES(64, 1) CASES(128, 0) CASES(128, 1) CASES(256, 0) CASES(256, 1)
#define NARROW(entries) \
    __attribute__((target("avx2"))) static void narrow_##entries(const uint8_t *c, const uint8_t *p, const term *t, int n, int s, int32_t *o) { plane_256(c, p, t, n, entries, s, o); }
NARROW(64) NARROW(128) NARROW(256)

typedef void kernel(const uint8_t *, const uint8_t *, const term *, int, int, int32_t *);

static kernel *choose(int entries, int pairs, int wide) {
    if (!wide) return entries == 64 ? narrow_64 : entries == 128 ? narrow_128 : narrow_256;
    if (pairs) return entries == 64 ? wide_64_1 : entries == 128 ? wide_128_1 : wide_256_1;
    return entries == 64 ? wide_64_0 : entries == 128 ? wide_128_0 : wide_256_0;
}

/* Classes of a row of signed bytes, 64 at a time by byte permutes; a signed byte's class is classes[byte + 128]. */
__attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vl"))) static void classify_row(const int8_t *from, int64_t count, const uint8_t *classes, uint8_t *to) {
    __m512i t[4];
    UNROLL for (int i = 0; i < 4; i++) t[i] = _mm512_loadu_si512(classes + 64 * i);
    for (int64_t x = 0; x < count; x += 64) {
        __mmask64 rest = count - x < 64 ? (1ull << (count - x)) - 1 : ~0ull;
        __m512i at = _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, from + x), _mm512_set1_epi8(-128));
        _mm512_mask_storeu_epi8(to + x, rest, look_up_512(at, t, 256));
    }
}

/* Bytes of classes [batch][channels][padded rows][STEP_COLUMNS][row], so that a tap's inputs of one output row are adjacent. */
static void classify(const int64_t *g, const void *inputs, const uint8_t *classes, int64_t row, uint8_t *to) {
    const int64_t height = g[HEIGHT] + g[TOP] + g[BOTTOM], step = g[STEP_COLUMNS], full = g[FULL];
    const uint8_t zero = classes[full];
    for (int64_t image = 0; image < g[BATCH] * g[CHANNELS]; image++)
        for (int64_t y = 0; y < height; y++, to += step * row) {
            memset(to, zero, (size_t)(step * row));
            if (y < g[TOP] || y >= g[TOP] + g[HEIGHT]) continue;
            int64_t start = (image * g[HEIGHT] + y - g[TOP]) * g[WIDTH];
            const int8_t *narrow = (const int8_t *)inputs + start;
            const int16_t *wide = (const int16_t *)inputs + start;
            if (step == 1 && g[BYTES] == 1 && full == 128 && g[WIDE])
                classify_row(narrow, g[WIDTH], classes, to + g[LEFT]);
            else if (step == 1 && g[BYTES] == 1)
                for (int64_t x = 0; x < g[WIDTH]; x++) to[x + g[LEFT]] = classes[narrow[x] + full];
            else
                for (int64_t x = 0; x < g[WIDTH]; x++) {
                    int64_t at = x + g[LEFT];
                    to[at % step * row + at / step] = classes[(g[BYTES] == 1 ? narrow[x] : wide[x]) + full];
                }
        }
}

static void copy(uint8_t *to, const uint8_t *from, int length) { /* whole vectors: up to 15 bytes more, written over later */
    for (int i = 0; i < length; i += 16) {
        __asm__("" : "+r"(from)); /* gcc calls memcpy for the loop, which takes longer than the copy */
        _mm_storeu_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
    }
}

/* terms of a chunk of taps of every filter; weights whose row of U is zero add nothing and are left out */
static int gather_terms(const uint16_t *weights, const uint8_t *empty, int start, int end, term *terms) {
    int count = 0;
    for (int tap = start; tap < end; tap++)
        if (!empty[weights[tap]]) terms[count++] = (term){(uint16_t)(tap - start), weights[tap]};
    return count;
}


/* Segments of a block of output positions: runs of one output row, whose inputs are adjacent bytes. */
static int find_segments(const int64_t *g, const uint8_t *bytes, int64_t line, int64_t group, int64_t start, int length, segment *segments) {
    const int64_t places = g[OUT_ROWS] * g[OUT_COLUMNS], height = g[HEIGHT] + g[TOP] + g[BOTTOM], channels = g[CHANNELS] / g[GROUPS];
    int count = 0;
    for (int to = 0; to < length; count++) {
        int64_t image = (start + to) / places, place = (start + to) % places, x = place % g[OUT_COLUMNS];
        int run = (int)(g[OUT_COLUMNS] - x < length - to ? g[OUT_COLUMNS] - x : length - to);
        const uint8_t *from = bytes + ((image * g[CHANNELS] + group * channels) * height + place / g[OUT_COLUMNS] * g[STEP_ROWS]) * line + x;
        segments[count] = (segment){from, to, run}, to += run;
    }
    return count;
}

/* Distances of the bytes that the taps of a group read from a segment's first; null without memory. */
static int64_t *tap_places(const int64_t *g, int64_t row, int taps) {
    const int64_t window = g[ROWS] * g[COLUMNS], height = g[HEIGHT] + g[TOP] + g[BOTTOM], line = row * g[STEP_COLUMNS];
    int64_t *places = malloc(sizeof(int64_t) * (size_t)taps);
    for (int64_t tap = 0; places && tap < taps; tap++) {
        int64_t y = tap % window / g[COLUMNS] * g[GAP_ROWS], x = tap % g[COLUMNS] * g[GAP_COLUMNS];
        places[tap] = (tap / window * height + y) * line + x % g[STEP_COLUMNS] * row + x / g[STEP_COLUMNS];
    }
    return places;
}

/* Bytes [tap][block] that taps read at the block's positions (im2col, a block at a time). */
static void fill_columns(const segment *segments, int count, const int64_t *places, int taps, int block, uint8_t *columns) {
    for (int n = 0; n < taps; n++, columns += block)
        for (int i = 0; i < count; i++) copy(columns + segments[i].to, segments[i].from + places[n], segments[i].length);
}

/* out = scale * sums + offset, from [filter][block] to images */
static void put_sums(const int64_t *g, const int32_t *sums, const int32_t *offsets, int64_t group, int64_t start, int length, int block, int32_t *out) {
    const int64_t places = g[OUT_ROWS] * g[OUT_COLUMNS], share = g[FILTERS] / g[GROUPS];
    const int32_t scale = (int32_t)g[SCALE];
    for (int64_t n = 0; n < share; n++)
        for (int to = 0; to < length;) {
            int64_t image = (start + to) / places, place = (start + to) % places;
            int run = (int)(places - place < length - to ? places - place : length - to);
            int32_t *result = out + (image * g[FILTERS] + group * share + n) * places + place, offset = offsets[group * share + n];
            for (int i = 0; i < run; i++) result[i] = sums[block * n + to + i] * scale + offset;
            to += run;
        }
}

/* Four taps of a position side by side: columns [tap][64] to quads [tap / 4][4][16 lanes of 4 taps]. */
__attribute__((target("avx512f,avx512bw"))) static void interleave(const uint8_t *columns, int quads, uint8_t *to) {
    for (int q = 0; q < quads; q++, columns += 4 * BYTE_BLOCK, to += 4 * BYTE_BLOCK) {
        __m512i a = _mm512_loadu_si512(columns), b = _mm512_loadu_si512(columns + 64);
        __m512i c = _mm512_loadu_si512(columns + 128), d = _mm512_loadu_si512(columns + 192);
        __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
        _mm512_storeu_si512(to, _mm512_unpacklo_epi16(ab, cd)), _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi16(ab, cd));
        ab = _mm512_unpackhi_epi8(a, b), cd = _mm512_unpackhi_epi8(c, d);
        _mm512_storeu_si512(to + 128, _mm512_unpacklo_epi16(ab, cd)), _mm512_storeu_si512(to + 192, _mm512_unpackhi_epi16(ab, cd));
    }
}

/* sums += four vectors of sums: lane 4 L + i of vector j is position 16 L + 4 j + i */
VNNI_TARGET static inline __attribute__((always_inline)) void put_quads(__m512i a, __m512i b, __m512i c, __m512i d, int32_t *sums) {
    __m512i total[4] = {a, b, c, d};
    UNROLL for (int j = 0; j < 4; j++) {
        __m128i lanes[4] = {_mm512_castsi512_si128(total[j]), _mm512_extracti32x4_epi32(total[j], 1), _mm512_extracti32x4_epi32(total[j], 2), _mm512_extracti32x4_epi32(total[j], 3)};
        UNROLL for (int i = 0; i < 4; i++) {
            __m128i *to = (__m128i *)(sums + 16 * i + 4 * j);
            _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), lanes[i]));
        }
    }
}

/* sums += products of bytes by signed bytes, exact (VNNI), of some filters at 64 positions. Named variables and the instruction
   itself: of arrays and _mm512_dpbusd_epi32, gcc keeps sums in memory. */
#define DOT(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
#define ONE(each) each(0)
#define SIX(each) each(0) each(1) each(2) each(3) each(4) each(5)
#define START(n) __m512i s##n##0 = _mm512_setzero_si512(), s##n##1 = s##n##0, s##n##2 = s##n##0, s##n##3 = s##n##0;
#define ADD(n) { \
    int32_t four; \
    memcpy(&four, weights + n * stride + 4 * q, 4); \
    __m512i w = _mm512_set1_epi32(four); \
    DOT(s##n##0, x0, w) DOT(s##n##1, x1, w) DOT(s##n##2, x2, w) DOT(s##n##3, x3, w) }
#define PUT(n) put_quads(s##n##0, s##n##1, s##n##2, s##n##3, sums + BYTE_BLOCK * n);
#define MULTIPLY(name, filters) \
    VNNI_TARGET static void name(const uint8_t *quads, int count, const int8_t *weights, int64_t stride, int32_t *sums) { \
        filters(START) \
        for (int q = 0; q < count; q++, quads += 4 * BYTE_BLOCK) { \
            __m512i x0 = _mm512_loadu_si512(quads), x1 = _mm512_loadu_si512(quads + 64), x2 = _mm512_loadu_si512(quads + 128), x3 = _mm512_loadu_si512(quads + 192); \
            filters(ADD) \
        } \
        filters(PUT) \
    }
MULTIPLY(multiply_one, ONE)
MULTIPLY(multiply_six, SIX)

static void multiply(const uint8_t *quads, int count, const int8_t *weights, int64_t stride, int64_t filters, int32_t *sums) {
    int64_t n = 0;
    for (; n + 6 <= filters; n += 6) multiply_six(quads, count, weights + n * stride, stride, sums + BYTE_BLOCK * n);
    for (; n < filters; n++) multiply_one(quads, count, weights + n * stride, stride, sums + BYTE_BLOCK * n);
}

/* The same with AVX2: two taps of a position side by side as words, [tap / 2][64 positions][2]. */
__attribute__((target("avx2"))) static void widen(const uint8_t *columns, int pairs, int16_t *to) {
    for (int q = 0; q < pairs; q++, columns += 2 * BYTE_BLOCK)
        for (int part = 0; part < BYTE_BLOCK; part += 16, to += 32) {
            __m128i a = _mm_loadu_si128((const __m128i *)(columns + part)), b = _mm_loadu_si128((const __m128i *)(columns + BYTE_BLOCK + part));
            _mm256_storeu_si256((__m256i *)to, _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)));
            _mm256_storeu_si256((__m256i *)(to + 16), _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)));
        }
}

#define START_NARROW(n) __m256i s##n##0 = _mm256_setzero_si256(), s##n##1 = s##n##0;
#define ADD_NARROW(n) { \
    int32_t two; \
    memcpy(&two, weights + n * stride + 2 * q, 4); \
    __m256i w = _mm256_set1_epi32(two); \
    s##n##0 = _mm256_add_epi32(s##n##0, _mm256_madd_epi16(x0, w)), s##n##1 = _mm256_add_epi32(s##n##1, _mm256_madd_epi16(x1, w)); }
#define PUT_NARROW(n) { \
    __m256i *to = (__m256i *)(sums + BYTE_BLOCK * n); \
    _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), s##n##0)); \
    _mm256_storeu_si256(to + 1, _mm256_add_epi32(_mm256_loadu_si256(to + 1), s##n##1)); }
#define MULTIPLY_NARROW(name, filters) \
    __attribute__((target("avx2"))) static void name(const int16_t *pairs, int count, const int16_t *weights, int64_t stride, int32_t *sums) { \
        filters(START_NARROW) \
        for (int q = 0; q < count; q++, pairs += 2 * BYTE_BLOCK) { \
            __m256i x0 = _mm256_loadu_si256((const __m256i *)pairs), x1 = _mm256_loadu_si256((const __m256i *)(pairs + 16)); \
            filters(ADD_NARROW) \
        } \
        filters(PUT_NARROW) \
    }
MULTIPLY_NARROW(narrow_one, ONE)
MULTIPLY_NARROW(narrow_six, SIX)

static void multiply_narrow(const int16_t *pairs, int count, const int16_t *weights, int64_t stride, int64_t filters, int32_t *sums) {
    for (int part = 0; part < BYTE_BLOCK; part += 16) {
        int64_t n = 0;
        for (; n + 6 <= filters; n += 6) narrow_six(pairs + 2 * part, count, weights + n * stride, stride, sums + BYTE_BLOCK * n + part);
        for (; n < filters; n++) narrow_one(pairs + 2 * part, count, weights + n * stride, stride, sums + BYTE_BLOCK * n + part);
    }
}

static int64_t padded_row(const int64_t *g) { return (g[WIDTH] + g[LEFT] + g[RIGHT] + g[STEP_COLUMNS] - 1) / g[STEP_COLUMNS]; }

static uint8_t *classified(const int64_t *g, const void *inputs, const uint8_t *classes) {
    int64_t row = padded_row(g), lines = g[BATCH] * g[CHANNELS] * (g[HEIGHT] + g[TOP] + g[BOTTOM]);
    uint8_t *bytes = malloc((size_t)(lines * row * g[STEP_COLUMNS] + SLACK));
    if (bytes) classify(g, inputs, classes, row, bytes);
    return bytes;
}

/* Look-ups. 0: done; 1: no memory. classes [2 FULL + 1]: class of each input from -FULL; planes [PLANES][CLASSES][ENTRIES];
   empty [CLASSES]; weights [FILTERS][taps]: class of each; offsets [FILTERS]; out [BATCH][FILTERS][OUT_ROWS * OUT_COLUMNS] */
int table_layer(const int64_t *g, const void *inputs, const uint8_t *classes, const uint8_t *planes, const uint8_t *empty, const uint16_t *weights, const int32_t *offsets, int32_t *out) {
    const int64_t row = padded_row(g), total = g[BATCH] * g[OUT_ROWS] * g[OUT_COLUMNS], share = g[FILTERS] / g[GROUPS];
    const int taps = (int)(g[CHANNELS] / g[GROUPS] * g[ROWS] * g[COLUMNS]), chunks = (taps + CHUNK - 1) / CHUNK, shift = (int)g[SHIFT];
    kernel *product = choose((int)g[ENTRIES], shift < 8, (int)g[WIDE]);
    uint8_t *rows = g[WIDE] ? NULL : differences(planes, g[PLANES] * g[CLASSES] * g[ENTRIES], g[ENTRIES]);
    if (rows) planes = rows;
    uint8_t *bytes = classified(g, inputs, classes), *columns = calloc(1, CHUNK * BLOCK + SLACK);
    int32_t *sums = malloc(sizeof(int32_t) * BLOCK * (size_t)share);
    term *terms = malloc(sizeof(term) * (size_t)(g[FILTERS] * chunks) * CHUNK);
    int *counts = malloc(sizeof(int) * (size_t)(g[FILTERS] * chunks));
    int64_t *places = tap_places(g, row, taps);
    segment segments[BLOCK];
    int failed = !bytes || !columns || !sums || !terms || !counts || !places || (!rows && !g[WIDE]);
    for (int64_t n = 0; !failed && n < g[FILTERS] * chunks; n++) {
        int start = (int)(n % chunks) * CHUNK, end = start + CHUNK < taps ? start + CHUNK : taps;
        counts[n] = gather_terms(weights + n / chunks * taps, empty, start, end, terms + n * CHUNK);
    }
    for (int64_t group = 0; !failed && group < g[GROUPS]; group++)
        for (int64_t start = 0; start < total; start += BLOCK) {
            int length = (int)(total - start < BLOCK ? total - start : BLOCK);
            int count = find_segments(g, bytes, row * g[STEP_COLUMNS], group, start, length, segments);
            memset(sums, 0, sizeof(int32_t) * BLOCK * (size_t)share);
            for (int chunk = 0; chunk < chunks; chunk++) {
                int first = chunk * CHUNK;
                fill_columns(segments, count, places + first, taps - first < CHUNK ? taps - first : CHUNK, BLOCK, columns);
                for (int64_t n = 0; n < share; n++) {
                    int64_t own = (group * share + n) * chunks + chunk;
                    for (int p = 0; p < g[PLANES]; p++)
                        product(columns, planes + p * g[CLASSES] * g[ENTRIES], terms + own * CHUNK, counts[own], p * shift, sums + BLOCK * n);
                }
            }
            put_sums(g, sums, offsets, group, start, length, BLOCK, out);
        }
    free(bytes), free(columns), free(sums), free(terms), free(counts), free(places), free(rows);
    return failed;
}

/* Products of bytes by signed bytes, where every product of the table is one: classes [2 FULL + 1]: byte of each input from -FULL;
   weights [FILTERS][stride], stride = taps rounded up to 4, with zeros behind; PLANES: whether there is VNNI; the rest as in table_layer. */
int byte_layer(const int64_t *g, const void *inputs, const uint8_t *classes, const int8_t *weights, const int32_t *offsets, int32_t *out) {
    const int64_t row = padded_row(g), total = g[BATCH] * g[OUT_ROWS] * g[OUT_COLUMNS], share = g[FILTERS] / g[GROUPS];
    const int taps = (int)(g[CHANNELS] / g[GROUPS] * g[ROWS] * g[COLUMNS]);
    const int64_t stride = (taps + 3) / 4 * 4;
    uint8_t *bytes = classified(g, inputs, classes), *columns = calloc(1, BYTE_CHUNK * BYTE_BLOCK + SLACK), *quads = malloc(2 * BYTE_CHUNK * BYTE_BLOCK);
    int32_t *sums = malloc(sizeof(int32_t) * BYTE_BLOCK * (size_t)share);
    int16_t *words = malloc(sizeof(int16_t) * (size_t)(g[FILTERS] * stride));
    int64_t *places = tap_places(g, row, taps);
    segment segments[BYTE_BLOCK];
    int failed = !bytes || !columns || !sums || !quads || !words || !places;
    for (int64_t i = 0; !failed && i < g[FILTERS] * stride; i++) words[i] = weights[i];
    for (int64_t group = 0; !failed && group < g[GROUPS]; group++)
        for (int64_t start = 0; start < total; start += BYTE_BLOCK) {
            int length = (int)(total - start < BYTE_BLOCK ? total - start : BYTE_BLOCK);
            int count = find_segments(g, bytes, row * g[STEP_COLUMNS], group, start, length, segments);
            memset(sums, 0, sizeof(int32_t) * BYTE_BLOCK * (size_t)share);
            for (int first = 0; first < taps; first += BYTE_CHUNK) {
                int own = taps - first < BYTE_CHUNK ? taps - first : BYTE_CHUNK, four = (own + 3) / 4;
                fill_columns(segments, count, places + first, own, BYTE_BLOCK, columns);
                int64_t at = group * share * stride + first;
                if (g[PLANES]) {
                    interleave(columns, four, quads);
                    multiply(quads, four, weights + at, stride, share, sums);
                } else {
                    widen(columns, 2 * four, (int16_t *)quads);
                    multiply_narrow((int16_t *)quads, 2 * four, words + at, stride, share, sums);
                }
            }
            put_sums(g, sums, offsets, group, start, length, BYTE_BLOCK, out);
        }
    free(bytes), free(columns), free(quads), free(sums), free(words), free(places);
    return failed;
}

/* What the library was built for (-march=native, or less): bit 0: AVX2; bit 1: AVX-512 VBMI; bit 2: AVX-512 VNNI. */
int table_vectors(void) {
    int vectors = 0;
#ifdef __AVX2__
    vectors |= 1;
#endif
#if defined(__AVX512VBMI__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    vectors |= 2;
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    vectors |= 4;
#endif
    return vectors;
}
