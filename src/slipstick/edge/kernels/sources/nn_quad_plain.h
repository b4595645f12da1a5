/* Four filters, one product at a time: a word holds a weight of each filter. See nn_quads.h. */
#ifndef SLIPSTICK_NN_QUAD_PLAIN_H
#define SLIPSTICK_NN_QUAD_PLAIN_H

#include "nn_quads.h"

static inline const int32_t *nn_quad_plain(const int8_t *codes, int32_t count, const int32_t *weights, int32_t *sums) {
  const int8_t *w = (const int8_t *)weights;
  int32_t sum0 = sums[0], sum1 = sums[1], sum2 = sums[2], sum3 = sums[3];
  for (const int8_t *end = codes + count; codes != end; codes++, w += 4) {
    const int32_t code = *codes;
    sum0 += code * w[0], sum1 += code * w[1], sum2 += code * w[2], sum3 += code * w[3];
  }
  sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
  return weights + count;
}

#endif
