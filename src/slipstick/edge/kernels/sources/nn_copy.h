/* Copy of a rectangle of an image: the tiles of a first stage that runs patch by patch. */
#ifndef SLIPSTICK_NN_COPY_H
#define SLIPSTICK_NN_COPY_H

#include "nn.h"

/* rows of row_bytes; from a row to the next it is input_step and output_step bytes, to the first input_start and
   output_start. */
typedef struct {
  uint32_t rows, row_bytes, input_start, input_step, output_start, output_step;
} nn_copy;

void nn_copy_s8(const nn_copy *layer, const int8_t *input, int8_t *output, void *scratch);

#endif
