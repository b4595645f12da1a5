/* Two products of 16 bits at once, where the core has them; on other cores the same results in plain C (for tests).
 * Streams: constants of all filters in the order in which a core reads them. Behind the weights of a filter follow
 * twice the multiplier less 2^32, rounding, and shift to the right:
 *   high = sum + upper half of (sum * word + 2^31), code = (high + (high < 0 ? -1 : 0) + rounding) >> shift
 * where rounding holds the output's offset too. A shift of 0 stands for one to the left, of the sum: rounding holds it
 * in its upper half, and the output's offset in its lower. Sums start at a bias that holds the products of the input's
 * offset; outside the image stands the input's zero point. */
#ifndef SLIPSTICK_NN_DSP_H
#define SLIPSTICK_NN_DSP_H

#include "nn.h"

typedef struct {
  uint16_t in_height, in_width, in_channels, out_height, out_width, out_channels;
  uint8_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left;
  int8_t zero, least, most, weight_offset;
  uint8_t shared; /* whether one requantisation stands before all filters, not one behind each: depth-wise, dense */
} nn_stream_conv;

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>
static inline int32_t nn_smlad(uint32_t a, uint32_t b, int32_t sum) {
  return (int32_t)__smlad((int16x2_t)a, (int16x2_t)b, sum);
}
static inline uint32_t nn_sxtb16(uint32_t a) { return (uint32_t)__sxtb16((int8x4_t)a); }
static inline int32_t nn_ssat8(int32_t a) { /* gcc's __ssat converts signs without saying so */
  int32_t code;
  __asm__("ssat %0, #8, %1" : "=r"(code) : "r"(a));
  return code;
}
#else
static inline int32_t nn_smlad(uint32_t a, uint32_t b, int32_t sum) {
  return sum + (int16_t)a * (int16_t)b + (int16_t)(a >> 16) * (int16_t)(b >> 16);
}
static inline uint32_t nn_sxtb16(uint32_t a) {
  return ((uint32_t)(int32_t)(int8_t)a & 0xffffu) | (uint32_t)(int32_t)(int8_t)(a >> 16) << 16;
}
static inline int32_t nn_ssat8(int32_t a) { return a < -128 ? -128 : a > 127 ? 127 : a; }
#endif

/* Bytes 1 and 3, with their signs. */
static inline uint32_t nn_sxtb16_odd(uint32_t a) { return nn_sxtb16(a >> 8 | a << 24); }

static inline uint32_t nn_word(const void *at) {
  uint32_t word;
  __builtin_memcpy(&word, at, 4);
  return word;
}

/* Two words that lie on four bytes. */
static inline uint64_t nn_words(const uint32_t *at) {
  uint64_t words;
  __builtin_memcpy(&words, __builtin_assume_aligned(at, 4), 8);
  return words;
}

/* Upper half of twice a product, by a stream's first word. */
static inline int32_t nn_stream_product(int32_t sum, int32_t word) {
#if defined(__thumb__) && !defined(__thumb2__) /* products of 16 bits: there is no longer one */
  const int32_t low = (int32_t)((uint32_t)sum & 0xffffu), high = sum >> 16;
  const int32_t word_low = (int32_t)((uint32_t)word & 0xffffu), word_high = word >> 16;
  const int32_t middle = high * word_low + (int32_t)(((uint32_t)low * (uint32_t)word_low) >> 16);
  const int32_t rest = low * word_high + (middle & 0xffff);
  return high * word_high + (middle >> 16) + ((rest + 0x8000) >> 16) + sum;
#else
  return (int32_t)(((int64_t)sum * word + (INT64_C(1) << 31)) >> 32) + sum;
#endif
}

/* Code of a sum by a stream's three words. */
static inline int8_t nn_stream_code(int32_t sum, const int32_t *words) {
  if (words[2]) {
    const int32_t high = nn_stream_product(sum, words[0]);
    return (int8_t)nn_ssat8((high + (high >> 31) + words[1]) >> words[2]);
  }
  return (int8_t)nn_ssat8(nn_stream_product(nn_left(sum, words[1] >> 16), words[0]) + (int16_t)words[1]);
}

/* Codes of the sums of four pixels, by a stream's three words, to outputs that lie `stride` apart. */
static inline void nn_stream_codes(int32_t sum0, int32_t sum1, int32_t sum2, int32_t sum3, const int32_t *words,
                                   int8_t *output, int32_t stride) {
  const int32_t copy[3] = {words[0], words[1], words[2]}; /* read once: outputs may lie anywhere */
  const int8_t code0 = nn_stream_code(sum0, copy), code1 = nn_stream_code(sum1, copy);
  const int8_t code2 = nn_stream_code(sum2, copy), code3 = nn_stream_code(sum3, copy);
  output[0] = code0;
  output[stride] = code1;
  output[2 * stride] = code2;
  output[3 * stride] = code3;
}

/* The fused activation's bounds, where they are narrower than eight bits. */
static inline void nn_bounded(int8_t *codes, int32_t count, int32_t least, int32_t most) {
  if (least == INT8_MIN && most == INT8_MAX) return;
  for (int32_t i = 0; i < count; i++) codes[i] = nn_clamped(codes[i], least, most);
}

/* Cores: all filters at four neighbouring output pixels; `end` is the end of the window, outputs lie `stride` apart. At
 * the end of a window of any size stand four words that each filter's sums of the pixels begin with, beside the bias. */
void nn_conv3x3_dsp_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                         int32_t filters, int32_t stride);
void nn_conv_dsp_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                      int32_t filters, int32_t stride);
/* One filter at two rows of outputs: columns are eight words apart, `stride` lies between neighbours, `row` between the
 * rows; `words` requantise. */
void nn_depthwise3x3_dsp_core(const uint32_t *columns, const int32_t *stream, int8_t *output, int32_t width,
                              int32_t stride, int32_t row, const int32_t *words);

void nn_conv3x3_s8_dsp(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                       void *scratch);
void nn_conv_s8_dsp(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                    void *scratch);
void nn_depthwise3x3_s8_dsp(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                            void *scratch);

#endif
