/* Convolution of any window, one filter at a time: cores with few registers. See nn_conv_words.c. */
#include "nn_words.h"

void nn_conv_s8_words(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch) {
  nn_conv_words(l, weights, input, output, scratch, nn_conv_core);
}
