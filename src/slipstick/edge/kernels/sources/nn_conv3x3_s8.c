/* Convolution by 3 x 3 with stride 1, one filter at a time: cores with few registers. See nn_conv3x3_words.c. */
#include "nn_words.h"

void nn_conv3x3_s8(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  nn_conv3x3_words(l, weights, input, output, scratch, nn_conv3x3_core);
}
