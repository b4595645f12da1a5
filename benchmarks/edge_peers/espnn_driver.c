/* Calls of esp-nn's optimised functions for cores without its own instructions (ESP32-C3). */
#include "esp_nn_defs.h"

#include "esp_nn_ansi_headers.h"
#include "peer.h"

void espnn_conv(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const conv_params_t params = {l->input_offset, l->output_offset, {l->stride_width, l->stride_height},
      {l->pad_left, l->pad_top}, {l->dilation_width, l->dilation_height}, {l->least, l->most}};
  const quant_data_t quant = {(int32_t *)l->shift, (int32_t *)l->multiplier};
  const data_dims_t in = {l->in_width, l->in_height, l->in_channels, 1};
  const data_dims_t filter = {l->kernel_width, l->kernel_height, l->in_channels, l->out_channels};
  const data_dims_t out = {l->out_width, l->out_height, l->out_channels, 1};
  esp_nn_set_conv_scratch_buf_opt(scratch);
  esp_nn_conv_s8_opt(&in, input, &filter, weights, l->bias, &out, output, &params, &quant);
}

void espnn_depthwise(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const dw_conv_params_t params = {l->input_offset, l->output_offset, l->out_channels / l->in_channels,
      {l->stride_width, l->stride_height}, {l->pad_left, l->pad_top}, {l->dilation_width, l->dilation_height},
      {l->least, l->most}};
  const quant_data_t quant = {(int32_t *)l->shift, (int32_t *)l->multiplier};
  const data_dims_t in = {l->in_width, l->in_height, l->in_channels, 1};
  const data_dims_t filter = {l->kernel_width, l->kernel_height, l->out_channels, 1};
  const data_dims_t out = {l->out_width, l->out_height, l->out_channels, 1};
  esp_nn_set_depthwise_conv_scratch_buf_opt(scratch);
  esp_nn_depthwise_conv_s8_opt(&in, input, &filter, weights, l->bias, &out, output, &params, &quant);
}

void espnn_add(const peer_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch) {
  (void)scratch;
  esp_nn_add_elementwise_s8_ansi(a, b, l->a_offset, l->b_offset, l->multiplier[0], l->multiplier[1], l->shift[0],
      l->shift[1], 20, output, l->output_offset, l->multiplier[2], l->shift[2], l->least, l->most, l->size);
}
