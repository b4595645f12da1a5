/* Convolution with one output pixel, whose window is the whole input, one product at a time. */
#include "nn_quad_plain.h"

void nn_conv_s8_point(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  nn_connect(l, weights, input, l->in_height * l->in_width * l->in_channels, output, nn_quad_plain, nn_stream_code);
}
