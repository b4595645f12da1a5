/* Layers of stochastic arithmetic, exactly: the same three steps as kernels/numba_kernels.py, which explains them.

   Words of inputs stand as [channel][row][plane][column][16 images]: every tap of every layer is then one aligned
   load of 16 images, whatever stride, padding and size of the map. Taps of FILTERS filters are sorted by the pattern of
   their signs: an input is loaded once for all of them, and their accumulators stay in registers. */
#include <stdint.h>
#include <string.h>

#define IMAGES 16 /* of a block */
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define PLACES 6 /* output places at once: accumulators of four filters in most of 32 registers */
#elif defined(__AVX2__)
#define LANES 8
#define PLACES 2
#else
#define LANES 4
#define PLACES 4
#endif
#define FILTERS 4
#define TILE 48 /* places whose results are written together */
#define MOST 7 /* products that a cycle counts at most */
#define INLINE static inline __attribute__((always_inline))

typedef uint32_t words __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t counts __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE words broadcast(uint32_t word)
{
    words all = word - (words){0};
#if defined(__AVX512F__)
    __asm__("" : "+v"(all)); /* stays in a register: a broadcast in every operation is a load in every operation */
#elif defined(__AVX2__)
    __asm__("" : "+x"(all));
#endif
    return all;
}

INLINE words or_and(words sum, words a, words b) /* sum | (a & b) */
{
#if defined(__AVX512F__)
    return (words)_mm512_ternarylogic_epi32((__m512i)sum, (__m512i)a, (__m512i)b, 0xF8);
#else
    return sum | (a & b);
#endif
}

INLINE counts ones(words x)
{
#if defined(__AVX512VPOPCNTDQ__)
    return (counts)_mm512_popcnt_epi32((__m512i)x);
#else
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0F0F0F0Fu;
    x = x + (x >> 8);
    return (counts)((x + (x >> 16)) & 63u);
#endif
}

/* Words of a row of some images: column by column, so that the lines written stay in the first cache. */
INLINE void pack_row(const int16_t *x, int64_t apart, int64_t count, int64_t columns, int is_signed,
                     const int16_t *level_of, const uint32_t *table, int64_t levels, int64_t seeds, int64_t seed,
                     int64_t planes, int64_t wide, uint32_t *to, int64_t other)
{
    for (int64_t column = 0; column < columns; column++) {
        const uint32_t *words_of = table + seed * planes * levels;
        uint32_t *at = to + column * IMAGES;
        for (int64_t i = 0; i < count; i++) {
            const int value = x[i * apart + column], level = level_of[value < 0 ? -value : value];
            uint32_t *word = at + i + (is_signed && value < 0 ? other : 0);
            for (int64_t u = 0; u < planes; u++) word[u * wide * IMAGES] = words_of[u * levels + level];
        }
        seed = seed + 1 == seeds ? 0 : seed + 1;
    }
}

/* Words of up to 16 images x [images][channels][rows][columns], out with padding and, if signed, twice the channels.

   table [seeds][planes][levels]; sizes: levels, seeds, planes, whether signed, whether `out` is zeros already. */
void pack_inputs(const int16_t *x, const int64_t *shape, const int64_t *pad, const int64_t *sizes,
                 const int16_t *level_of, const uint32_t *table, uint32_t *out)
{
    const int64_t images = shape[0], channels = shape[1], rows = shape[2], columns = shape[3];
    const int64_t high = rows + pad[0] + pad[1], wide = columns + pad[2] + pad[3];
    const int64_t levels = sizes[0], seeds = sizes[1], planes = sizes[2], is_signed = sizes[3];
    const int64_t apart = channels * rows * columns, other = channels * high * wide * planes * IMAGES;
    const int framed = high != rows || wide != columns || images < IMAGES || is_signed;
    if (framed && !sizes[4]) memset(out, 0, (size_t)(other * (is_signed ? 2 : 1)) * 4);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < rows; y++) {
            const int64_t first = (c * high + y + pad[0]) * wide + pad[2];
            const int16_t *row = x + (c * rows + y) * columns;
            uint32_t *to = out + ((c * high + y + pad[0]) * planes * wide + pad[2]) * IMAGES;
            if (!is_signed && planes == 1 && images == IMAGES)
                pack_row(row, apart, IMAGES, columns, 0, level_of, table, levels, seeds, first % seeds, 1,
                         wide, to, 0);
            else
                pack_row(row, apart, images, columns, (int)is_signed, level_of, table, levels, seeds, first % seeds,
                         planes, wide, to, other);
        }
}

