/* Convolution by windows of 3 x 3 with stride 1; channels in fours.
 * For four output pixels the window of 3 x 6 input pixels is laid out once as [row][channel][column], a code in each
 * word, and read by all filters: six loads feed three taps of four pixels. Neighbouring windows share two columns.
 * Scratch: 72 bytes a channel for the window, and four pixels of outputs. */
#include "nn_words.h"

static void fill_column(const nn_stream_conv *l, const int8_t *input, int32_t y, int32_t x, int32_t *window) {
  const int32_t channels = l->in_channels;
  for (int32_t ky = 0; ky < 3; ky++, y++, window += 6 * channels) {
    if (y >= 0 && y < l->in_height && x >= 0 && x < l->in_width) {
      const int8_t *codes = input + (y * l->in_width + x) * channels;
      for (int32_t *w = window, *end = w + 6 * channels; w != end; w += 24, codes += 4)
        w[0] = codes[0], w[6] = codes[1], w[12] = codes[2], w[18] = codes[3];
    } else {
      for (int32_t i = 0; i < channels; i++) window[6 * i] = l->zero;
    }
  }
}

void nn_conv3x3_words(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch, nn_words_core *core) {
  const int32_t size = 18 * l->in_channels, filters = l->out_channels;
  int32_t *window = scratch, *end = window + size;
  int8_t *spare = (int8_t *)end;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x += 4) {
      const int32_t left = x - l->pad_left, pixels = l->out_width - x < 4 ? l->out_width - x : 4;
      if (x) /* the last two columns become the first two */
        for (int32_t *w = window; w != end; w += 12) w[0] = w[4], w[1] = w[5], w[6] = w[10], w[7] = w[11];
      for (int32_t column = x ? 2 : 0; column < 6; column++)
        fill_column(l, input, y - l->pad_top, left + column, window + column);
      core(window, (const int32_t *)(const void *)weights, end, pixels == 4 ? output : spare, filters, filters);
      if (pixels < 4)
        for (int32_t i = 0; i < pixels * filters; i++) output[i] = spare[i];
      nn_bounded(output, pixels * filters, l->least, l->most);
      output += pixels * filters;
    }
}
