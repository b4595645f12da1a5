/* Dense layer, one product at a time. */
#include "nn_quad_plain.h"

void nn_dense_s8_plain(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (int32_t row = 0; row < l->in_height; row++, input += l->in_channels, output += l->out_channels)
    nn_connect(l, weights, input, l->in_channels, output, nn_quad_plain, nn_dense_code);
}
