/* One filter after the other at four pixels, two in a product: see nn_conv3x3_s8_long.c. nn_conv3x3_long_core.S is the
 * same. Stream of a filter: bias, the three taps of each channel of each row as bytes, requantisation. */
#include "nn_words.h"

static int32_t lower(int64_t both) { return (int32_t)((uint32_t)both << 9) >> 9; }

static int32_t upper(int64_t both) { return (int32_t)((both + (1 << 22)) >> 23); }

void nn_conv3x3_long_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output,
                          int32_t filters, int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output++) {
    const int32_t bias = *stream;
    const int8_t *taps = (const int8_t *)(stream + 1);
    int64_t left = 0, right = 0;
    for (const int32_t *x = window; x != end; x += 5, taps += 3) {
      left += (int64_t)taps[0] * x[0] + (int64_t)taps[1] * x[1] + (int64_t)taps[2] * x[2];
      right += (int64_t)taps[0] * x[2] + (int64_t)taps[1] * x[3] + (int64_t)taps[2] * x[4];
    }
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes(bias + lower(left), bias + upper(left), bias + lower(right), bias + upper(right), stream, output,
                    stride);
    stream += 3;
  }
}
