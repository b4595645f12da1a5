/* Dense layer, two filters and four inputs at a time, one product at a time. Rows of weights are filled up to four inputs
 * with 0; biases hold the products of the input's offset. Scratch: an input row so filled up. */
#include "nn.h"

static int8_t code(const nn_requant *r, int32_t f, int32_t sum) {
  return nn_clamped(nn_scaled_once(sum, r->multiplier[f], r->shift[f]) + r->output_offset, r->least, r->most);
}

void nn_dense_s8_plain(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t inputs = l->in_channels, size = (inputs + 3) & ~3, filters = l->out_channels;
  const nn_requant *r = &l->requant;
  for (int32_t row = 0; row < l->in_height; row++, input += inputs) {
    const int8_t *w = weights, *codes = input;
    if (inputs != size) {
      int8_t *filled = scratch;
      __builtin_memcpy(filled, input, (size_t)inputs);
      for (int32_t i = inputs; i < size; i++) filled[i] = 0;
      codes = filled;
    }
    for (int32_t f = 0; f < filters; f += 2, w += size) {
      const int32_t other = f + 1 < filters ? size : 0; /* a last filter alone is computed twice */
      const int8_t *v = w + other;
      int32_t first = r->bias[f], second = r->bias[f + (other != 0)];
      for (const int8_t *x = codes, *end = codes + size; x != end; x += 4, w += 4, v += 4) {
        first += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
        second += x[0] * v[0] + x[1] * v[1] + x[2] * v[2] + x[3] * v[3];
      }
      *output++ = code(r, f, first);
      if (other) *output++ = code(r, f + 1, second);
    }
  }
}
