/* Convolutions with packed weights by a kernel of int8 weights: its stream is put together in the scratch, then it
 * computes. Channels are a multiple of eight, so that its weights are in the order of the file. Biases hold the products
 * of the input's offset, as in a stream.
 * Scratch: 16 bytes a filter and all weights, then what the kernel takes. */
#ifndef NN_PACKED_STREAM_H
#define NN_PACKED_STREAM_H
#include "nn_dsp.h"
#include "nn_unpack.h"

typedef void nn_stream_kernel(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                              void *scratch);

/* Three words of requantisation: see nn_dsp.h. */
static inline void nn_put_requant(const nn_requant *q, int32_t f, int32_t *words) {
  const int32_t right = q->shift[f] < 0 ? -q->shift[f] : 0, left = q->shift[f] > 0 ? q->shift[f] : 0;
  words[0] = (int32_t)((uint32_t)q->multiplier[f] << 1);
  words[1] = right ? ((1 << right) >> 1) + nn_left(q->output_offset, right) : left << 16 | (q->output_offset & 0xffff);
  words[2] = right;
}

/* Stream of all filters; one whose multiplier is 0 gets no weights, and its bias is its code. Returns its end. */
static inline int32_t *nn_put_stream(const nn_packed_conv *l, const uint8_t *codes, int32_t *stream, nn_unpacker *unpack) {
  const nn_conv *c = &l->conv;
  const int32_t count = c->kernel_height * c->kernel_width * c->in_channels;
  nn_bits bits = {codes, 0, 0};
  for (int32_t f = 0; f < c->out_channels; f++) {
    int8_t *const weights = (int8_t *)(stream + 1);
    unpack(l, &bits, weights, count);
    stream[0] = c->requant.bias[f];
    if (c->requant.multiplier[f] == 0)
      for (int32_t i = 0; i <= count / 4; i++) stream[i] = 0;
    stream += 1 + count / 4;
    nn_put_requant(&c->requant, f, stream);
    if (c->requant.multiplier[f] == 0) stream[1] = c->requant.bias[f] & 0xffff;
    stream += 3;
  }
  return stream;
}

static inline void nn_convolve_packed(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch,
                                      nn_unpacker *unpack, nn_stream_kernel *kernel) {
  const nn_conv *c = &l->conv;
  const nn_stream_conv layer = {
      c->in_height, c->in_width, c->in_channels, c->out_height, c->out_width, c->out_channels,
      c->kernel_height, c->kernel_width, c->stride_height, c->stride_width, c->pad_top, c->pad_left,
      (int8_t)-c->input_offset, c->requant.least, c->requant.most, 0, 0};
  int32_t *const end = nn_put_stream(l, (const uint8_t *)codes, scratch, unpack);
  kernel(&layer, scratch, input, output, end);
}

#define NN_PACKED_KERNEL(name, unpack, kernel)                                                                        \
  void name(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch) {       \
    nn_convolve_packed(l, codes, input, output, scratch, unpack, kernel);                                             \
  }

#endif
