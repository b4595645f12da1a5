/* One filter after the other at four pixels, two in a word, for Armv6-M: nn_conv_pairs_core.c with sums of every two taps
 * by nn_pairs_sums.S. */
#include "nn_pairs.h"

/* `sums`: what whole words and their upper halves add up to, of both pairs of pixels; without 2^15. */
void nn_pairs_sums(const uint32_t *window, const int8_t *taps, const uint32_t *end, uint32_t *sums);

void nn_conv_pairs_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                        int32_t filters, int32_t stride) {
  const uint32_t even0 = end[0] + 2 * end[4], even1 = end[2] + 2 * end[4];
  for (const int8_t *last = output + filters; output != last; output++) {
    const uint32_t bias = (uint32_t)(*stream++ >> 1), both = bias + (bias << 16);
    uint32_t sums[4] = {both, bias, both, bias};
    nn_pairs_sums(window, (const int8_t *)stream, end, sums);
    stream += (end - window) / 8;
    nn_stream_codes((int32_t)(sums[0] - (sums[1] << 16) + even0), (int32_t)(sums[1] + end[1]),
                    (int32_t)(sums[2] - (sums[3] << 16) + even1), (int32_t)(sums[3] + end[3]), stream, output, stride);
    stream += 3;
  }
}
