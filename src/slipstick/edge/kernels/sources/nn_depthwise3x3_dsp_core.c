/* One filter at two rows of outputs: see nn_depthwise3x3_s8_dsp.c. nn_depthwise3x3_dsp_core.S is the same. */
#include "nn_dsp.h"

#define LOW(w) ((int16_t)(w))
#define HIGH(w) ((int16_t)((w) >> 16))
/* A column: rows 0 and 1 in a, 2 and 3 in b; its taps 0 and 1 in p, 1 and 2 in q. */
#define COLUMN(words, p, q) \
  do { \
    const uint64_t both = nn_words(words); \
    const uint32_t a = (uint32_t)both, b = (uint32_t)(both >> 32); \
    upper = nn_smlad(a, p, upper) + LOW(b) * HIGH(q); \
    lower = nn_smlad(b, q, lower) + HIGH(a) * LOW(p); \
  } while (0)
/* The taps 0, 1, 2 of a column are bytes 0, 1, 2 of a word. */
#define TAPS(word, p, q) \
  const uint32_t p = (nn_sxtb16(word) & 0xffffu) | nn_sxtb16_odd(word) << 16; \
  const uint32_t q = (nn_sxtb16_odd(word) & 0xffffu) | (nn_sxtb16(word) & 0xffff0000u)

void nn_depthwise3x3_dsp_core(const uint32_t *columns, const int32_t *stream, int8_t *output, int32_t width,
                              int32_t stride, int32_t row) {
  TAPS((uint32_t)stream[1], p0, q0);
  TAPS((uint32_t)stream[2], p1, q1);
  TAPS((uint32_t)stream[3], p2, q2);
  for (const uint32_t *end = columns + 8 * width; columns != end; columns += 8, output += stride) {
    int32_t upper = stream[0], lower = stream[0];
    COLUMN(columns, p0, q0);
    COLUMN(columns + 8, p1, q1);
    COLUMN(columns + 16, p2, q2);
    output[row] = nn_stream_code(lower, stream + 4);
    output[0] = nn_stream_code(upper, stream + 4);
  }
}
