/* Convolution of any window, four filters at a time: cores with many registers. See nn_conv_pairs.c. */
#include "nn_pairs.h"

void nn_conv_s8_pairs_quad(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                           void *scratch) {
  nn_conv_pairs(l, weights, input, output, scratch, nn_conv_pairs_quad_core);
}
