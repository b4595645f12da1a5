/* Codes to real numbers, by a table. No scratch. */
#include "nn.h"

void nn_dequantize_f32(const nn_dequantize *l, const int8_t *input, uint32_t *output, void *scratch) {
  (void)scratch;
  for (uint32_t i = 0; i < l->size; i++) output[i] = l->values[input[i] + 128];
}