/* Taps of every `filters` filters (1 or 4), sorted by group and pattern of signs.

   weights [n][taps]; word of tap k of filter f: table[level][(seed[k] + f * apart) % seeds] & mask[k]. For signed inputs
   each tap comes twice: offset[k] with its sign, offset[taps + k] with the other. Filters `share` at a time read the same
   channels, the next `shift` on: a quad never crosses a multiple of `share`; of[quad] is its first filter. */
void pack_weights(const int16_t *weights, const int64_t *sizes, const int16_t *level_of, const uint32_t *table,
                  const uint32_t *mask, const int32_t *offset, const int32_t *group, const int32_t *seed,
                  const int64_t *of, int32_t *at, uint32_t *word, int32_t *bound)
{
    const int64_t n = sizes[0], taps = sizes[1], seeds = sizes[2], planes = sizes[3], apart = sizes[4];
    const int64_t filters = sizes[5], quads = sizes[6], groups = sizes[7], parts = sizes[8], share = sizes[9];
    const int32_t shift = (int32_t)sizes[10];
    const int64_t patterns = 1 << filters, level = seeds * planes, all = parts * taps;
    for (int64_t q = 0; q < quads; q++) {
        const int64_t start = of[q], last = (start / share + 1) * share, limit = last < n ? last : n;
        const int64_t own = limit - start < filters ? limit - start : filters;
        const int32_t moved = (int32_t)(start / share) * shift;
        int32_t *bounds = bound + q * (groups * patterns + 1);
        memset(bounds, 0, (size_t)(groups * patterns + 1) * 4);
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t part = 0; part < parts; part++)
                for (int64_t k = 0; k < taps; k++) {
                    int64_t pattern = 0;
                    int any = 0;
                    for (int64_t f = 0; f < own; f++) {
                        const int value = weights[(start + f) * taps + k];
                        pattern |= (int64_t)((value < 0) != part && value != 0) << f;
                        any |= value;
                    }
                    if (!any) continue;
                    const int64_t place = group[k] * patterns + pattern;
                    if (pass == 0) {
                        bounds[place + 1]++;
                        continue;
                    }
                    const int64_t to = q * all + bounds[place]++;
                    at[to] = offset[part * taps + k] + moved;
                    for (int64_t f = 0; f < filters; f++)
                        for (int64_t u = 0; u < planes; u++) word[(to * planes + u) * filters + f] = 0;
                    for (int64_t f = 0; f < own; f++) {
                        const int weight = weights[(start + f) * taps + k];
                        const int64_t row = apart ? (seed[k] + (start + f) * apart) % seeds : seed[k];
                        const uint32_t *stream = table + level_of[weight < 0 ? -weight : weight] * level + row * planes;
                        for (int64_t u = 0; u < planes; u++)
                            word[(to * planes + u) * filters + f] = stream[u] & mask[k * planes + u];
                    }
                }
            if (pass == 0)
                for (int64_t i = 0; i < groups * patterns; i++) bounds[i + 1] += bounds[i];
        }
        for (int64_t i = groups * patterns; i > 0; i--) bounds[i] = bounds[i - 1]; /* each had moved to the next */
        bounds[0] = 0;
    }
}

