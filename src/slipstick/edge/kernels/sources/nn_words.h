/* Convolutions on cores that multiply one pair of numbers at once: windows of 32-bit words. Streams: see nn_dsp.h. */
#ifndef SLIPSTICK_NN_WORDS_H
#define SLIPSTICK_NN_WORDS_H

#include "nn_dsp.h"

/* All filters at four neighbouring output pixels; `end` is the end of the window, outputs lie `stride` apart. */
typedef void nn_words_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output,
                           int32_t filters, int32_t stride);
nn_words_core nn_conv_core, nn_conv3x3_long_core;

void nn_conv_words(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch,
                   nn_words_core *core);
void nn_conv_s8_words(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch);
void nn_depthwise3x3_s8(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                        void *scratch);
void nn_depthwise_s8_valid(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                           void *scratch);
void nn_conv3x3_s8_long(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                        void *scratch);

#endif
