/* The layer of analog.c by products of bytes (AVX-512 VNNI): four taps of an array in one instruction, equal codes.

   Outputs go by panels of PANEL neighbouring places, whose taps are gathered once, four bytes a place, for all filters.
   One converter a filter: inputs stand 128 higher, without sign, and sums begin at -128 times the weights' sum. Two: the
   magnitudes of the weights are the bytes without sign. Arrays are filled up to whole fours with weights of zero. */
#include <immintrin.h>

#define FOUR 4
#define PANEL 32 /* two vectors of 16 places */
#define BYTE_FILTERS 8
#define BYTE_SPLIT 4
#define SHIFT 128 /* of inputs without sign */

typedef struct { int32_t factors[BYTE_FILTERS]; } quad; /* four taps of 8 filters, or of 4 filters and both signs */

/* clips, shift: as in `code` of analog.c */
INLINE __m512 byte_code(__m512i sum, const analog_layer *s, float least, uint32_t *clips, int shift) {
    __m512 level = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(s->inverse));
    if (clips) {
        uint32_t beyond = _mm512_cmp_ps_mask(level, _mm512_set1_ps(s->most), _CMP_GT_OQ) | _mm512_cmp_ps_mask(level, _mm512_set1_ps(least), _CMP_LT_OQ);
        *clips |= beyond << shift;
    }
    level = _mm512_min_ps(_mm512_max_ps(level, _mm512_set1_ps(least)), _mm512_set1_ps(s->most));
    return _mm512_roundscale_ps(level, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static void gather(const int8_t *image, const int32_t *places, int fours, __m512i *panel) {
    for (int k = 0; k < fours; k++, places += FOUR)
        for (int half = 0; half < 2; half++) {
            __m128i tap[FOUR];
            for (int t = 0; t < FOUR; t++) tap[t] = _mm_loadu_si128((const __m128i *)(image + places[t] + 16 * half));
            __m128i low[2] = {_mm_unpacklo_epi8(tap[0], tap[1]), _mm_unpacklo_epi8(tap[2], tap[3])};
            __m128i high[2] = {_mm_unpackhi_epi8(tap[0], tap[1]), _mm_unpackhi_epi8(tap[2], tap[3])};
            __m128i *to = (__m128i *)(panel + 2 * k + half);
            to[0] = _mm_unpacklo_epi16(low[0], low[1]);
            to[1] = _mm_unpackhi_epi16(low[0], low[1]);
            to[2] = _mm_unpacklo_epi16(high[0], high[1]);
            to[3] = _mm_unpackhi_epi16(high[0], high[1]);
        }
}

INLINE void byte_block(const analog_layer *s, const __m512i *panel, const quad *weights, const quad *begins, const int32_t *ends, int arrays, __m512 *codes, uint32_t *clips) {
    for (int f = 0; f < BYTE_FILTERS * 2; f++) codes[f] = _mm512_setzero_ps();
    for (int array = 0, k = 0; array < arrays; array++) {
        __m512i sum[BYTE_FILTERS][2];
        for (int f = 0; f < BYTE_FILTERS; f++) sum[f][0] = sum[f][1] = _mm512_set1_epi32(begins[array].factors[f]);
        for (; k < ends[array]; k++)
            for (int f = 0; f < BYTE_FILTERS; f++) {
                __m512i w = _mm512_set1_epi32(weights[k].factors[f]);
                for (int v = 0; v < 2; v++) sum[f][v] = _mm512_dpbusd_epi32(sum[f][v], panel[2 * k + v], w);
            }
        for (int f = 0; f < BYTE_FILTERS; f++)
            for (int v = 0; v < 2; v++) {
                __m512 level = byte_code(sum[f][v], s, -s->most, clips ? clips + f * arrays + array : 0, 16 * v);
                codes[2 * f + v] = _mm512_add_ps(codes[2 * f + v], level);
            }
    }
}

INLINE void byte_split_block(const analog_layer *s, const __m512i *panel, const quad *weights, const int32_t *ends, int arrays, __m512 *codes, uint32_t *clips) {
    for (int f = 0; f < BYTE_SPLIT * 2; f++) codes[f] = _mm512_setzero_ps();
    for (int array = 0, k = 0; array < arrays; array++) {
        __m512i sum[BYTE_SPLIT * 2][2];
        for (int f = 0; f < BYTE_SPLIT * 2; f++) sum[f][0] = sum[f][1] = _mm512_setzero_si512();
        for (; k < ends[array]; k++)
            for (int f = 0; f < BYTE_SPLIT * 2; f++) {
                __m512i w = _mm512_set1_epi32(weights[k].factors[f]);
                for (int v = 0; v < 2; v++) sum[f][v] = _mm512_dpbusd_epi32(sum[f][v], w, panel[2 * k + v]);
            }
        for (int f = 0; f < BYTE_SPLIT; f++)
            for (int v = 0; v < 2; v++) {
                uint32_t *own = clips ? clips + (f * arrays + array) * 2 : 0;
                __m512 more = byte_code(sum[2 * f][v], s, 0, own, 16 * v), less = byte_code(sum[2 * f + 1][v], s, 0, own ? own + 1 : 0, 16 * v);
                codes[2 * f + v] = _mm512_add_ps(codes[2 * f + v], _mm512_sub_ps(more, less));
            }
    }
}

/* four taps of a filter as bytes; of `sign` alone, as magnitudes, where it is not 0 */
static int32_t four_bytes(const float *weights, int first, int last, int sign) {
    uint32_t bytes = 0;
    for (int t = 0; t < FOUR && first + t < last; t++) {
        int w = (int)weights[first + t];
        if (sign) w = sign * w > 0 ? sign * w : 0;
        bytes |= (uint32_t)(uint8_t)w << 8 * t;
    }
    return (int32_t)bytes;
}

/* a block's weights, and what its sums begin at */
static void pack_bytes(const analog_layer *s, const float *weights, int taps, int many, quad *packed, quad *begins) {
    for (int first = 0; first < taps; first += s->rows, begins++) {
        int last = first + s->rows < taps ? first + s->rows : taps;
        memset(begins, 0, sizeof *begins);
        for (int f = 0; f < many; f++)
            for (int k = first; k < last; k++) begins->factors[f] -= SHIFT * (int)weights[f * taps + k];
        for (int k = first; k < last; k += FOUR, packed++) {
            memset(packed, 0, sizeof *packed);
            for (int f = 0; f < many; f++) {
                const float *own = weights + (size_t)f * taps;
                if (!s->separate) packed->factors[f] = four_bytes(own, k, last, 0);
                else for (int sign = 0; sign < 2; sign++) packed->factors[2 * f + sign] = four_bytes(own, k, last, 1 - 2 * sign);
            }
        }
    }
}

/* as analog_codes of analog.c */
static int byte_codes(const analog_layer *s, const geometry *g, const int32_t *places, const int8_t *inputs, const float *weights, float *codes,
                      uint32_t *clips) {
    int width = s->separate ? BYTE_SPLIT : BYTE_FILTERS, blocks = (g->own + width - 1) / width, all = blocks * s->groups;
    int arrays = (g->taps + s->rows - 1) / s->rows, fours = 0;
    size_t bytes = g->plane * g->phases * s->channels;
    int32_t *ends = malloc(sizeof(int32_t) * arrays), *tap_places = malloc(sizeof(int32_t) * FOUR * (g->taps + arrays));
    int absent = !ends || !tap_places;
    for (int array = 0; array < arrays && !absent; array++) {
        int first = array * s->rows, last = first + s->rows < g->taps ? first + s->rows : g->taps;
        for (int k = first; k < last; k += FOUR, fours++)
            for (int t = 0; t < FOUR; t++) tap_places[FOUR * fours + t] = places[k + t < last ? k + t : k];
        ends[array] = fours;
    }
    int8_t *image = malloc(bytes + 2 * PANEL);
    quad *packed = malloc(sizeof(quad) * all * (fours + 1)), *begins = malloc(sizeof(quad) * all * arrays);
    __m512i *panel = aligned_alloc(64, sizeof(__m512i) * 2 * (fours + 1));
    int reads = arrays * (s->separate ? 2 : 1);
    uint32_t *found = malloc(sizeof(uint32_t) * BYTE_FILTERS * reads);
    absent = absent || !image || !packed || !begins || !panel || !found;
    for (int n = 0; n < all && !absent; n++) {
        int many = g->own - n % blocks * width, filter = n / blocks * g->own + n % blocks * width;
        pack_bytes(s, weights + (size_t)filter * g->taps, g->taps, many < width ? many : width, packed + (size_t)n * fours, begins + (size_t)n * arrays);
    }
    if (!absent) memset(image, s->separate ? 0 : SHIFT, bytes + 2 * PANEL);
    for (int b = 0; b < s->batch && !absent; b++) {
        for (int c = 0; c < s->channels; c++)
            for (int row = 0; row < s->height; row++) {
                int y = row + s->top;
                const int8_t *from = inputs + (((size_t)b * s->channels + c) * s->height + row) * s->width;
                int8_t *to = image + (c * g->phases + y % s->stride_height * s->stride_width) * g->plane + (size_t)(y / s->stride_height) * g->pitch;
                int8_t shift = (int8_t)(s->separate ? 0 : SHIFT);
                if (s->stride_width == 1)
                    for (int x = 0; x < s->width; x++) to[x + s->left] = from[x] ^ shift;
                else
                    for (int x = 0; x < s->width; x++) to[(x + s->left) % s->stride_width * g->plane + (x + s->left) / s->stride_width] = from[x] ^ shift;
            }
        for (int p = 0; p < g->flat; p += PANEL) {
            int last = p + PANEL < g->flat ? p + PANEL : g->flat;
            for (int n = 0; n < all; n++) {
                int filter = n / blocks * g->own + n % blocks * width, many = g->own - n % blocks * width;
                if (n % blocks == 0) gather(image + (size_t)(n / blocks) * g->share * g->phases * g->plane + p, tap_places, fours, panel);
                __m512 sums[BYTE_FILTERS * 2];
                uint32_t *own = clips ? memset(found, 0, sizeof(uint32_t) * width * reads) : 0;
                if (s->separate) byte_split_block(s, panel, packed + (size_t)n * fours, ends, arrays, sums, own);
                else byte_block(s, panel, packed + (size_t)n * fours, begins + (size_t)n * arrays, ends, arrays, sums, own);
                if (clips) keep_clips(clips, g, found, (size_t)b * s->filters + filter, many < width ? many : width, reads, p);
                for (int f = 0; f < width && f < many; f++)
                    store(codes + ((size_t)b * s->filters + filter + f) * s->out_height * s->out_width, (const vec *)(sums + 2 * f), 2, g->pitch, s->out_width, p,
                          last);
            }
        }
    }
    free(ends); free(tap_places); free(image); free(packed); free(begins); free(panel); free(found);
    return absent;
}
