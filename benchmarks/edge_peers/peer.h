/* One struct of a layer for the drivers of both vendors' libraries; arrays have 32 bits, as both want them. */
#ifndef PEER_H
#define PEER_H
#include <stdint.h>

typedef struct {
  int32_t in_height, in_width, in_channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  int32_t stride_height, stride_width, dilation_height, dilation_width, pad_top, pad_left, input_offset;
  int32_t output_offset, least, most;
  const int32_t *bias, *multiplier, *shift;
} peer_conv;

typedef struct {
  int32_t size, a_offset, b_offset, multiplier[3], shift[3], output_offset, least, most;
} peer_add;

void cmsis_conv(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void cmsis_depthwise(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void cmsis_add(const peer_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch);
int32_t cmsis_conv_scratch(const peer_conv *l);
void espnn_conv(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void espnn_depthwise(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void espnn_add(const peer_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch);
#endif
