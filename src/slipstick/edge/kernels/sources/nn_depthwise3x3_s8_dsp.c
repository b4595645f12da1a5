/* Depth-wise convolution by 3 x 3 with stride 1, two products at once; channels in fours.
 * Two output rows are computed together: the four input rows of their windows are laid out for four channels as
 * [column][channel], each a word of rows 0 and 1 and a word of rows 2 and 3. So each column of a window takes four
 * multiplications for two outputs. The next windows begin with rows 2 and 3, so that each row is read once, and the
 * output may lie where the input does. Scratch: 32 bytes for each of (width + 2) columns. */
#include "nn_dsp.h"

#define PAIR(low, high) ((low & 0xffffu) | (high) << 16)
#define PAIR_OF_TOPS(low, high) ((low) >> 16 | (high & 0xffff0000u))

/* Lay out two rows of four channels of a column. */
static inline void fill_two(uint32_t *to, uint32_t a, uint32_t b) {
  const uint32_t a0 = nn_sxtb16(a), a1 = nn_sxtb16_odd(a), b0 = nn_sxtb16(b), b1 = nn_sxtb16_odd(b);
  to[0] = PAIR(a0, b0), to[2] = PAIR(a1, b1), to[4] = PAIR_OF_TOPS(a0, b0), to[6] = PAIR_OF_TOPS(a1, b1);
}

/* Rows 2 and 3 of the columns inside the image become rows 0 and 1, and two rows of the input rows 2 and 3. */
static void fill_rows(const nn_stream_conv *l, const int8_t *input, int32_t y, uint32_t *to, const uint32_t *end) {
  const uint32_t zero = (uint32_t)(uint8_t)l->zero * 0x1010101u;
  const int32_t row = l->in_width * l->in_channels;
  const int32_t step = y >= 0 && y < l->in_height ? l->in_channels : 0;
  const int32_t below = y + 1 >= 0 && y + 1 < l->in_height ? l->in_channels : 0;
  const int8_t *a = step ? input + y * row : (const int8_t *)&zero;
  const int8_t *b = below ? input + (y + 1) * row : (const int8_t *)&zero;
  for (; to != end; to += 8, a += step, b += below) {
    to[0] = to[1], to[2] = to[3], to[4] = to[5], to[6] = to[7];
    fill_two(to + 1, nn_word(a), nn_word(b));
  }
}

void nn_depthwise3x3_s8_dsp(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                            void *scratch) {
  const int32_t width = l->out_width, channels = l->out_channels, row = width * channels;
  const uint32_t zero = (uint32_t)(uint8_t)l->zero * 0x1010101u;
  uint32_t *columns = scratch, *inside = columns + 8 * l->pad_left, *end = columns + 8 * (width + 2);
  for (uint32_t *to = columns; to != end; to += 8) fill_two(to, zero, zero), fill_two(to + 1, zero, zero);
  if (end > inside + 8 * l->in_width) end = inside + 8 * l->in_width;
  const int32_t *streams = (const int32_t *)(const void *)weights, *words = streams;
  const int32_t step = l->shared ? 4 : 7, words_step = l->shared ? 0 : 7;
  if (l->shared) streams += 3;
  else words += 4;
  for (int32_t c = 0; c < channels; c += 4, streams += 4 * step, words += 4 * words_step) {
    fill_rows(l, input + c, -l->pad_top, inside, end);
    int8_t *codes = output + c;
    for (int32_t y = 0; y < l->out_height; y += 2, codes += 2 * row) {
      const int32_t below = y + 1 < l->out_height ? row : 0; /* a last row alone: its first is written last */
      fill_rows(l, input + c, y + 2 - l->pad_top, inside, end);
      for (int32_t i = 0; i < 4; i++)
        nn_depthwise3x3_dsp_core(columns + 2 * i, streams + step * i, codes + i, width, channels, below,
                                 words + words_step * i);
    }
  }
  nn_bounded(output, l->out_height * row, l->least, l->most);
}
