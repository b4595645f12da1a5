/* Depth-wise convolution by 3 x 3 of any stride, one product at a time.
 * Three rows of the image are kept with their padding, so that no window asks where it lies. Stream: see nn_words.h; a
 * channel's taps are bytes [column][row], a word a column. Scratch: three rows of the columns that windows reach. */
#include "nn_words.h"

static void fill_row(const nn_stream_conv *l, const int8_t *input, int32_t y, int8_t *row, int32_t columns) {
  const int32_t channels = l->in_channels, before = l->pad_left * channels, size = columns * channels;
  int32_t width = 0;
  if (y >= 0 && y < l->in_height) {
    width = l->in_width * channels < size - before ? l->in_width * channels : size - before;
    __builtin_memcpy(row + before, input + y * l->in_width * channels, (size_t)width);
    for (int32_t i = 0; i < before; i++) row[i] = l->zero;
  }
  for (int32_t i = width ? before + width : 0; i < size; i++) row[i] = l->zero;
}

#define SUM(stream) \
  const int8_t *taps = (const int8_t *)((stream) + 1); \
  int32_t sum = (stream)[0]; \
  sum += a[0] * taps[0] + b[0] * taps[1] + c[0] * taps[2]; \
  sum += a[channels] * taps[4] + b[channels] * taps[5] + c[channels] * taps[6]; \
  sum += a[next] * taps[8] + b[next] * taps[9] + c[next] * taps[10]

static void window_codes(const nn_stream_conv *l, const int32_t *stream, int8_t *rows[3], int32_t at, int8_t *output) {
  const int32_t channels = l->in_channels, next = 2 * channels;
  const int8_t *a = rows[0] + at, *b = rows[1] + at, *c = rows[2] + at;
  for (const int8_t *last = output + channels; output != last; stream += 7, a++, b++, c++) {
    SUM(stream);
    *output++ = nn_stream_code(sum, stream + 4);
  }
}

/* The same where weights have an offset: one requantisation stands before all filters. */
static void offset_codes(const nn_stream_conv *l, const int32_t *words, int8_t *rows[3], int32_t at, int8_t *output) {
  const int32_t channels = l->in_channels, next = 2 * channels, offset = l->weight_offset;
  const int32_t copy[3] = {words[0], words[1], words[2]}, *stream = words + 3;
  const int8_t *a = rows[0] + at, *b = rows[1] + at, *c = rows[2] + at;
  for (const int8_t *last = output + channels; output != last; stream += 4, a++, b++, c++) {
    SUM(stream);
    const int32_t left = a[0] + b[0] + c[0], right = a[next] + b[next] + c[next];
    sum += offset * (left + a[channels] + b[channels] + c[channels] + right);
    *output++ = nn_stream_code(sum, copy);
  }
}

void nn_depthwise3x3_s8(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                        void *scratch) {
  const int32_t columns = (l->out_width - 1) * l->stride_width + 3, channels = l->in_channels;
  int8_t *rows[3], *first = output;
  for (int32_t r = 0; r < 3; r++) rows[r] = (int8_t *)scratch + r * columns * channels;
  for (int32_t y = 0, filled = -l->pad_top; y < l->out_height; y++) {
    const int32_t top = y * l->stride_height - l->pad_top;
    for (; filled < top + 3; filled++) {
      int8_t *oldest = rows[0];
      rows[0] = rows[1], rows[1] = rows[2], rows[2] = oldest;
      fill_row(l, input, filled, oldest, columns);
    }
    for (int32_t x = 0, at = 0; x < l->out_width; x++, at += l->stride_width * channels, output += channels) {
      const int32_t *stream = (const int32_t *)(const void *)weights;
      if (l->shared) offset_codes(l, stream, rows, at, output);
      else window_codes(l, stream, rows, at, output);
    }
  }
  nn_bounded(first, (int32_t)(output - first), l->least, l->most);
}
