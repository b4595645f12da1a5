/* Convolution of any shape. Weights [filters][kernel height][kernel width][channels]. No scratch. */
#include "nn.h"

static int32_t row_product(const nn_conv *l, const int8_t *weights, const int8_t *input) {
  int32_t sum = 0;
  for (int32_t c = 0; c < l->in_channels; c++) sum += (input[c] + l->input_offset) * (weights[c] + l->weight_offset);
  return sum;
}

static int32_t window_product(const nn_conv *l, const int8_t *weights, const int8_t *input, int32_t top, int32_t left) {
  int32_t sum = 0;
  for (int32_t ky = 0; ky < l->kernel_height; ky++)
    for (int32_t kx = 0; kx < l->kernel_width; kx++, weights += l->in_channels) {
      const int32_t y = top + ky * l->dilation_height, x = left + kx * l->dilation_width;
      if (y >= 0 && y < l->in_height && x >= 0 && x < l->in_width)
        sum += row_product(l, weights, input + (y * l->in_width + x) * l->in_channels);
    }
  return sum;
}

void nn_conv_s8(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  const int32_t size = l->kernel_height * l->kernel_width * l->in_channels;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      for (int32_t f = 0; f < l->out_channels; f++)
        *output++ = nn_code(&l->requant, f, window_product(l, weights + f * size, input, top, left));
    }
}
