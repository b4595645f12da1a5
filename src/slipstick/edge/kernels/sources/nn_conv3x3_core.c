/* One filter after the other at four pixels by windows of 3 x 3: see nn_conv3x3_words.c. nn_conv3x3_core.S is the
 * same. Stream of a filter: bias, the three taps of each channel of each row as bytes, requantisation. */
#include "nn_words.h"

#define TAP(w, a, b, c, d) sum0 += (w) * (a), sum1 += (w) * (b), sum2 += (w) * (c), sum3 += (w) * (d)
#define CHANNEL(x, taps) \
  do { \
    const int32_t a = (x)[0], b = (x)[1], c = (x)[2], d = (x)[3], e = (x)[4], f = (x)[5]; \
    TAP((taps)[0], a, b, c, d); \
    TAP((taps)[1], b, c, d, e); \
    TAP((taps)[2], c, d, e, f); \
  } while (0)

void nn_conv3x3_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output, int32_t filters,
                     int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output++) {
    int32_t sum0 = *stream, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const int8_t *taps = (const int8_t *)(stream + 1);
    for (const int32_t *x = window; x != end; x += 24, taps += 12) {
      CHANNEL(x, taps);
      CHANNEL(x + 6, taps + 3);
      CHANNEL(x + 12, taps + 6);
      CHANNEL(x + 18, taps + 9);
    }
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes(sum0, sum1, sum2, sum3, stream, output, stride);
    stream += 3;
  }
}
