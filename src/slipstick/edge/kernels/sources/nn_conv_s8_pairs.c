/* Convolution of any window, one filter at a time: cores with few registers. See nn_conv_pairs.c. */
#include "nn_pairs.h"

void nn_conv_s8_pairs(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch) {
  nn_conv_pairs(l, weights, input, output, scratch, nn_conv_pairs_core);
}
