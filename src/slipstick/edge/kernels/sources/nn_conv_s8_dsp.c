/* Convolution by windows of any size and stride, two products at once.
 * The windows of four output pixels are laid out as [pair of values][pixel], words of two 16-bit codes, and read by all
 * filters. Each row of a window is filled up to four values, the whole to eight; weights and codes there are 0. Behind
 * the window stand four words: the products of each pixel's codes with the weights' offset. A last block of less than
 * four pixels computes pixels of the block before again.
 * Scratch: 8 bytes a value of the window so filled up, and a row of it or 16 bytes; four pixels of outputs where there
 * are less than four. */
#include "nn_dsp.h"

/* Return a row of a window: in the image, or put together in `row` where a part of it lies outside. */
static const int8_t *row_codes(const nn_stream_conv *l, const int8_t *input, int32_t y, int32_t x, int8_t *row) {
  const int32_t channels = l->in_channels, width = l->in_width, inside = y >= 0 && y < l->in_height;
  const int8_t *codes = input + (y * width + x) * channels;
  if (inside && x >= 0 && x + l->kernel_width <= width) return codes;
  for (int32_t kx = 0; kx < l->kernel_width; kx++)
    for (int32_t c = 0; c < channels; c++)
      row[kx * channels + c] = inside && x + kx >= 0 && x + kx < width ? codes[kx * channels + c] : l->zero;
  return row;
}

static inline uint32_t *fill_four(uint32_t *window, uint32_t four) {
  window[0] = nn_sxtb16(four);
  window[4] = nn_sxtb16_odd(four);
  return window + 8;
}

/* `last` is the last place in the input from which four codes may be read. */
static uint32_t *fill_row(uint32_t *window, const int8_t *codes, int32_t size, const int8_t *last) {
  const int8_t *end = codes + (size & ~7);
  for (; codes != end; codes += 8) window = fill_four(fill_four(window, nn_word(codes)), nn_word(codes + 4));
  if (size & 4) window = fill_four(window, nn_word(codes)), codes += 4;
  if (size & 3) {
    uint32_t four = 0;
    if (codes <= last) four = nn_word(codes) & ((1u << 8 * (size & 3)) - 1);
    else __builtin_memcpy(&four, codes, (size_t)(size & 3));
    window = fill_four(window, four);
  }
  return window;
}

static void put_offsets(const uint32_t *window, uint32_t *end, int32_t offset) {
  const uint32_t ones = 0x10001u;
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  if (offset)
    for (; window != end; window += 4) {
      const uint64_t left = nn_words(window), right = nn_words(window + 2);
      sum0 = nn_smlad((uint32_t)left, ones, sum0), sum1 = nn_smlad((uint32_t)(left >> 32), ones, sum1);
      sum2 = nn_smlad((uint32_t)right, ones, sum2), sum3 = nn_smlad((uint32_t)(right >> 32), ones, sum3);
    }
  end[0] = (uint32_t)(offset * sum0), end[1] = (uint32_t)(offset * sum1);
  end[2] = (uint32_t)(offset * sum2), end[3] = (uint32_t)(offset * sum3);
}

void nn_conv_s8_dsp(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t row = (l->kernel_width * l->in_channels + 3) & ~3, size = (l->kernel_height * row + 7) & ~7;
  const int32_t pixels = l->out_height * l->out_width, filters = l->out_channels;
  uint32_t *window = scratch, *end = window + 2 * size;
  int8_t *spare = (int8_t *)end + (row < 16 ? 16 : row);
  const int32_t used = l->kernel_width * l->in_channels;
  const int8_t *last = input + l->in_height * l->in_width * l->in_channels - 4;
  for (int32_t i = 1; i <= 8; i++) end[-i] = 0; /* what no row reaches */
  for (int32_t at = 0, y = 0, x = 0; at < pixels; at += 4) {
    const int32_t count = pixels - at < 4 ? pixels - at : 4, again = at ? 4 - count : 0;
    if (again)
      for (uint32_t *w = window; w != end; w += 4)
        for (int32_t p = 0; p < again; p++) w[p] = w[p + count];
    for (int32_t p = again; p < 4; p++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      uint32_t *words = window + p;
      for (int32_t ky = 0; ky < l->kernel_height; ky++)
        words = fill_row(words, row_codes(l, input, top + ky, left, (int8_t *)end), used, last);
      if (at + p - again + 1 < pixels && ++x == l->out_width) x = 0, y++;
    }
    put_offsets(window, end, l->weight_offset);
    const int32_t done = (count + again) * filters;
    output -= again * filters;
    nn_conv_dsp_core(window, (const int32_t *)(const void *)weights, end, pixels < 4 ? spare : output, filters, filters);
    if (pixels < 4) __builtin_memcpy(output, spare, (size_t)done);
    nn_bounded(output, done, l->least, l->most);
    output += done;
  }
}