/* ORs the products of some taps into `sums` [filters][depth][places]: a cycle is counted `depth` times at most. */
INLINE void or_taps(const int filters, const int places, const int depth, const int32_t *at, const uint32_t *word,
                    int64_t step, int32_t count, const uint32_t *const *base, words *const *sums)
{
    words sum[FILTERS][MOST][PLACES * 2];
#pragma GCC unroll 8
    for (int f = 0; f < filters; f++)
#pragma GCC unroll 8
        for (int d = 0; d < depth; d++)
#pragma GCC unroll 8
            for (int p = 0; p < places; p++) sum[f][d][p] = sums[f][d * places + p];
    for (int32_t t = 0; t < count; t++) {
        words weight[FILTERS];
#pragma GCC unroll 8
        for (int f = 0; f < filters; f++) weight[f] = broadcast(word[t * step + f]);
#pragma GCC unroll 8
        for (int p = 0; p < places; p++) {
            const words input = *(const words *)(base[p] + (int64_t)at[t] * IMAGES);
#pragma GCC unroll 8
            for (int f = 0; f < filters; f++) {
                if (depth == 1) {
                    sum[f][0][p] = or_and(sum[f][0][p], input, weight[f]);
                    continue;
                }
                const words product = input & weight[f];
#pragma GCC unroll 8
                for (int d = depth - 1; d > 0; d--) sum[f][d][p] = or_and(sum[f][d][p], sum[f][d - 1][p], product);
                sum[f][0][p] |= product;
            }
        }
    }
#pragma GCC unroll 8
    for (int f = 0; f < filters; f++)
#pragma GCC unroll 8
        for (int d = 0; d < depth; d++)
#pragma GCC unroll 8
            for (int p = 0; p < places; p++) sums[f][d * places + p] = sum[f][d][p];
}

/* Counts of every product of some taps, for full binary accumulation, added to `total` [filters][places]. */
INLINE void count_taps(const int filters, const int places, const int32_t *at, const uint32_t *word, int64_t step,
                       int32_t count, const uint32_t *const *base, int negative, counts (*total)[PLACES * 2])
{
    for (int f = 0; f < filters; f++)
        for (int p = 0; p < places; p++) {
            counts sum = {0};
            for (int32_t t = 0; t < count; t++)
                sum += ones(*(const words *)(base[p] + (int64_t)at[t] * IMAGES) & broadcast(word[t * step + f]));
            total[f][p] += negative >> f & 1 ? -sum : sum;
        }
}

/* Counts of `filters` filters at `places` places, positive less negative. */
INLINE void quad(const int filters, const int places, const int depth, const int32_t *at, const uint32_t *word,
                 int64_t planes, int64_t wide, int64_t groups, const int32_t *bound, const uint32_t *const *base,
                 counts (*total)[PLACES * 2])
{
    const int patterns = 1 << filters, held = depth ? depth : 1;
    words sums[2][FILTERS][MOST * PLACES * 2];
    for (int f = 0; f < filters; f++)
        for (int p = 0; p < places; p++) total[f][p] = (counts){0};
    for (int64_t u = 0; u < planes; u++) {
        const uint32_t *from[PLACES * 2];
        for (int p = 0; p < places; p++) from[p] = base[p] + u * wide * IMAGES;
        for (int64_t g = 0; g < groups; g++) {
            for (int sign = 0; sign < 2; sign++)
                for (int f = 0; f < filters; f++)
                    for (int i = 0; i < held * places; i++) sums[sign][f][i] = (words){0};
            for (int pattern = 0; pattern < patterns; pattern++) {
                const int32_t start = bound[g * patterns + pattern], end = bound[g * patterns + pattern + 1];
                words *own[FILTERS];
                if (start == end) continue;
                const uint32_t *first = word + (start * planes + u) * filters;
                if (!depth) {
                    count_taps(filters, places, at + start, first, planes * filters, end - start, from, pattern, total);
                    continue;
                }
                for (int f = 0; f < filters; f++) own[f] = sums[pattern >> f & 1][f];
                or_taps(filters, places, held, at + start, first, planes * filters, end - start, from, own);
            }
            if (!depth) continue;
            for (int f = 0; f < filters; f++)
                for (int p = 0; p < places; p++)
                    for (int d = 0; d < held; d++)
                        total[f][p] += ones(sums[0][f][d * places + p]) - ones(sums[1][f][d * places + p]);
        }
    }
}

