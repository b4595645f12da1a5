/* Dense layer: in_height rows of in_channels codes. Sums are rounded once. Weights [outputs][inputs]. No scratch. */
#include "nn.h"

void nn_dense_s8(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  const nn_requant *r = &l->requant;
  for (int32_t row = 0; row < l->in_height; row++, input += l->in_channels) {
    const int8_t *w = weights;
    for (int32_t f = 0; f < l->out_channels; f++) {
      int32_t sum = r->bias[f];
      for (int32_t c = 0; c < l->in_channels; c++) sum += (input[c] + l->input_offset) * (*w++ + l->weight_offset);
      const int32_t code = nn_scaled_once(sum, r->multiplier[f], r->shift[f]) + r->output_offset;
      *output++ = nn_clamped(code, r->least, r->most);
    }
  }
}
