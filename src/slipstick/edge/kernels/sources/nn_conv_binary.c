/* Binary layers: a product of signs is an exclusive or, their sum a count of bits. */
#include "nn_packed.h"

static int32_t count_bits(uint32_t word) {
  word -= (word >> 1) & 0x55555555u;
  word = (word & 0x33333333u) + ((word >> 2) & 0x33333333u);
  return (int32_t)(((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24);
}

static void pack_rows(const int8_t *input, uint32_t *rows, int32_t count, int32_t channels, int32_t offset) {
  for (; count > 0; count--)
    for (int32_t c = 0; c < channels; c += 32) {
      uint32_t word = 0;
      for (int32_t i = c; i < channels && i < c + 32; i++) word |= (uint32_t)(*input++ + offset > 0) << (i - c);
      *rows++ = word;
    }
}

/* Number of signs that differ. */
static int32_t different(const uint32_t *weights, const uint32_t *input, int32_t words) {
  int32_t count = 0;
  for (; words > 0; words--) count += count_bits(*weights++ ^ *input++);
  return count;
}

static int32_t window_product(const nn_conv *l, const uint32_t *weights, const uint32_t *rows, int32_t top, int32_t left) {
  const int32_t words = (l->in_channels + 31) >> 5;
  int32_t sum = 0;
  for (int32_t ky = 0; ky < l->kernel_height; ky++)
    for (int32_t kx = 0; kx < l->kernel_width; kx++, weights += words) {
      const int32_t y = top + ky * l->dilation_height, x = left + kx * l->dilation_width;
      if (y < 0 || y >= l->in_height || x < 0 || x >= l->in_width) continue;
      sum += l->in_channels - 2 * different(weights, rows + (y * l->in_width + x) * words, words);
    }
  return sum;
}

void nn_conv_binary(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t size = l->kernel_height * l->kernel_width * ((l->in_channels + 31) >> 5);
  const uint32_t *const signs = (const uint32_t *)(const void *)weights;
  uint32_t *const rows = scratch;
  pack_rows(input, rows, l->in_height * l->in_width, l->in_channels, l->input_offset);
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int32_t top = y * l->stride_height - l->pad_top, left = x * l->stride_width - l->pad_left;
      for (int32_t f = 0; f < l->out_channels; f++)
        *output++ = nn_code(&l->requant, f, window_product(l, signs + f * size, rows, top, left));
    }
}

void nn_dense_binary(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t words = (l->in_channels + 31) >> 5;
  const nn_requant *q = &l->requant;
  const uint32_t *const signs = (const uint32_t *)(const void *)weights;
  uint32_t *const rows = scratch;
  pack_rows(input, rows, l->in_height, l->in_channels, l->input_offset);
  for (int32_t row = 0; row < l->in_height; row++)
    for (int32_t f = 0; f < l->out_channels; f++) {
      const int32_t sum = l->in_channels - 2 * different(signs + f * words, rows + row * words, words);
      const int32_t code = nn_scaled_once(sum + q->bias[f], q->multiplier[f], q->shift[f]) + q->output_offset;
      *output++ = nn_clamped(code, q->least, q->most);
    }
}
