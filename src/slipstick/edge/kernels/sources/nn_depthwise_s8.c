/* Depth-wise convolution of any shape: filter f reads channel f / (filters / channels).
 * Weights [kernel height][kernel width][filters]. No scratch. */
#include "nn.h"

/* The taps of a window that lie inside the image, from the first one on. */
typedef struct {
  int32_t rows, columns, code_row, code_column, tap_row, tap_column;
} inside;

/* Return the first tap along an axis that lies inside, and their count. */
static int32_t first_tap(int32_t start, int32_t dilation, int32_t taps, int32_t size, int32_t *count) {
  int32_t first = 0, last = taps;
  while (first < taps && start + first * dilation < 0) first++;
  while (last > first && start + (last - 1) * dilation >= size) last--;
  *count = last - first;
  return first;
}

static int32_t window_product(const inside *at, const int8_t *taps, const int8_t *codes, int32_t code_offset,
                              int32_t tap_offset) {
  const int32_t columns = at->columns, code_column = at->code_column, tap_column = at->tap_column;
  int32_t sum = 0;
  for (int32_t ky = at->rows; ky > 0; ky--, codes += at->code_row, taps += at->tap_row) {
    const int8_t *code = codes, *tap = taps;
    for (int32_t kx = columns; kx > 0; kx--, code += code_column, tap += tap_column)
      sum += (*code + code_offset) * (*tap + tap_offset);
  }
  return sum;
}

void nn_depthwise_s8(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  const int32_t channels = l->in_channels, filters = l->out_channels, times = filters / channels;
  inside at;
  at.code_row = l->dilation_height * l->in_width * channels, at.code_column = l->dilation_width * channels;
  at.tap_row = l->kernel_width * filters, at.tap_column = filters;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      const int32_t ky = first_tap(top, l->dilation_height, l->kernel_height, l->in_height, &at.rows);
      const int32_t kx = first_tap(left, l->dilation_width, l->kernel_width, l->in_width, &at.columns);
      inside taken = at;
      if (at.columns == 1) { /* the rows are the inner loop */
        taken.rows = 1, taken.columns = at.rows;
        taken.code_column = at.code_row, taken.tap_column = at.tap_row;
      }
      const int32_t row = top + ky * l->dilation_height, column = left + kx * l->dilation_width;
      const int8_t *codes = input + (row * l->in_width + column) * channels;
      const int8_t *taps = weights + (ky * l->kernel_width + kx) * filters;
      for (int32_t c = 0, f = 0; c < channels; c++, codes++)
        for (int32_t t = 0; t < times; t++, f++, taps++)
          *output++ = nn_code(&l->requant, f, window_product(&taken, taps, codes, l->input_offset, l->weight_offset));
    }
}
