/* Calls of CMSIS-NN's wrappers, which choose their fastest function for a shape. */
#include "arm_nnfunctions.h"
#include "peer.h"

void cmsis_conv(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const cmsis_nn_conv_params params = {l->input_offset, l->output_offset, {l->stride_width, l->stride_height},
      {l->pad_left, l->pad_top}, {l->dilation_width, l->dilation_height}, {l->least, l->most}};
  const cmsis_nn_per_channel_quant_params quant = {(int32_t *)l->multiplier, (int32_t *)l->shift};
  const cmsis_nn_dims in = {1, l->in_height, l->in_width, l->in_channels};
  const cmsis_nn_dims filter = {l->out_channels, l->kernel_height, l->kernel_width, l->in_channels};
  const cmsis_nn_dims bias = {l->out_channels, 1, 1, 1}, out = {1, l->out_height, l->out_width, l->out_channels};
  const cmsis_nn_context context = {scratch, arm_convolve_wrapper_s8_get_buffer_size(&params, &in, &filter, &out)};
  arm_convolve_wrapper_s8(&context, &params, &quant, &in, input, &filter, weights, &bias, l->bias, &out, output);
}

void cmsis_depthwise(const peer_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch) {
  const cmsis_nn_dw_conv_params params = {l->input_offset, l->output_offset, l->out_channels / l->in_channels,
      {l->stride_width, l->stride_height}, {l->pad_left, l->pad_top}, {l->dilation_width, l->dilation_height},
      {l->least, l->most}};
  const cmsis_nn_per_channel_quant_params quant = {(int32_t *)l->multiplier, (int32_t *)l->shift};
  const cmsis_nn_dims in = {1, l->in_height, l->in_width, l->in_channels};
  const cmsis_nn_dims filter = {1, l->kernel_height, l->kernel_width, l->out_channels};
  const cmsis_nn_dims bias = {l->out_channels, 1, 1, 1}, out = {1, l->out_height, l->out_width, l->out_channels};
  const cmsis_nn_context context = {scratch, arm_depthwise_conv_wrapper_s8_get_buffer_size(&params, &in, &filter, &out)};
  arm_depthwise_conv_wrapper_s8(&context, &params, &quant, &in, input, &filter, weights, &bias, l->bias, &out, output);
}

void cmsis_add(const peer_add *l, const int8_t *a, const int8_t *b, int8_t *output, void *scratch) {
  (void)scratch;
  arm_elementwise_add_s8(a, b, l->a_offset, l->multiplier[0], l->shift[0], l->b_offset, l->multiplier[1], l->shift[1],
      20, output, l->output_offset, l->multiplier[2], l->shift[2], l->least, l->most, l->size);
}
