/* Convolutions with packed weights on cores with DSP instructions. */
#include "nn_packed_stream.h"

nn_stream_kernel nn_conv_s8_dsp;

NN_PACKED_KERNEL(nn_conv_pool_dsp, nn_unpack_pool, nn_conv_s8_dsp)
NN_PACKED_KERNEL(nn_conv_int4_dsp, nn_unpack_int4, nn_conv_s8_dsp)
NN_PACKED_KERNEL(nn_conv_swis_dsp, nn_unpack_swis, nn_conv_s8_dsp)
