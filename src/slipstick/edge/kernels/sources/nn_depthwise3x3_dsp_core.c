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
#define PAIR(low, high) (((uint32_t)(low) & 0xffffu) | (uint32_t)(high) << 16)
/* The taps 0, 1, 2 of a column are bytes of a word, and behind them is what is added to each. */
#define TAPS(taps, p, q) \
  const uint32_t p = PAIR((taps)[0] + (taps)[3], (taps)[1] + (taps)[3]); \
  const uint32_t q = PAIR((taps)[1] + (taps)[3], (taps)[2] + (taps)[3])

void nn_depthwise3x3_dsp_core(const uint32_t *columns, const int32_t *stream, int8_t *output, int32_t width,
                              int32_t stride, int32_t row, const int32_t *words) {
  const int8_t *taps = (const int8_t *)(stream + 1);
  TAPS(taps, p0, q0);
  TAPS(taps + 4, p1, q1);
  TAPS(taps + 8, p2, q2);
  for (const uint32_t *end = columns + 8 * width; columns != end; columns += 8, output += stride) {
    int32_t upper = stream[0], lower = stream[0];
    COLUMN(columns, p0, q0);
    COLUMN(columns + 8, p1, q1);
    COLUMN(columns + 16, p2, q2);
    output[row] = nn_stream_code(lower, words);
    output[0] = nn_stream_code(upper, words);
  }
}
