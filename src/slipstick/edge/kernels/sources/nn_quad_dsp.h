/* Four filters, two products at once: a word holds four weights of a filter. See nn_quads.h. */
#ifndef SLIPSTICK_NN_QUAD_DSP_H
#define SLIPSTICK_NN_QUAD_DSP_H

#include "nn_quads.h"

#define NN_FILTER(sum, word) sum = nn_smlad(nn_sxtb16(word), even, nn_smlad(nn_sxtb16_odd(word), odd, sum))

static inline void nn_quad_four(uint32_t four, const int32_t *weights, int32_t *sums) {
  const uint32_t even = nn_sxtb16(four), odd = nn_sxtb16_odd(four);
  NN_FILTER(sums[0], (uint32_t)weights[0]);
  NN_FILTER(sums[1], (uint32_t)weights[1]);
  NN_FILTER(sums[2], (uint32_t)weights[2]);
  NN_FILTER(sums[3], (uint32_t)weights[3]);
}

static inline const int32_t *nn_quad_dsp(const int8_t *codes, int32_t count, const int32_t *weights, int32_t *sums) {
  for (const int8_t *end = codes + (count & ~3); codes != end; codes += 4, weights += 4)
    nn_quad_four(nn_word(codes), weights, sums);
  if (count & 3) {
    uint32_t four = 0;
    __builtin_memcpy(&four, codes, (size_t)(count & 3));
    nn_quad_four(four, weights, sums);
    weights += 4;
  }
  return weights;
}

#endif
