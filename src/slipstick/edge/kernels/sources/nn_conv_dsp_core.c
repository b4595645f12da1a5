/* All filters at four pixels by windows of any size: see nn_conv_s8_dsp.c. nn_conv_dsp_core.S is the same. */
#include "nn_dsp.h"

#define PAIR(w, x) \
  do { \
    const uint32_t pair = w; \
    const uint64_t left = nn_words(x), right = nn_words((x) + 2); \
    sum0 = nn_smlad(pair, (uint32_t)left, sum0), sum1 = nn_smlad(pair, (uint32_t)(left >> 32), sum1); \
    sum2 = nn_smlad(pair, (uint32_t)right, sum2), sum3 = nn_smlad(pair, (uint32_t)(right >> 32), sum3); \
  } while (0)

#define EIGHT(x, words) \
  do { \
    const uint32_t first = (uint32_t)(words)[0], second = (uint32_t)(words)[1]; \
    PAIR(nn_sxtb16(first), x); \
    PAIR(nn_sxtb16_odd(first), (x) + 4); \
    PAIR(nn_sxtb16(second), (x) + 8); \
    PAIR(nn_sxtb16_odd(second), (x) + 12); \
  } while (0)

void nn_conv_dsp_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                      int32_t filters, int32_t stride) {
  const int32_t odd = (int32_t)((end - window) / 16 & 1);
  for (const int8_t *last = output + filters; output != last; output++) {
    const uint32_t *x = window;
    const int32_t bias = *stream++;
    int32_t sum0 = bias + (int32_t)end[0], sum1 = bias + (int32_t)end[1];
    int32_t sum2 = bias + (int32_t)end[2], sum3 = bias + (int32_t)end[3];
    if (odd) {
      EIGHT(x, stream);
      x += 16, stream += 2;
    }
    for (; x != end; x += 32, stream += 4) {
      EIGHT(x, stream);
      EIGHT(x + 16, stream + 2);
    }
    nn_stream_codes(sum0, sum1, sum2, sum3, stream, output, stride);
    stream += 3;
  }
}
