/* Padding with one code along rows, columns and channels. No scratch. */
#include "nn.h"

void nn_pad_s8(const nn_pad *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int32_t row = y - l->before_height, column = x - l->before_width;
      const int32_t inside = row >= 0 && row < l->in_height && column >= 0 && column < l->in_width;
      for (int32_t c = 0; c < l->out_channels; c++) {
        const int32_t channel = c - l->before_channels;
        *output++ = inside && channel >= 0 && channel < l->in_channels ? *input++ : l->value;
      }
    }
}
