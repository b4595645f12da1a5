/* All filters at four pixels by windows of 3 x 3: see nn_conv3x3_s8_dsp.c. nn_conv3x3_dsp_core.S is the same. */
#include "nn_dsp.h"

#define TAP(w, a, b, c, d) \
  sum0 = nn_smlad(w, a, sum0), sum1 = nn_smlad(w, b, sum1), sum2 = nn_smlad(w, c, sum2), sum3 = nn_smlad(w, d, sum3)

/* six columns, by loads of two words */
#define COLUMNS(at) \
  const uint64_t left = nn_words(at), middle = nn_words((at) + 2), right = nn_words((at) + 4); \
  const uint32_t a = (uint32_t)left, b = (uint32_t)(left >> 32), c = (uint32_t)middle; \
  const uint32_t d = (uint32_t)(middle >> 32), e = (uint32_t)right, f = (uint32_t)(right >> 32)

#define FOUR_CHANNELS(x, words) \
  do { \
    const uint32_t second = (uint32_t)(words)[1]; \
    { \
      const uint32_t first = (uint32_t)(words)[0]; \
      COLUMNS(x); \
      TAP(nn_sxtb16(first), a, b, c, d); \
      TAP(nn_sxtb16_odd(first), b, c, d, e); \
      TAP(nn_sxtb16(second), c, d, e, f); \
    } \
    { \
      const uint32_t third = (uint32_t)(words)[2]; \
      COLUMNS((x) + 6); \
      TAP(nn_sxtb16_odd(second), a, b, c, d); \
      TAP(nn_sxtb16(third), b, c, d, e); \
      TAP(nn_sxtb16_odd(third), c, d, e, f); \
    } \
  } while (0)

void nn_conv3x3_dsp_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                         int32_t filters, int32_t stride) {
  const int32_t odd = (int32_t)((end - window) / 12 & 1);
  for (const int8_t *last = output + filters; output != last; output++) {
    const uint32_t *x = window;
    int32_t sum0 = *stream++, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    if (odd) {
      FOUR_CHANNELS(x, stream);
      x += 12, stream += 3;
    }
    for (; x != end; x += 24, stream += 6) {
      FOUR_CHANNELS(x, stream);
      FOUR_CHANNELS(x + 12, stream + 3);
    }
    nn_stream_codes(sum0, sum1, sum2, sum3, stream, output, stride);
    stream += 3;
  }
}
