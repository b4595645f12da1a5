/* Four filters at four pixels, two in a word: see nn_pairs.h. 32 products of two values share 4 + 8 loads. Stream of four
 * filters: twice their biases; for each value four weights as bytes; their requantisation. */
#include "nn_pairs.h"

/* The second statement is no instruction: the compiler keeps the order of products and loads. */
#define TWO(p, taps) \
  do { \
    const uint32_t v = (uint32_t)(taps)[0], w = (uint32_t)(taps)[4]; \
    const uint32_t first = v * x0 + w * x2, second = v * x1 + w * x3; \
    p##both0 += first, p##upper0 += (uint32_t)nn_upper(first + NN_HALF); \
    p##both1 += second, p##upper1 += (uint32_t)nn_upper(second + NN_HALF); \
    __asm__ volatile("" : "+r"(p##both0), "+r"(p##upper0), "+r"(p##both1), "+r"(p##upper1) : : "memory"); \
  } while (0)
#define BEGIN(p, place) \
  uint32_t p##upper0 = (uint32_t)(stream[place] >> 1), p##upper1 = p##upper0; \
  uint32_t p##both0 = p##upper0 + (p##upper0 << 16), p##both1 = p##both0
#define END(p, place) \
  nn_stream_codes((int32_t)(p##both0 - (p##upper0 << 16) + even0), (int32_t)(p##upper0 + end[1]), \
                  (int32_t)(p##both1 - (p##upper1 << 16) + even1), (int32_t)(p##upper1 + end[3]), \
                  stream + 3 * (place), output + (place), stride)

void nn_conv_pairs_quad_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                             int32_t filters, int32_t stride) {
  const uint32_t even0 = end[0] + 2 * end[4], even1 = end[2] + 2 * end[4]; /* sums have no 2^15 */
  for (const int8_t *last = output + filters; output != last; output += 4) {
    BEGIN(p, 0);
    BEGIN(q, 1);
    BEGIN(r, 2);
    BEGIN(s, 3);
    const int8_t *taps = (const int8_t *)(stream + 4);
    for (const uint32_t *x = window; x != end; x += 4, taps += 8) {
      const uint32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
      TWO(p, taps);
      TWO(q, taps + 1);
      TWO(r, taps + 2);
      TWO(s, taps + 3);
    }
    stream = (const int32_t *)(const void *)taps;
    END(p, 0);
    END(q, 1);
    END(r, 2);
    END(s, 3);
    stream += 12;
  }
}
