/* Kernels of integer neural networks in C99: integers only, no memory is allocated, no library is called.
 *
 * Tensors are int8 codes [height][width][channels] of one sample. An offset is what is added to a code: an input's is
 * minus its zero point, an output's is its zero point. A scaling is multiplier * 2^(shift - 31), a positive shift to
 * the left. Results are those of TensorFlow Lite's reference kernels, bit for bit. `scratch` is memory aligned to four
 * bytes that a kernel uses during its call alone; each says how much. Weights are aligned to four bytes too.
 */
#ifndef SLIPSTICK_NN_H
#define SLIPSTICK_NN_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  int32_t multiplier;
  int8_t shift;
} nn_scaling;

/* From sums to codes, one entry of each array a filter. */
typedef struct {
  const int32_t *bias, *multiplier;
  const int8_t *shift;
  int16_t output_offset;
  int8_t least, most;
} nn_requant;

/* Convolution, depth-wise convolution; dense layers have their rows as in_height, and 1 as in_width. */
typedef struct {
  uint16_t in_height, in_width, in_channels, out_height, out_width, out_channels;
  uint8_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width, pad_top, pad_left;
  int16_t input_offset, weight_offset;
  nn_requant requant;
} nn_conv;

typedef struct {
  uint32_t size;
  int16_t a_offset, b_offset;
  nn_scaling a, b, sum;
  int16_t output_offset;
  int8_t least, most;
} nn_add;

/* code_offset is added to codes before their mean is rounded: 128 where they were unsigned, so that halves go up. */
typedef struct {
  uint16_t in_height, in_width, channels, out_height, out_width;
  uint8_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left;
  int16_t code_offset;
  int8_t least, most;
} nn_pool;

typedef struct {
  uint16_t in_height, in_width, channels;
  int16_t input_offset;
  nn_scaling scaling;
  int16_t output_offset;
} nn_mean;

typedef struct {
  uint16_t in_height, in_width, in_channels, out_height, out_width, out_channels;
  uint16_t before_height, before_width, before_channels;
  int8_t value;
} nn_pad;

/* A code that lies further than `furthest` below its row's largest has a share of 0. */
typedef struct {
  uint16_t rows, columns;
  nn_scaling scaling;
  int16_t furthest;
} nn_softmax;

typedef struct {
  uint32_t size;
  int16_t input_offset;
  nn_scaling scaling;
  int16_t output_offset;
} nn_requantize;

/* The code of a real number is `least` plus the count of the most - least thresholds that it reaches. Thresholds and
 * inputs are the bits of single-precision numbers, thresholds in the order of whole numbers (negative ones flipped). */
typedef struct {
  uint32_t size;
  const int32_t *thresholds;
  int8_t least, most, not_a_number;
} nn_quantize;

/* values: bits of the single-precision number of each code, -128 first. */
typedef struct {
  uint32_t size;
  const uint32_t *values;
} nn_dequantize;

void nn_conv_s8(const nn_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void nn_depthwise_s8(const nn_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_s8(const nn_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void nn_add_s8(const nn_add *layer, const int8_t *a, const int8_t *b, int8_t *output, void *scratch);
void nn_add_s8_tables(const nn_add *layer, const int8_t *a, const int8_t *b, int8_t *output, void *scratch);
void nn_average_pool_s8(const nn_pool *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_max_pool_s8(const nn_pool *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_mean_s8(const nn_mean *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_pad_s8(const nn_pad *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_softmax_s8(const nn_softmax *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_requantize_s8(const nn_requantize *layer, const int8_t *input, int8_t *output, void *scratch);
void nn_quantize_f32(const nn_quantize *layer, const uint32_t *input, int8_t *output, void *scratch);
void nn_dequantize_f32(const nn_dequantize *layer, const int8_t *input, uint32_t *output, void *scratch);

/* Upper half of the doubled product of two numbers, a half upwards. */
static inline int32_t nn_product(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (INT32_C(1) << 30)) >> 31);
}

/* value / 2^power, halves rounded away from zero. */
static inline int32_t nn_halved(int32_t value, int32_t power) {
  if (power <= 0) return value;
  if (power > 31) return 0;
  const int32_t mask = (int32_t)((UINT32_C(1) << power) - 1);
  return (value >> power) + ((value & mask) > (mask >> 1) + (value < 0));
}

static inline int32_t nn_left(int32_t value, int32_t shift) { return (int32_t)((uint32_t)value << shift); }

/* Scaling with two roundings: of the product's upper half, then of what the shift leaves. */
static inline int32_t nn_scaled(int32_t value, int32_t multiplier, int32_t shift) {
  if (shift > 0) return nn_product(nn_left(value, shift), multiplier);
  return nn_halved(nn_product(value, multiplier), -shift);
}

/* Scaling with one rounding, a half upwards. */
static inline int32_t nn_scaled_once(int32_t value, int32_t multiplier, int32_t shift) {
  return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << (30 - shift))) >> (31 - shift));
}

static inline int8_t nn_clamped(int32_t value, int32_t least, int32_t most) {
  return (int8_t)(value < least ? least : value > most ? most : value);
}

/* Code of filter f's sum of products. */
static inline int8_t nn_code(const nn_requant *r, int32_t f, int32_t sum) {
  return nn_clamped(nn_scaled(sum + r->bias[f], r->multiplier[f], r->shift[f]) + r->output_offset, r->least, r->most);
}

#endif
