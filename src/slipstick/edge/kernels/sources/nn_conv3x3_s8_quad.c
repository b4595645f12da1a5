/* Convolution by 3 x 3 with stride 1, four filters at a time: cores with many registers. See nn_conv3x3_words.c. */
#include "nn_words.h"

void nn_conv3x3_s8_quad(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                        void *scratch) {
  nn_conv3x3_words(l, weights, input, output, scratch, nn_conv3x3_quad_core);
}
