/* Copy of a rectangle of an image. No scratch. */
#include "nn_copy.h"

void nn_copy_s8(const nn_copy *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  input += l->input_start;
  output += l->output_start;
  for (uint32_t row = 0; row < l->rows; row++, input += l->input_step, output += l->output_step)
    for (uint32_t byte = 0; byte < l->row_bytes; byte++) output[byte] = input[byte];
}
