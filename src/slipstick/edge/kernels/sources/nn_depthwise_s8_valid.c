/* Depth-wise convolution by windows of any size that lie inside the image, four channels at a time. Stream of four
 * channels: their biases; for each tap four weights as bytes; their requantisation. No scratch. */
#include "nn_words.h"

void nn_depthwise_s8_valid(const nn_stream_conv *l, const int8_t *weights, const int8_t *input, int8_t *output,
                           void *scratch) {
  (void)scratch;
  const int32_t channels = l->in_channels, row = l->in_width * channels;
  const int32_t line = l->kernel_width == 1; /* the rows are the inner loop */
  const int32_t rows = line ? 1 : l->kernel_height, columns = line ? l->kernel_height : l->kernel_width;
  const int32_t step = line ? row : channels, next = row - columns * step;
  int8_t *first = output;
  for (int32_t y = 0; y < l->out_height; y++)
    for (int32_t x = 0; x < l->out_width; x++) {
      const int8_t *corner = input + y * l->stride_height * row + x * l->stride_width * channels;
      const int32_t *stream = (const int32_t *)(const void *)weights;
      for (const int8_t *last = output + channels; output != last; output += 4, corner += 4) {
        int32_t sum0 = stream[0], sum1 = stream[1], sum2 = stream[2], sum3 = stream[3];
        const int8_t *taps = (const int8_t *)(stream + 4), *codes = corner;
        for (int32_t ky = 0; ky < rows; ky++, codes += next)
          for (int32_t kx = columns; kx > 0; kx--, codes += step, taps += 4)
            sum0 += codes[0] * taps[0], sum1 += codes[1] * taps[1], sum2 += codes[2] * taps[2], sum3 += codes[3] * taps[3];
        const int32_t *words = (const int32_t *)(const void *)taps;
        output[0] = nn_stream_code(sum0, words);
        output[1] = nn_stream_code(sum1, words + 3);
        output[2] = nn_stream_code(sum2, words + 6);
        output[3] = nn_stream_code(sum3, words + 9);
        stream = words + 12;
      }
    }
  nn_bounded(first, (int32_t)(output - first), l->least, l->most);
}