/* The layer of one depth on a block of images: tiles of places, in each all quads of filters.

   base [outputs]: the place's first word in units of IMAGES words; results [images][n][outputs], times `factor`. */
INLINE void layer(const int filters, const int places, const int depth, const uint32_t *inputs, const int64_t *base,
                  const int64_t *sizes, const int64_t *of, const int32_t *at, const uint32_t *word, const int32_t *bound,
                  float factor, float *results)
{
    const int64_t n = sizes[0], outputs = sizes[1], images = sizes[2], planes = sizes[3], quads = sizes[4];
    const int64_t groups = sizes[5], taps = sizes[6], share = sizes[7], wide = sizes[8], split = IMAGES / LANES;
    const int64_t patterns = 1 << filters;
    for (int64_t tile = 0; tile < outputs; tile += TILE) {
        const int64_t width = outputs - tile < TILE ? outputs - tile : TILE;
        for (int64_t q = 0; q < quads; q++) {
            const int64_t last = (of[q] / share + 1) * share, limit = last < n ? last : n;
            const int64_t own = limit - of[q] < filters ? limit - of[q] : filters;
            int32_t count[FILTERS][TILE + PLACES * 2][IMAGES];
            for (int64_t start = 0; start < width * split; start += places) {
                const uint32_t *from[PLACES * 2];
                counts total[FILTERS][PLACES * 2];
                for (int p = 0; p < places; p++) {
                    const int64_t place = start + p < width * split ? start + p : width * split - 1;
                    from[p] = inputs + base[tile + place / split] * IMAGES + place % split * LANES;
                }
                quad(filters, places, depth, at + q * taps, word + q * taps * planes * filters, planes, wide, groups,
                     bound + q * (groups * patterns + 1), from, total);
                for (int f = 0; f < filters; f++)
                    for (int p = 0; p < places; p++)
                        *(counts *)&count[f][(start + p) / split][(start + p) % split * LANES] = total[f][p];
            }
            for (int64_t image = 0; image < images; image++)
                for (int64_t f = 0; f < own; f++) {
                    float *to = results + (image * n + of[q] + f) * outputs + tile;
                    for (int64_t place = 0; place < width; place++) to[place] = factor * (float)count[f][place][image];
                }
        }
    }
}

#define CASE(FILTER, PLACE, DEPTH)                                                                                     \
    if (filters == FILTER && depth == DEPTH) {                                                                         \
        layer(FILTER, PLACE, DEPTH, inputs, base, sizes, of, at, word, bound, factor, results);                        \
        return;                                                                                                        \
    }
#define HALF (PLACES / 2 ? PLACES / 2 : 1)

void layer_counts(int64_t filters, int64_t depth, const uint32_t *inputs, const int64_t *base, const int64_t *sizes,
                  const int64_t *of, const int32_t *at, const uint32_t *word, const int32_t *bound, float factor,
                  float *results)
{
    CASE(4, PLACES, 1)
    CASE(4, HALF, 2)
    CASE(4, 1, 3)
    CASE(4, 1, 4)
    CASE(4, 1, 5)
    CASE(4, 1, 6)
    CASE(4, 1, 7)
    CASE(4, 1, 0)
    CASE(1, PLACES * 2, 1)
    CASE(1, PLACES * 2, 2)
    CASE(1, PLACES, 3)
    CASE(1, PLACES, 4)
    CASE(1, HALF, 5)
    CASE(1, HALF, 6)
    CASE(1, HALF, 7)
    CASE(1, 1, 0)
}

/* Values of a table whose middle is `table`: of negative numbers before it. */
void look_up(const int16_t *x, int64_t count, const float *table, float *values)
{
    for (int64_t i = 0; i < count; i++) values[i] = table[x[i]];
}
