/* Addition of two tensors, each scaled with 20 more bits, the sum scaled again. The output may be an input. No scratch. */
#include "nn.h"

void nn_add_s8(const nn_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch) {
  (void)scratch;
  for (uint32_t i = 0; i < l->size; i++) {
    const int32_t left = nn_scaled((a[i] + l->a_offset) * (INT32_C(1) << 20), l->a.multiplier, l->a.shift);
    const int32_t right = nn_scaled((b[i] + l->b_offset) * (INT32_C(1) << 20), l->b.multiplier, l->b.shift);
    const int32_t sum = nn_scaled(left + right, l->sum.multiplier, l->sum.shift);
    output[i] = nn_clamped(sum + l->output_offset, l->least, l->most);
  }
}
