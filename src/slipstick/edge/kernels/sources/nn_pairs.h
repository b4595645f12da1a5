/* Convolutions on cores that multiply one pair of numbers at once, two pixels in a product.
 * A word of the window holds the codes of two pixels, the first + the second * 2^16. A product with a weight holds both
 * products, and so does the sum p of a few of them, as long as each sum keeps to 16 bits: for two taps it does where
 * their magnitudes add up to 255 at most, for four where theirs do. With p + 2^15, whose upper half is then the second
 * pixel's sum, `upper` adds up upper halves and `both` whole words, of which upper * 2^16 is taken away in the end.
 * Stream of a filter: twice the bias, plus 1 if four taps fit; weights as bytes; three words of requantisation. */
#ifndef SLIPSTICK_NN_PAIRS_H
#define SLIPSTICK_NN_PAIRS_H

#include "nn_dsp.h"

#define NN_HALF 0x8000u /* 2^15 */
#define NN_AFTER 5      /* words behind the window */

/* All filters at four pixels. Behind the window's end stand what is added to the sums of each pixel, where every two taps
 * have had 2^15, and what is added to the first of two pixels where only every four had. Outputs lie `stride` apart. */
typedef void nn_pairs_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                           int32_t filters, int32_t stride);
nn_pairs_core nn_conv_pairs_core, nn_conv_pairs_quad_core;

void nn_conv_pairs(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch,
                   nn_pairs_core *core);
void nn_conv_s8_pairs(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                      void *scratch);
void nn_conv_s8_pairs_quad(const nn_stream_conv *layer, const int8_t *weights, const int8_t *input, int8_t *output,
                           void *scratch);

/* Upper half of a word, with its sign. */
static inline int32_t nn_upper(uint32_t word) { return (int32_t)word >> 16; }

#endif
