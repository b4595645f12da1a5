/* Average pool, padding left out; halves are rounded away from zero. No scratch. */
#include "nn.h"

static int32_t mean(const nn_pool *l, const int8_t *input, int32_t top, int32_t left) {
  int32_t sum = 0, count = 0;
  for (int32_t y = top < 0 ? 0 : top; y < top + l->kernel_height && y < l->in_height; y++)
    for (int32_t x = left < 0 ? 0 : left; x < left + l->kernel_width && x < l->in_width; x++, count++)
      sum += input[(y * l->in_width + x) * l->channels];
  sum += count * l->code_offset;
  return (sum < 0 ? -((-sum + count / 2) / count) : (sum + count / 2) / count) - l->code_offset;
}

void nn_average_pool_s8(const nn_pool *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++)
      for (int32_t c = 0; c < l->channels; c++) {
        const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
        *output++ = nn_clamped(mean(l, input + c, top, left), l->least, l->most);
      }
}
