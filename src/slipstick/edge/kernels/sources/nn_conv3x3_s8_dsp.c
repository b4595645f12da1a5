/* Convolution by windows of 3 x 3 with stride 1, two products at once; channels in fours.
 * For four output pixels the window of 3 x 6 input pixels is laid out once as [row][channel pair][column], words of two
 * 16-bit codes, and read by all filters: one load of six words feeds three taps of four pixels. Pairs are channels
 * (0, 2) and (1, 3) of four, as bytes of a word widen. Neighbouring windows share two columns.
 * Scratch: 36 bytes a channel for the window, and four pixels of outputs. */
#include "nn_dsp.h"

static void fill_column(const nn_stream_conv *l, const int8_t *input, int32_t y, int32_t x, uint32_t *window) {
  const int32_t pairs = l->in_channels / 2;
  const uint32_t zero = (uint32_t)(uint16_t)l->zero * 0x10001u;
  for (int32_t ky = 0; ky < 3; ky++, y++, window += 6 * pairs) {
    if (y >= 0 && y < l->in_height && x >= 0 && x < l->in_width) {
      const int8_t *codes = input + (y * l->in_width + x) * l->in_channels;
      for (uint32_t *w = window, *end = w + 6 * pairs; w != end; w += 12, codes += 4) {
        const uint32_t four = nn_word(codes);
        w[0] = nn_sxtb16(four);
        w[6] = nn_sxtb16_odd(four);
      }
    } else {
      for (int32_t i = 0; i < pairs; i++) window[6 * i] = zero;
    }
  }
}

void nn_conv3x3_s8_dsp(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                       void *scratch) {
  const int32_t size = 9 * l->in_channels, filters = l->out_channels;
  uint32_t *window = scratch, *end = window + size;
  int8_t *spare = (int8_t *)end;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x += 4) {
      const int32_t left = x - l->pad_left, pixels = l->out_width - x < 4 ? l->out_width - x : 4;
      if (x) /* the last two columns become the first two */
        for (uint32_t *w = window; w != end; w += 6) w[0] = w[4], w[1] = w[5];
      for (int32_t column = x ? 2 : 0; column < 6; column++)
        fill_column(l, input, y - l->pad_top, left + column, window + column);
      int8_t *codes = pixels == 4 ? output : spare;
      nn_conv3x3_dsp_core(window, (const int32_t *)(const void *)weights, end, codes, filters, filters);
      if (pixels < 4) __builtin_memcpy(output, spare, (size_t)(pixels * filters));
      nn_bounded(output, pixels * filters, l->least, l->most);
      output += pixels * filters;
    }
}
