/* Convolution by 3 x 3 with stride 1, two pixels in each product of 64 bits; channels in fours.
 * A word holds the codes of two neighbouring columns, 23 bits apart; a product with a weight, added up in 64 bits, holds
 * both pixels' sums, as long as the lower one keeps to 23 bits. The window of four output pixels is laid out as
 * [row][channel][five words]. Fewest instructions on Armv7-M, though not fewest cycles: SMLAL takes 4 to 7 on Cortex-M3.
 * Scratch: 60 bytes a channel for the window, and four pixels of outputs. */
#include "nn_words.h"

/* A column of a row is the lower half of its own pair and the upper half of the pair before. */
static void fill_row(const int8_t *codes, int32_t step, int32_t *window, const int32_t *end, int32_t column) {
  int32_t *w = window + column;
  end += column;
  if (column == 0)
    for (; w != end; w += 5, codes += step) w[0] = *codes;
  else if (column == 5)
    for (; w != end; w += 5, codes += step) w[-1] += nn_left(*codes, 23);
  else
    for (; w != end; w += 10, codes += step + step) {
      const int32_t first = codes[0], second = codes[step];
      w[0] = first, w[-1] += nn_left(first, 23);
      w[5] = second, w[4] += nn_left(second, 23);
    }
}

static void fill_column(const nn_stream_conv *l, const int8_t *input, int32_t y, int32_t x, int32_t *window,
                        int32_t column) {
  const int32_t channels = l->in_channels;
  for (int32_t ky = 0; ky < 3; ky++, y++, window += 5 * channels) {
    const int32_t inside = y >= 0 && y < l->in_height && x >= 0 && x < l->in_width;
    const int8_t *codes = inside ? input + (y * l->in_width + x) * channels : &l->zero;
    fill_row(codes, inside, window, window + 5 * channels, column);
  }
}

void nn_conv3x3_s8_long(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                        void *scratch) {
  const int32_t size = 15 * l->in_channels, filters = l->out_channels;
  int32_t *window = scratch, *end = window + size;
  int8_t *spare = (int8_t *)end;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x += 4) {
      const int32_t left = x - l->pad_left, pixels = l->out_width - x < 4 ? l->out_width - x : 4;
      if (x) /* the last pair of columns becomes the first; its second column is half of the next pair */
        for (int32_t *w = window; w != end; w += 5) w[0] = w[4], w[1] = (w[4] + (1 << 22)) >> 23;
      for (int32_t column = x ? 2 : 0; column < 6; column++)
        fill_column(l, input, y - l->pad_top, left + column, window, column);
      nn_conv3x3_long_core(window, (const int32_t *)(const void *)weights, end, pixels == 4 ? output : spare, filters,
                           filters);
      if (pixels < 4)
        for (int32_t i = 0; i < pixels * filters; i++) output[i] = spare[i];
      nn_bounded(output, pixels * filters, l->least, l->most);
      output += pixels * filters;
    }
}
