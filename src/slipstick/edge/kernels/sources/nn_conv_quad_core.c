/* Four filters at four pixels by windows of any size: see nn_conv_words.c. 16 products share 4 + 4 loads. Stream of four
 * filters: their biases; for each value four weights as bytes; their requantisation. */
#include "nn_words.h"

/* The second statement is no instruction: the compiler keeps the order of products and loads. */
#define FILTER(sums, tap) \
  do { \
    const int32_t weight = tap; \
    sums##0 += weight * a, sums##1 += weight * b, sums##2 += weight * c, sums##3 += weight * d; \
    __asm__ volatile("" : "+r"(sums##0), "+r"(sums##1), "+r"(sums##2), "+r"(sums##3) : : "memory"); \
  } while (0)
#define VALUE(x, taps) \
  do { \
    const int32_t a = (x)[0], b = (x)[1], c = (x)[2], d = (x)[3]; \
    FILTER(p, (taps)[0]); \
    FILTER(q, (taps)[1]); \
    FILTER(r, (taps)[2]); \
    FILTER(s, (taps)[3]); \
  } while (0)

void nn_conv_quad_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output,
                       int32_t filters, int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output += 4) {
    int32_t p0 = stream[0], p1 = p0, p2 = p0, p3 = p0, q0 = stream[1], q1 = q0, q2 = q0, q3 = q0;
    int32_t r0 = stream[2], r1 = r0, r2 = r0, r3 = r0, s0 = stream[3], s1 = s0, s2 = s0, s3 = s0;
    const int8_t *taps = (const int8_t *)(stream + 4);
    for (const int32_t *x = window; x != end; x += 16, taps += 16) {
      VALUE(x, taps);
      VALUE(x + 4, taps + 4);
      VALUE(x + 8, taps + 8);
      VALUE(x + 12, taps + 12);
    }
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes(p0, p1, p2, p3, stream, output, stride);
    nn_stream_codes(q0, q1, q2, q3, stream + 3, output + 1, stride);
    nn_stream_codes(r0, r1, r2, r3, stream + 6, output + 2, stride);
    nn_stream_codes(s0, s1, s2, s3, stream + 9, output + 3, stride);
    stream += 12;
  }
}
