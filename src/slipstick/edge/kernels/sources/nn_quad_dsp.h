/* Four filters, two products at once: a word holds four weights of a filter. See nn_quads.h. */
#ifndef SLIPSTICK_NN_QUAD_DSP_H
#define SLIPSTICK_NN_QUAD_DSP_H

#include "nn_quads.h"

#define NN_FILTER(sum, word) sum = nn_smlad(nn_sxtb16(word), even, nn_smlad(nn_sxtb16_odd(word), odd, sum))
#define NN_FOUR_CODES(four, w) \
  do { \
    const uint32_t codes_ = four, even = nn_sxtb16(codes_), odd = nn_sxtb16_odd(codes_); \
    const uint32_t w0 = (uint32_t)(w)[0], w1 = (uint32_t)(w)[1], w2 = (uint32_t)(w)[2], w3 = (uint32_t)(w)[3]; \
    NN_FILTER(sum0, w0); \
    NN_FILTER(sum1, w1); \
    NN_FILTER(sum2, w2); \
    NN_FILTER(sum3, w3); \
  } while (0)

static inline const int32_t *nn_quad_dsp(const int8_t *codes, int32_t count, const int32_t *weights, int32_t *sums) {
  int32_t sum0 = sums[0], sum1 = sums[1], sum2 = sums[2], sum3 = sums[3];
  for (const int8_t *end = codes + (count & ~3); codes != end; codes += 4, weights += 4)
    NN_FOUR_CODES(nn_word(codes), weights);
  if (count & 3) {
    uint32_t last = 0;
    __builtin_memcpy(&last, codes, (size_t)(count & 3));
    NN_FOUR_CODES(last, weights);
    weights += 4;
  }
  sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
  return weights;
}

#endif
