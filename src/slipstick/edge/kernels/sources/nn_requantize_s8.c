/* Codes of one scale to codes of another. The output may be the input. No scratch. */
#include "nn.h"

void nn_requantize_s8(const nn_requantize *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (uint32_t i = 0; i < l->size; i++) {
    const int32_t code = nn_scaled(input[i] + l->input_offset, l->scaling.multiplier, l->scaling.shift);
    output[i] = nn_clamped(code + l->output_offset, INT8_MIN, INT8_MAX);
  }
}
