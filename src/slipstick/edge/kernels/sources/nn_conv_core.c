/* One filter after the other at four pixels by windows of any size: see nn_conv_words.c. nn_conv_core.S is the same. */
#include "nn_words.h"

#define VALUE(x, tap) \
  do { \
    const int32_t weight = tap; \
    sum0 += weight * (x)[0], sum1 += weight * (x)[1], sum2 += weight * (x)[2], sum3 += weight * (x)[3]; \
  } while (0)

void nn_conv_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output, int32_t filters,
                  int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output++) {
    int32_t sum0 = *stream, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const int8_t *taps = (const int8_t *)(stream + 1);
    for (const int32_t *x = window; x != end; x += 16, taps += 4) {
      VALUE(x, taps[0]);
      VALUE(x + 4, taps[1]);
      VALUE(x + 8, taps[2]);
      VALUE(x + 12, taps[3]);
    }
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes(sum0, sum1, sum2, sum3, stream, output, stride);
    stream += 3;
  }
}
