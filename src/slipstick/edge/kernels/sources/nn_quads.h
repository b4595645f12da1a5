/* Layers of which each filter sees the whole input of a row: dense layers, and convolutions over one pixel. Four filters
 * share the loads of codes. Stream: the words of requantisation if all filters share them; then for four filters their
 * biases, their weights, which alternate, and their words of requantisation. No scratch. */
#ifndef SLIPSTICK_NN_QUADS_H
#define SLIPSTICK_NN_QUADS_H

#include "nn_dsp.h"

/* Adds four filters' products with `count` codes to their sums, and returns the end of their weights. */
typedef const int32_t *nn_quad_products(const int8_t *codes, int32_t count, const int32_t *weights, int32_t *sums);
typedef int8_t nn_quad_code(int32_t sum, const int32_t *words);

/* Code of a dense layer's sum, which is rounded once: words are multiplier, rounding and the shift of the product's upper
 * half to the right. A shift of 0 stands for any other of the whole product: it is in the upper half of the second word,
 * and the output's offset in the lower. */
static inline int8_t nn_dense_code(int32_t sum, const int32_t *words) {
  if (words[2]) return (int8_t)nn_ssat8(((int32_t)((int64_t)sum * words[0] >> 32) + words[1]) >> words[2]);
  return (int8_t)nn_ssat8(nn_scaled_once(sum, words[0], words[1] >> 16) + (int16_t)words[1]);
}

static inline void nn_connect(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int32_t count,
                              int8_t *output, nn_quad_products *products, nn_quad_code *code) {
  const int32_t *stream = (const int32_t *)(const void *)weights, *words = stream, filters = l->out_channels;
  int32_t offset = 0;
  if (l->shared) stream += 3;
  if (l->weight_offset)
    for (int32_t i = 0; i < count; i++) offset += l->weight_offset * input[i];
  for (int32_t f = 0; f < filters; f += 4) {
    int32_t sums[4] = {stream[0] + offset, stream[1] + offset, stream[2] + offset, stream[3] + offset};
    stream = products(input, count, stream + 4, sums);
    if (!l->shared) words = stream, stream += 12;
    for (int32_t i = 0; i < 4 && f + i < filters; i++) output[f + i] = code(sums[i], l->shared ? words : words + 3 * i);
  }
  nn_bounded(output, filters, l->least, l->most);
}

void nn_dense_s8_dsp(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                     void *scratch);
void nn_dense_s8_plain(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                       void *scratch);
void nn_conv_s8_point_dsp(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                          void *scratch);
void nn_conv_s8_point(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch);

#endif
