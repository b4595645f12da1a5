/* Depth-wise convolution by 3 x 3 with stride 1, two products at once; channels in fours.
 * Two output rows are computed together: the four input rows of their windows are laid out for four channels as
 * [column][channel], each a word of rows 0 and 1 and a word of rows 2 and 3. So each column of a window takes four
 * multiplications for two outputs. The output may be the input: the row that the next two windows still need is saved, four
 * channels at a time. Scratch: 32 bytes for each of (width + 2) columns, and an input row. */
#include "nn_dsp.h"

#define PAIR(low, high) ((low & 0xffffu) | (high) << 16)
#define PAIR_OF_TOPS(low, high) ((low) >> 16 | (high & 0xffff0000u))

typedef struct {
  const int8_t *codes[4];
  int32_t step[4]; /* between columns; 0 where the row lies outside and one word stands for it */
  int32_t saved;   /* whether the first row lies in the scratch: [four channels][column] */
} four_rows;

/* Lay out a column: four channels of four rows. */
static inline void fill_column(uint32_t *to, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint32_t a0 = nn_sxtb16(a), a1 = nn_sxtb16_odd(a), b0 = nn_sxtb16(b), b1 = nn_sxtb16_odd(b);
  to[0] = PAIR(a0, b0), to[2] = PAIR(a1, b1), to[4] = PAIR_OF_TOPS(a0, b0), to[6] = PAIR_OF_TOPS(a1, b1);
  const uint32_t c0 = nn_sxtb16(c), c1 = nn_sxtb16_odd(c), d0 = nn_sxtb16(d), d1 = nn_sxtb16_odd(d);
  to[1] = PAIR(c0, d0), to[3] = PAIR(c1, d1), to[5] = PAIR_OF_TOPS(c0, d0), to[7] = PAIR_OF_TOPS(c1, d1);
}

static four_rows rows_from(const nn_stream_conv *l, const int8_t *input, int32_t top, const uint32_t *zero) {
  four_rows rows;
  for (int32_t r = 0; r < 4; r++, top++) {
    const int32_t inside = top >= 0 && top < l->in_height;
    rows.codes[r] = inside ? input + top * l->in_width * l->in_channels : (const int8_t *)zero;
    rows.step[r] = inside ? l->in_channels : 0;
  }
  return rows;
}

/* Lay out four channels of the columns inside the image, and save those of the row that the next windows begin with. */
static void fill_inside(const four_rows *rows, int32_t c, uint32_t *to, const uint32_t *end, uint32_t *saved) {
  const int8_t *p[4];
  for (int32_t r = 0; r < 4; r++) p[r] = rows->codes[r] + (rows->step[r] ? c : 0);
  const int8_t *b = p[1], *g = p[2], *d = p[3];
  const int32_t step = rows->step[1], third = rows->step[2], last = rows->step[3];
  if (rows->saved && third == step && last == step) {
    for (; to != end; to += 8, b += step, g += step, d += step) {
      const uint32_t above = *saved, below = nn_word(g);
      *saved++ = below;
      fill_column(to, above, nn_word(b), below, nn_word(d));
    }
  } else {
    const int8_t *a = rows->saved ? (const int8_t *)saved : p[0];
    const int32_t first = rows->saved ? 4 : rows->step[0];
    for (; to != end; to += 8, a += first, b += step, g += third, d += last) {
      const uint32_t above = nn_word(a), below = nn_word(g);
      *saved++ = below;
      fill_column(to, above, nn_word(b), below, nn_word(d));
    }
  }
}

void nn_depthwise3x3_s8_dsp(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                            void *scratch) {
  const int32_t width = l->out_width, channels = l->out_channels, row = width * channels;
  const uint32_t zero = (uint32_t)(uint8_t)l->zero * 0x1010101u;
  uint32_t *columns = scratch, *inside = columns + 8 * l->pad_left, *end = columns + 8 * (width + 2), *saved = end;
  if (end > inside + 8 * l->in_width) end = inside + 8 * l->in_width;
  for (int32_t x = 0; x < width + 2; x++) fill_column(columns + 8 * x, zero, zero, zero, zero);
  for (int32_t y = 0; y < l->out_height; y += 2, output += 2 * row) {
    const int32_t below = y + 1 < l->out_height ? row : 0; /* a last row alone: its first is written last */
    const int32_t *stream = (const int32_t *)(const void *)weights;
    four_rows rows = rows_from(l, input, y - l->pad_top, &zero);
    rows.saved = y > 0;
    for (int32_t c = 0; c < channels; c += 4) {
      fill_inside(&rows, c, inside, end, saved + c / 4 * l->in_width);
      for (int32_t i = 0; i < 4; i++, stream += 7)
        nn_depthwise3x3_dsp_core(columns + 2 * i, stream, output + c + i, width, channels, below);
    }
    nn_bounded(output, row + below, l->least, l->most);
  }
}
