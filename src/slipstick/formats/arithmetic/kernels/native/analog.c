/* Codes of a layer on analog arrays, exactly: whole-number sums of `rows` taps each, converted and added up.

   Inputs stand as floats, padded, one plane for each phase of the stride: every tap of every layer is then a vector of
   neighbouring outputs at a fixed distance (at the right rim some are computed that no output has). Products are those of
   whole numbers below 2^24, so that floats hold them whatever the order, fused or not. With separate columns the taps of
   SPLIT filters are sorted by the pattern of their signs: an input is loaded once for all of them, and their accumulators
   stay in registers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#define FILTERS 8 /* of a block, with one converter a filter: 16 accumulators of 32 registers */
#define SPLIT_VECTORS 2
#else
#define LANES 8
#define FILTERS 4
#define SPLIT_VECTORS 1
#endif
#define VECTORS 2
#define SPLIT 4 /* filters of a block, with two converters a filter */
#define PATTERNS 16
#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

typedef struct {
    int32_t batch, channels, height, width, filters, groups, kernel_height, kernel_width, out_height, out_width;
    int32_t stride_height, stride_width, top, left, padded_height, padded_width, dilation_height, dilation_width;
    int32_t rows, separate;
    float inverse, most; /* codes per unit of a sum, and the largest code */
} analog_layer;

INLINE vec splat(float x) { return x - (vec){0}; }

