/* Layers with packed weights, unpacked one filter at a time. */
#include "nn_unpack.h"

static int32_t row_product(const int8_t *weights, const int8_t *input, int32_t count, int32_t offset) {
  int32_t sum = 0;
  for (; count >= 4; count -= 4, input += 4, weights += 4) {
    sum += (input[0] + offset) * weights[0] + (input[1] + offset) * weights[1];
    sum += (input[2] + offset) * weights[2] + (input[3] + offset) * weights[3];
  }
  for (; count > 0; count--) sum += (*input++ + offset) * *weights++;
  return sum;
}

static int32_t window_product(const nn_conv *c, const int8_t *weights, const int8_t *input, int32_t top, int32_t left) {
  int32_t sum = 0;
  for (int32_t ky = 0; ky < c->kernel_height; ky++)
    for (int32_t kx = 0; kx < c->kernel_width; kx++, weights += c->in_channels) {
      const int32_t y = top + ky * c->dilation_height, x = left + kx * c->dilation_width;
      if (y < 0 || y >= c->in_height || x < 0 || x >= c->in_width) continue;
      sum += row_product(weights, input + (y * c->in_width + x) * c->in_channels, c->in_channels, c->input_offset);
    }
  return sum;
}

static void convolve(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch,
                     nn_unpacker *unpack) {
  const nn_conv *c = &l->conv;
  int8_t *const weights = scratch;
  nn_bits r = {(const uint8_t *)codes, 0, 0};
  for (int32_t f = 0; f < c->out_channels; f++) {
    unpack(l, &r, weights, c->kernel_height * c->kernel_width * c->in_channels);
    int8_t *to = output + f;
    for (int32_t y = 0; y < c->out_height; y++)
      for (int32_t x = 0; x < c->out_width; x++, to += c->out_channels) {
        const int32_t top = y * c->stride_height - c->pad_top, left = x * c->stride_width - c->pad_left;
        *to = nn_code(&c->requant, f, window_product(c, weights, input, top, left));
      }
  }
}

static void connect(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch,
                    nn_unpacker *unpack) {
  const nn_conv *c = &l->conv;
  const nn_requant *q = &c->requant;
  int8_t *const weights = scratch;
  nn_bits r = {(const uint8_t *)codes, 0, 0};
  for (int32_t f = 0; f < c->out_channels; f++) {
    unpack(l, &r, weights, c->in_channels);
    for (int32_t row = 0; row < c->in_height; row++) {
      const int32_t sum = row_product(weights, input + row * c->in_channels, c->in_channels, c->input_offset);
      const int32_t code = nn_scaled_once(sum + q->bias[f], q->multiplier[f], q->shift[f]) + q->output_offset;
      output[row * c->out_channels + f] = nn_clamped(code, q->least, q->most);
    }
  }
}

void nn_conv_pool(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  convolve(l, codes, input, output, scratch, nn_unpack_pool);
}

void nn_conv_int4(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  convolve(l, codes, input, output, scratch, nn_unpack_int4);
}

void nn_conv_swis(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  convolve(l, codes, input, output, scratch, nn_unpack_swis);
}

void nn_dense_pool(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  connect(l, codes, input, output, scratch, nn_unpack_pool);
}

void nn_dense_int4(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  connect(l, codes, input, output, scratch, nn_unpack_int4);
}

void nn_dense_swis(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {
  connect(l, codes, input, output, scratch, nn_unpack_swis);
}
