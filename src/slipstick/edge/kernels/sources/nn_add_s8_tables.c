/* Addition by two tables of the 256 scaled codes, made at each call. The output may be an input. Scratch: 2048 bytes. */
#include "nn.h"

static void fill(int32_t *table, int32_t offset, const nn_scaling *scaling) {
  for (int32_t code = INT8_MIN; code <= INT8_MAX; code++)
    *table++ = nn_scaled((code + offset) * (INT32_C(1) << 20), scaling->multiplier, scaling->shift);
}

void nn_add_s8_tables(const nn_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch) {
  const int32_t *of_a = (const int32_t *)scratch + 128, *of_b = of_a + 256;
  const int32_t right = -l->sum.shift, multiplier = l->sum.multiplier;
  const int32_t rounding = (INT32_C(1) << right >> 1) + l->output_offset * (INT32_C(1) << right);
  const int8_t *end = a + l->size;
  fill(scratch, l->a_offset, &l->a);
  fill((int32_t *)scratch + 256, l->b_offset, &l->b);
  if (l->least == INT8_MIN && l->most == INT8_MAX) {
    while (a != end) {
      const int32_t high = nn_product(of_a[*a++] + of_b[*b++], multiplier);
      *output++ = nn_clamped((high + (high >> 31) + rounding) >> right, INT8_MIN, INT8_MAX);
    }
  } else {
    while (a != end) {
      const int32_t high = nn_product(of_a[*a++] + of_b[*b++], multiplier);
      *output++ = nn_clamped((high + (high >> 31) + rounding) >> right, l->least, l->most);
    }
  }
}
