/* Four filters at four pixels by windows of 3 x 3: see nn_conv3x3_words.c. 48 products share 6 + 12 loads, and need 16
 * sums, 6 codes and a weight in registers. Stream of four filters: their biases; for each channel of each row the
 * three taps of four filters as bytes, filters last; their requantisation. */
#include "nn_words.h"

/* No instruction: the compiler keeps the order of products and loads, so that it holds one tap at a time. */
#define LINE(s0, s1, s2, s3) __asm__ volatile("" : "+r"(s0), "+r"(s1), "+r"(s2), "+r"(s3) : : "memory")
#define TAP(sums, w, a, b, c, d) \
  do { \
    const int32_t tap = w; \
    sums##0 += tap * (a), sums##1 += tap * (b), sums##2 += tap * (c), sums##3 += tap * (d); \
    LINE(sums##0, sums##1, sums##2, sums##3); \
  } while (0)
#define FILTER(sums, taps) \
  TAP(sums, (taps)[0], a, b, c, d); \
  TAP(sums, (taps)[4], b, c, d, e); \
  TAP(sums, (taps)[8], c, d, e, f)
#define CHANNEL(x, taps) \
  do { \
    const int32_t a = (x)[0], b = (x)[1], c = (x)[2], d = (x)[3], e = (x)[4], f = (x)[5]; \
    FILTER(p, taps); \
    FILTER(q, taps + 1); \
    FILTER(r, taps + 2); \
    FILTER(s, taps + 3); \
  } while (0)
#define CODES(sums, i) \
  output[i] = nn_stream_code(sums##0, stream + 3 * (i)); \
  output[stride + (i)] = nn_stream_code(sums##1, stream + 3 * (i)); \
  output[2 * stride + (i)] = nn_stream_code(sums##2, stream + 3 * (i)); \
  output[3 * stride + (i)] = nn_stream_code(sums##3, stream + 3 * (i))

void nn_conv3x3_quad_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output,
                          int32_t filters, int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output += 4) {
    int32_t p0 = stream[0], p1 = p0, p2 = p0, p3 = p0, q0 = stream[1], q1 = q0, q2 = q0, q3 = q0;
    int32_t r0 = stream[2], r1 = r0, r2 = r0, r3 = r0, s0 = stream[3], s1 = s0, s2 = s0, s3 = s0;
    const int8_t *taps = (const int8_t *)(stream + 4);
    for (const int32_t *x = window; x != end; x += 12, taps += 24) {
      CHANNEL(x, taps);
      CHANNEL(x + 6, taps + 12);
    }
    stream = (const int32_t *)(const void *)taps;
    CODES(p, 0);
    CODES(q, 1);
    CODES(r, 2);
    CODES(s, 3);
    stream += 12;
  }
}
