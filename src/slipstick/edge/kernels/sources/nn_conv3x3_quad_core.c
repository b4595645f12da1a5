/* Four filters at four pixels by windows of 3 x 3: see nn_conv3x3_words.c. 48 products share 6 + 12 loads, and need 16
 * sums, 4 codes and a weight in registers. Stream of four filters: their biases; for each channel of each row the
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
#define TAPS(taps, a, b, c, d) \
  TAP(p, (taps)[0], a, b, c, d); \
  TAP(q, (taps)[1], a, b, c, d); \
  TAP(r, (taps)[2], a, b, c, d); \
  TAP(s, (taps)[3], a, b, c, d)
#define CHANNEL(x, taps) \
  do { \
    const int32_t a = (x)[0], b = (x)[1], c = (x)[2], d = (x)[3]; \
    TAPS(taps, a, b, c, d); \
    const int32_t e = (x)[4]; \
    TAPS((taps) + 4, b, c, d, e); \
    const int32_t f = (x)[5]; \
    TAPS((taps) + 8, c, d, e, f); \
  } while (0)

void nn_conv3x3_quad_core(const int32_t *window, const int32_t *stream, const int32_t *end, int8_t *output,
                          int32_t filters, int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output += 4) {
    int32_t p0 = stream[0], p1 = p0, p2 = p0, p3 = p0, q0 = stream[1], q1 = q0, q2 = q0, q3 = q0;
    int32_t r0 = stream[2], r1 = r0, r2 = r0, r3 = r0, s0 = stream[3], s1 = s0, s2 = s0, s3 = s0;
    const int8_t *taps = (const int8_t *)(stream + 4);
    for (const int32_t *x = window; x != end; x += 6, taps += 12) CHANNEL(x, taps);
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes(p0, p1, p2, p3, stream, output, stride);
    nn_stream_codes(q0, q1, q2, q3, stream + 3, output + 1, stride);
    nn_stream_codes(r0, r1, r2, r3, stream + 6, output + 2, stride);
    nn_stream_codes(s0, s1, s2, s3, stream + 9, output + 3, stride);
    stream += 12;
  }
}
