/* Convolution by windows of any size and stride.
 * The windows of four output pixels are laid out as [value][pixel], a code in each word, and read by all filters; a
 * window is filled up to four values, whose weights are 0.
 * Scratch: 16 bytes a value of the window so filled up, and four pixels of outputs. */
#include "nn_words.h"

static int32_t *fill_row(const nn_stream_conv *l, const int8_t *input, int32_t y, int32_t x, int32_t *window) {
  const int32_t channels = l->in_channels, size = l->kernel_width * channels, width = l->in_width;
  const int32_t inside = y >= 0 && y < l->in_height;
  const int8_t *codes = input + (y * width + x) * channels;
  if (inside && x >= 0 && x + l->kernel_width <= width) {
    const int8_t *end = codes + (size & ~3);
    for (; codes != end; codes += 4, window += 16)
      window[0] = codes[0], window[4] = codes[1], window[8] = codes[2], window[12] = codes[3];
    for (int32_t i = 0; i < (size & 3); i++, window += 4) *window = codes[i];
    return window;
  }
  for (int32_t kx = 0; kx < l->kernel_width; kx++, codes += channels)
    for (int32_t c = 0; c < channels; c++, window += 4)
      *window = inside && x + kx >= 0 && x + kx < width ? codes[c] : l->zero;
  return window;
}

void nn_conv_words(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch,
                   nn_words_core *core) {
  const int32_t size = (l->kernel_height * l->kernel_width * l->in_channels + 3) & ~3;
  const int32_t pixels = l->out_height * l->out_width, filters = l->out_channels;
  int32_t *window = scratch, *end = window + 4 * size;
  int8_t *spare = (int8_t *)end;
  for (int32_t i = 1; i <= 12; i++) end[-i] = 0; /* what no row reaches */
  for (int32_t at = 0, y = 0, x = 0; at < pixels; at += 4) {
    const int32_t count = pixels - at < 4 ? pixels - at : 4;
    for (int32_t p = 0; p < 4; p++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      int32_t *words = window + p;
      for (int32_t ky = 0; ky < l->kernel_height; ky++) words = fill_row(l, input, top + ky, left, words);
      if (at + p + 1 < pixels && ++x == l->out_width) x = 0, y++;
    }
    core(window, (const int32_t *)(const void *)weights, end, count == 4 ? output : spare, filters, filters);
    if (count < 4)
      for (int32_t i = 0; i < count * filters; i++) output[i] = spare[i];
    nn_bounded(output, count * filters, l->least, l->most);
    output += count * filters;
  }
}
