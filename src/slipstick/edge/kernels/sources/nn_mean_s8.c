/* Mean over height and width; the count of pixels is part of the multiplier. No scratch. */
#include "nn.h"

void nn_mean_s8(const nn_mean *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  const int32_t count = l->in_height * l->in_width;
  for (int32_t c = 0; c < l->channels; c++) {
    int32_t sum = count * l->input_offset;
    for (int32_t i = 0; i < count; i++) sum += input[i * l->channels + c];
    const int32_t code = nn_scaled(sum, l->scaling.multiplier, l->scaling.shift) + l->output_offset;
    *output++ = nn_clamped(code, INT8_MIN, INT8_MAX);
  }
}
