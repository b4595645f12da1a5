/* Real numbers to codes, by comparisons of bits alone: no floating point is computed. No scratch. */
#include "nn.h"

static int8_t code(const nn_quantize *l, uint32_t bits) {
  if ((bits & UINT32_C(0x7fffffff)) > UINT32_C(0x7f800000)) return l->not_a_number;
  const int32_t ordered = (int32_t)(bits & UINT32_C(0x80000000) ? bits ^ UINT32_C(0x7fffffff) : bits);
  int32_t low = 0, high = l->most - l->least; /* the count of thresholds reached lies within */
  while (low < high) {
    const int32_t middle = (low + high) / 2;
    if (ordered >= l->thresholds[middle]) low = middle + 1;
    else high = middle;
  }
  return (int8_t)(l->least + low);
}

void nn_quantize_f32(const nn_quantize *l, const uint32_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (uint32_t i = 0; i < l->size; i++) output[i] = code(l, input[i]);
}
