/* Dense layer, two filters and four inputs at a time, with two products at once where the core has them. Rows of weights
 * are filled up to four inputs with 0; biases hold the products of the input's offset.
 * Scratch: 2 bytes an input so filled up. */
#include "nn_dsp.h"

static void widen(const int8_t *codes, int32_t count, uint32_t *wide) {
  for (; count >= 4; count -= 4, codes += 4, wide += 2) {
    const uint32_t four = nn_word(codes);
    wide[0] = nn_sxtb16(four);
    wide[1] = nn_sxtb16_odd(four);
  }
  if (count) {
    uint32_t four = 0;
    __builtin_memcpy(&four, codes, (size_t)count);
    wide[0] = nn_sxtb16(four);
    wide[1] = nn_sxtb16_odd(four);
  }
}

static int8_t code(const nn_requant *r, int32_t f, int32_t sum) {
  return nn_clamped(nn_scaled_once(sum, r->multiplier[f], r->shift[f]) + r->output_offset, r->least, r->most);
}

void nn_dense_s8_pairs(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t inputs = l->in_channels, size = (inputs + 3) & ~3, filters = l->out_channels;
  const uint32_t *wide = scratch, *end = wide + size / 2;
  const nn_requant *r = &l->requant;
  for (int32_t row = 0; row < l->in_height; row++, input += inputs) {
    const int8_t *w = weights;
    widen(input, inputs, scratch);
    for (int32_t f = 0; f < filters; f += 2, w += size) {
      const int32_t other = f + 1 < filters ? size : 0; /* a last filter alone is computed twice */
      int32_t first = r->bias[f], second = r->bias[f + (other != 0)];
      for (const uint32_t *x = wide; x != end; x += 2, w += 4) {
        const uint32_t four = nn_word(w), below = nn_word(w + other);
        first = nn_smlad(nn_sxtb16_odd(four), x[1], nn_smlad(nn_sxtb16(four), x[0], first));
        second = nn_smlad(nn_sxtb16_odd(below), x[1], nn_smlad(nn_sxtb16(below), x[0], second));
      }
      *output++ = code(r, f, first);
      if (other) *output++ = code(r, f + 1, second);
    }
  }
}
