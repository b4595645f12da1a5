/* Convolution by windows of any size and stride, two pixels in a word: see nn_pairs.h.
 * The windows of four output pixels are laid out as [value][two pixels], filled up to eight values, whose weights are 0. A
 * last block of less than four pixels computes pixels of the block before again.
 * Scratch: 8 bytes a value of the window so filled up, and 20 bytes or two rows of a window; four pixels of outputs where
 * there are less than four. */
#include "nn_pairs.h"

typedef struct {
  int32_t y, x;
} pixel;

static uint32_t pair(int32_t first, int32_t second) { return (uint32_t)first + ((uint32_t)second << 16); }

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

static uint32_t *fill_row(uint32_t *words, const int8_t *a, const int8_t *b, int32_t size) {
  for (const int8_t *end = a + (size & ~3); a != end; a += 4, b += 4, words += 8) {
    words[0] = pair(a[0], b[0]), words[2] = pair(a[1], b[1]);
    words[4] = pair(a[2], b[2]), words[6] = pair(a[3], b[3]);
  }
  for (int32_t i = 0; i < (size & 3); i++, words += 2) *words = pair(a[i], b[i]);
  return words;
}

static void fill_pair(const nn_stream_conv *l, const int8_t *input, const pixel *at, uint32_t *words, int8_t *rows) {
  const int32_t size = l->kernel_width * l->in_channels;
  for (int32_t ky = 0; ky < l->kernel_height; ky++) {
    const int8_t *a = row_codes(l, input, at[0].y + ky, at[0].x, rows);
    words = fill_row(words, a, row_codes(l, input, at[1].y + ky, at[1].x, rows + size), size);
  }
}

/* One pixel of the four, the others stay. */
static void fill_one(const nn_stream_conv *l, const int8_t *input, pixel at, uint32_t *words, int8_t *row, int32_t place) {
  const int32_t size = l->kernel_width * l->in_channels;
  words += place / 2;
  for (int32_t ky = 0; ky < l->kernel_height; ky++) {
    const int8_t *codes = row_codes(l, input, at.y + ky, at.x, row);
    for (int32_t i = 0; i < size; i++, words += 2) {
      const int32_t first = (int16_t)*words;
      *words = place & 1 ? pair(first, codes[i]) : pair(codes[i], nn_upper(*words - (uint32_t)first));
    }
  }
}

/* The last pixels of the four become the first. */
static void move_back(uint32_t *words, const uint32_t *end, int32_t count) {
  for (; words != end; words += 2) {
    int32_t codes[8] = {(int16_t)words[0], 0, (int16_t)words[1], 0, 0, 0, 0, 0};
    codes[1] = nn_upper(words[0] - (uint32_t)codes[0]), codes[3] = nn_upper(words[1] - (uint32_t)codes[2]);
    words[0] = pair(codes[count], codes[count + 1]), words[1] = pair(codes[count + 2], codes[count + 3]);
  }
}

/* What the weights' offset makes of each pixel's codes, less what the sums have too much. */
static void put_after(const uint32_t *window, uint32_t *end, int32_t offset) {
  const int32_t values = (int32_t)(end - window) / 2;
  const uint32_t halves = NN_HALF / 2 * (uint32_t)values;
  for (int32_t p = 0; p < 2; p++) {
    uint32_t both = 0, upper = 0;
    if (offset)
      for (const uint32_t *words = window + p; words < end;) {
        const uint32_t *last = end - words > 256 ? words + 256 : end + p;
        uint32_t sum = NN_HALF;
        for (; words != last; words += 2) sum += *words;
        both += sum - NN_HALF, upper += (uint32_t)nn_upper(sum);
      }
    end[2 * p] = (both - (upper << 16)) * (uint32_t)offset - halves;
    end[2 * p + 1] = upper * (uint32_t)offset;
  }
  end[4] = halves / 2;
}

void nn_conv_pairs(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch,
                   nn_pairs_core *core) {
  const int32_t row = l->kernel_width * l->in_channels, used = l->kernel_height * row, size = (used + 7) & ~7;
  const int32_t pixels = l->out_height * l->out_width, filters = l->out_channels;
  uint32_t *window = scratch, *end = window + 2 * size;
  int8_t *rows = (int8_t *)end, *spare = (int8_t *)(end + NN_AFTER);
  for (uint32_t *w = window + 2 * used; w != end; w++) *w = 0;
  for (int32_t at = 0, y = 0, x = 0; at < pixels; at += 4) {
    const int32_t count = pixels - at < 4 ? pixels - at : 4, again = at ? 4 - count : 0;
    pixel from[4];
    for (int32_t p = again; p < 4; p++) {
      from[p].y = y * l->stride_height - l->pad_top, from[p].x = x * l->stride_width - l->pad_left;
      if (at + p - again + 1 < pixels && ++x == l->out_width) x = 0, y++;
    }
    if (again) {
      move_back(window, end, count);
      for (int32_t p = again; p < 4; p++) fill_one(l, input, from[p], window, rows, p);
    } else {
      fill_pair(l, input, from, window, rows);
      fill_pair(l, input, from + 2, window + 1, rows);
    }
    put_after(window, end, l->weight_offset);
    const int32_t done = (count + again) * filters;
    output -= again * filters;
    core(window, (const int32_t *)(const void *)weights, end, pixels < 4 ? spare : output, filters, filters);
    if (pixels < 4) __builtin_memcpy(output, spare, (size_t)done);
    nn_bounded(output, done, l->least, l->most);
    output += done;
  }
}