INLINE vec chosen(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

/* `clips`: where to write which lanes clip, one bit each from `shift` on; null: nowhere */
INLINE vec code(vec sum, vec inverse, vec least, vec most, uint32_t *clips, int shift) {
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves whole numbers, ties to even */
    vec level = sum * inverse;
    if (clips) {
        ivec beyond = (level < least) | (level > most);
        for (int i = 0; i < LANES; i++) *clips |= (uint32_t)(beyond[i] & 1) << (shift + i);
    }
    level = chosen(level < least, least, level);
    level = chosen(level > most, most, level);
    return (level + round) - round;
}

INLINE void block(const float *image, const int32_t *taps_at, const float *weights, int taps, int rows, vec inverse, vec most, vec *codes,
                  uint32_t *clips, int arrays) {
    for (int f = 0; f < FILTERS * VECTORS; f++) codes[f] = splat(0);
    for (int first = 0, array = 0; first < taps; first += rows, array++) {
        int last = first + rows < taps ? first + rows : taps;
        vec sum[FILTERS][VECTORS];
        memset(sum, 0, sizeof sum);
        for (int k = first; k < last; k++) {
            vec x[VECTORS];
            for (int v = 0; v < VECTORS; v++) x[v] = *(const unaligned *)(image + taps_at[k] + v * LANES);
            for (int f = 0; f < FILTERS; f++)
                for (int v = 0; v < VECTORS; v++) sum[f][v] += splat(weights[k * FILTERS + f]) * x[v];
        }
        for (int f = 0; f < FILTERS; f++)
            for (int v = 0; v < VECTORS; v++)
                codes[f * VECTORS + v] += code(sum[f][v], inverse, -most, most, clips ? clips + f * arrays + array : 0, v * LANES);
    }
}

/* taps up to `last` whose signs are `pattern`, one bit a filter: sum[.][0] of positive weights, sum[.][1] of negative */
INLINE int pattern_taps(const float *image, const int32_t *taps_at, const float *weights, int k, int last, int pattern,
                        vec sum[SPLIT][2][SPLIT_VECTORS]) {
    for (; k < last; k++) {
        vec x[SPLIT_VECTORS];
        for (int v = 0; v < SPLIT_VECTORS; v++) x[v] = *(const unaligned *)(image + taps_at[k] + v * LANES);
        for (int f = 0; f < SPLIT; f++)
            for (int v = 0; v < SPLIT_VECTORS; v++) sum[f][pattern >> f & 1][v] += splat(weights[k * SPLIT + f]) * x[v];
    }
    return k;
}

INLINE void split_block(const float *image, const int32_t *taps_at, const float *weights, const int32_t *ends, int arrays, vec inverse, vec most,
                        vec *codes, uint32_t *clips) {
    for (int f = 0; f < SPLIT * SPLIT_VECTORS; f++) codes[f] = splat(0);
    for (int array = 0, k = 0; array < arrays; array++, ends += PATTERNS) {
        vec sum[SPLIT][2][SPLIT_VECTORS];
        memset(sum, 0, sizeof sum);
#define TAPS(pattern) k = pattern_taps(image, taps_at, weights, k, ends[pattern], pattern, sum);
        TAPS(0) TAPS(1) TAPS(2) TAPS(3) TAPS(4) TAPS(5) TAPS(6) TAPS(7)
        TAPS(8) TAPS(9) TAPS(10) TAPS(11) TAPS(12) TAPS(13) TAPS(14) TAPS(15)
        for (int f = 0; f < SPLIT; f++)
            for (int v = 0; v < SPLIT_VECTORS; v++) {
                uint32_t *own = clips ? clips + (f * arrays + array) * 2 : 0;
                codes[f * SPLIT_VECTORS + v] += code(sum[f][0][v], inverse, splat(0), most, own, v * LANES) -
                                                code(sum[f][1][v], inverse, splat(0), most, own ? own + 1 : 0, v * LANES);
            }
    }
}

/* writes the codes of flat places first to last, of `pitch` a row, to the rows of an output map */
static void store(float *map, const vec *codes, int vectors, int pitch, int width, int first, int last) {
    float line[VECTORS * LANES];
    for (int v = 0; v < vectors; v++) *(unaligned *)(line + v * LANES) = codes[v];
    int row = first / pitch, column = first % pitch;
    for (int p = first; p < last; row++, column = 0) {
        int many = pitch - column < last - p ? pitch - column : last - p;
        int kept = width - column < many ? width - column : many;
        if (kept > 0) memcpy(map + row * width + column, line + p - first, sizeof(float) * (size_t)kept);
        p += many;
    }
}

/* packs a block's weights [taps][width], each array's taps in the order of their signs, with their places and the ends of the patterns */
static void pack(const analog_layer *s, const float *weights, const int32_t *places, int taps, int width, int many, float *packed, int32_t *taps_at,
                 int32_t *ends) {
    int at = 0;
    for (int first = 0; first < taps; first += s->rows, ends += PATTERNS)
        for (int pattern = 0; pattern < (s->separate ? PATTERNS : 1); ends[pattern++] = at)
            for (int k = first; k < taps && k < first + s->rows; k++) {
                int signs = 0;
                for (int f = 0; s->separate && f < many; f++) signs |= (weights[f * taps + k] < 0) << f;
                if (signs != pattern) continue;
                taps_at[at] = places[k];
                for (int f = 0; f < width; f++) {
                    float w = f < many ? weights[f * taps + k] : 0;
                    packed[at * width + f] = s->separate && w < 0 ? -w : w;
                }
                at++;
            }
}

typedef struct {
    int phases, pitch, flat, share, own, taps; /* planes a channel, places a row of a plane and of a map, channels and filters a group, taps a filter */
    size_t plane;
} geometry;

static geometry geometry_of(const analog_layer *s) {
    geometry g = {.phases = s->stride_height * s->stride_width, .pitch = (s->padded_width + s->stride_width - 1) / s->stride_width};
    g.plane = (size_t)((s->padded_height + s->stride_height - 1) / s->stride_height) * g.pitch;
    g.share = s->channels / s->groups;
    g.own = s->filters / s->groups;
    g.taps = g.share * s->kernel_height * s->kernel_width;
    g.flat = (s->out_height - 1) * g.pitch + s->out_width;
    return g;
}

#include "analog_clips.h"
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#include "analog_bytes.h"
#endif

static int float_codes(const analog_layer *s, const geometry *g, const int32_t *places, const int8_t *inputs, const float *weights, float *codes,
                       uint32_t *clips) {
    int width = s->separate ? SPLIT : FILTERS, vectors = s->separate ? SPLIT_VECTORS : VECTORS, taps = g->taps;
    int blocks = (g->own + width - 1) / width, all = blocks * s->groups, arrays = (taps + s->rows - 1) / s->rows;
    float *image = calloc(g->plane * g->phases * s->channels + VECTORS * LANES, sizeof(float));
    float *packed = malloc(sizeof(float) * all * taps * width);
    int32_t *taps_at = malloc(sizeof(int32_t) * all * taps), *ends = malloc(sizeof(int32_t) * all * arrays * PATTERNS);
    int reads = arrays * (s->separate ? 2 : 1);
    uint32_t *found = malloc(sizeof(uint32_t) * FILTERS * reads);
    int absent = !image || !packed || !taps_at || !ends || !found;
    for (int n = 0; n < all && !absent; n++) {
        int filter = n / blocks * g->own + n % blocks * width, many = g->own - n % blocks * width;
        pack(s, weights + (size_t)filter * taps, places, taps, width, many < width ? many : width, packed + (size_t)n * taps * width,
             taps_at + (size_t)n * taps, ends + (size_t)n * arrays * PATTERNS);
    }
    for (int b = 0; b < s->batch && !absent; b++) {
        for (int c = 0; c < s->channels; c++)
            for (int row = 0; row < s->height; row++) {
                int y = row + s->top;
                const int8_t *from = inputs + (((size_t)b * s->channels + c) * s->height + row) * s->width;
                float *to = image + (c * g->phases + y % s->stride_height * s->stride_width) * g->plane + (size_t)(y / s->stride_height) * g->pitch;
                for (int x = 0; x < s->width; x++) to[(x + s->left) % s->stride_width * g->plane + (x + s->left) / s->stride_width] = from[x];
            }
        for (int n = 0; n < all; n++) {
            const float *base = image + (size_t)(n / blocks) * g->share * g->phases * g->plane, *held = packed + (size_t)n * taps * width;
            int filter = n / blocks * g->own + n % blocks * width, many = g->own - n % blocks * width;
            for (int p = 0; p < g->flat; p += vectors * LANES) {
                vec sums[FILTERS * VECTORS];
                uint32_t *own = clips ? memset(found, 0, sizeof(uint32_t) * width * reads) : 0;
                if (s->separate)
                    split_block(base + p, taps_at + (size_t)n * taps, held, ends + (size_t)n * arrays * PATTERNS, arrays, splat(s->inverse), splat(s->most), sums,
                                own);
                else
                    block(base + p, taps_at + (size_t)n * taps, held, taps, s->rows, splat(s->inverse), splat(s->most), sums, own, arrays);
                if (clips) keep_clips(clips, g, found, (size_t)b * s->filters + filter, many < width ? many : width, reads, p);
                int last = p + vectors * LANES < g->flat ? p + vectors * LANES : g->flat;
                for (int f = 0; f < width && f < many; f++)
                    store(codes + ((size_t)b * s->filters + filter + f) * s->out_height * s->out_width, sums + f * vectors, vectors, g->pitch,
                          s->out_width, p, last);
            }
        }
    }
    free(image); free(packed); free(taps_at); free(ends); free(found);
    return absent;
}

/* Words of clips of a filter's conversion: a bit for each of its places, `analog_codes`' rim included. */
int analog_panels(const analog_layer *s) {
    geometry g = geometry_of(s);
    return panels(&g);
}

/* weights: [filters][channels / groups][kernel rows][kernel columns]; inputs and codes with their channels first. Returns 1 without memory.
   clips, zeros at first, or null: [batch][filters][arrays][1 or 2 columns][panels]. */
int analog_codes(const analog_layer *s, const int8_t *inputs, const float *weights, float *codes, uint32_t *clips) {
    geometry g = geometry_of(s);
    int32_t *places = malloc(sizeof(int32_t) * g.taps);
    if (!places) return 1;
    for (int k = 0; k < g.taps; k++) {
        int x = k % s->kernel_width * s->dilation_width, y = k / s->kernel_width % s->kernel_height * s->dilation_height;
        int channel = k / (s->kernel_width * s->kernel_height), phase = y % s->stride_height * s->stride_width + x % s->stride_width;
        places[k] = (int32_t)((channel * g.phases + phase) * g.plane + (size_t)(y / s->stride_height) * g.pitch + x / s->stride_width);
    }
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    int absent = byte_codes(s, &g, places, inputs, weights, codes, clips);
#else
    int absent = float_codes(s, &g, places, inputs, weights, codes, clips);
#endif
    free(places);
    return absent;
}
