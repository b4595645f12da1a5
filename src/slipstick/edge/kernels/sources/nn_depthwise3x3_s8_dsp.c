/* Depth-wise convolution by 3 x 3 with stride 1, two products at once; channels in fours.
 * Two output rows are computed together: the four input rows of their windows are laid out for four channels as
 * [channel][column], each a word of rows 0 and 1 and a word of rows 2 and 3. So each column of a window takes four
 * multiplications for two outputs. Scratch: 32 bytes for each of (width + 2) columns. */
#include "nn_dsp.h"

#define PAIR(low, high) ((low & 0xffffu) | (high) << 16)
#define PAIR_OF_TOPS(low, high) ((low) >> 16 | (high & 0xffff0000u))

/* Lay out a column: words of four channels of four rows; channels lie `step` words apart. */
static inline void fill_column(uint32_t *to, int32_t step, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint32_t a0 = nn_sxtb16(a), a1 = nn_sxtb16_odd(a), b0 = nn_sxtb16(b), b1 = nn_sxtb16_odd(b);
  const uint32_t c0 = nn_sxtb16(c), c1 = nn_sxtb16_odd(c), d0 = nn_sxtb16(d), d1 = nn_sxtb16_odd(d);
  to[0] = PAIR(a0, b0), to[1] = PAIR(c0, d0), to += step;
  to[0] = PAIR(a1, b1), to[1] = PAIR(c1, d1), to += step;
  to[0] = PAIR_OF_TOPS(a0, b0), to[1] = PAIR_OF_TOPS(c0, d0), to += step;
  to[0] = PAIR_OF_TOPS(a1, b1), to[1] = PAIR_OF_TOPS(c1, d1);
}

static void fill_rows(const nn_stream_conv *l, const int8_t *input, int32_t top, uint32_t *columns) {
  const int32_t width = l->in_width, channels = l->in_channels, count = l->out_width + 2, step = 2 * count;
  const uint32_t zero = (uint32_t)(uint8_t)l->zero * 0x1010101u;
  const int8_t *rows[4];
  int32_t steps[4];
  uint32_t outside[1] = {zero};
  for (int32_t r = 0; r < 4; r++) {
    const int32_t inside = top + r >= 0 && top + r < l->in_height;
    rows[r] = inside ? input + (top + r) * width * channels : (const int8_t *)outside;
    steps[r] = inside ? channels : 0;
  }
  int32_t x = 0;
  for (; x < l->pad_left; x++, columns += 2) fill_column(columns, step, zero, zero, zero, zero);
  const int32_t stop = count < width + l->pad_left ? count : width + l->pad_left;
  const int8_t *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  if (steps[0] && steps[3])
    for (; x < stop; x++, columns += 2, a += channels, b += channels, c += channels, d += channels)
      fill_column(columns, step, nn_word(a), nn_word(b), nn_word(c), nn_word(d));
  else
    for (; x < stop; x++, columns += 2, a += steps[0], b += steps[1], c += steps[2], d += steps[3])
      fill_column(columns, step, nn_word(a), nn_word(b), nn_word(c), nn_word(d));
  for (; x < count; x++, columns += 2) fill_column(columns, step, zero, zero, zero, zero);
}

void nn_depthwise3x3_s8_dsp(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                            void *scratch) {
  const int32_t width = l->out_width, channels = l->out_channels, row = width * channels, step = 2 * (width + 2);
  uint32_t *columns = scratch;
  for (int32_t y = 0; y < l->out_height; y += 2, output += 2 * row) {
    const int32_t alone = y + 1 == l->out_height;
    const int32_t *stream = (const int32_t *)(const void *)weights;
    for (int32_t c = 0; c < channels; c += 4) {
      fill_rows(l, input + c, y - l->pad_top, columns);
      for (int32_t i = 0; i < 4; i++, stream += 7)
        nn_depthwise3x3_dsp_core(columns + i * step, stream, output + c + i, width, channels,
                                 alone ? 0 : row); /* the first row is written last */
    }
    nn_bounded(output, alone ? row : 2 * row, l->least, l->most);
  }
}
