/* Depth-wise convolution of any shape: filter f reads channel f / (filters / channels).
 * Weights [kernel height][kernel width][filters]. No scratch. */
#include "nn.h"

static int32_t window_product(const nn_conv *l, const int8_t *weights, const int8_t *input, int32_t top, int32_t left) {
  int32_t sum = 0;
  for (int32_t ky = 0; ky < l->kernel_height; ky++)
    for (int32_t kx = 0; kx < l->kernel_width; kx++, weights += l->out_channels) {
      const int32_t y = top + ky * l->dilation_height, x = left + kx * l->dilation_width;
      if (y >= 0 && y < l->in_height && x >= 0 && x < l->in_width)
        sum += (input[(y * l->in_width + x) * l->in_channels] + l->input_offset) * (*weights + l->weight_offset);
    }
  return sum;
}

void nn_depthwise_s8(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      const int32_t times = l->out_channels / l->in_channels;
      for (int32_t c = 0, f = 0; c < l->in_channels; c++)
        for (int32_t t = 0; t < times; t++, f++)
          *output++ = nn_code(&l->requant, f, window_product(l, weights + f, input + c, top, left));
    }
}
