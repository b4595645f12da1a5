/* Convolutions and dense layers of any shape whose weights have fewer bits than a byte: one filter at a time is unpacked
   into the scratch, which holds as many bytes as a filter has weights; then all its outputs are computed.

   Codes are packed without gaps, least significant bit first, in the order of the weights. */
#ifndef NN_PACKED_H
#define NN_PACKED_H
#include "nn.h"

typedef struct {
  nn_conv conv;
  const int8_t *vectors; /* pool: [][8] */
  uint8_t index_bits;    /* pool: of an index, 1 to 8 */
  uint8_t shifts, group; /* swis: shift positions that `group` weights share */
} nn_packed_conv;

/* pool: an index for eight channels. int4: two's complement. swis: for each group the shift positions, three bits each,
   then for each weight its sign and a mask of the positions that it adds up; the last group of a filter may be short. */
void nn_conv_pool(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_int4(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_swis(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_pool_dsp(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_int4_dsp(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_swis_dsp(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_pool_words(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_int4_words(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_conv_swis_words(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_pool(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_int4(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_swis(const nn_packed_conv *l, const int8_t *codes, const int8_t *input, int8_t *output, void *scratch);

/* Weights of -1 and 1, and inputs by their sign: above zero 1, else -1 (padding is 0). Rows of 32 channels a word, the
   last one filled up with zeros, aligned to four bytes; a bit is 1 for 1. The scratch holds the input in the same form. */
void nn_conv_binary(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_binary(const nn_conv *l, const int8_t *weights, const int8_t *input, int8_t *output, void *scratch);
#endif
