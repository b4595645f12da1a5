/* Convolutions with packed weights on cores that multiply one pair of numbers at once. */
#include "nn_packed_stream.h"
#include "nn_words.h"

NN_PACKED_KERNEL(nn_conv_pool_words, nn_unpack_pool, nn_conv_s8_words)
NN_PACKED_KERNEL(nn_conv_int4_words, nn_unpack_int4, nn_conv_s8_words)
NN_PACKED_KERNEL(nn_conv_swis_words, nn_unpack_swis, nn_conv_s8_words)
