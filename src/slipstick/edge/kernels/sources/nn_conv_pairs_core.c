/* One filter after the other at four pixels, two in a word: see nn_pairs.h. nn_conv_pairs_core.S is the same. */
#include "nn_pairs.h"

#define FIRST(w, x) first = NN_HALF + (uint32_t)(w) * (x)[0], second = NN_HALF + (uint32_t)(w) * (x)[1]
#define NEXT(w, x) first += (uint32_t)(w) * (x)[0], second += (uint32_t)(w) * (x)[1]
#define ADD() \
  both0 += first, upper0 += (uint32_t)nn_upper(first), both1 += second, upper1 += (uint32_t)nn_upper(second)

void nn_conv_pairs_core(const uint32_t *window, const int32_t *stream, const uint32_t *end, int8_t *output,
                        int32_t filters, int32_t stride) {
  for (const int8_t *last = output + filters; output != last; output++) {
    const int32_t begin = *stream >> 1, four = *stream & 1;
    uint32_t upper0 = (uint32_t)begin, upper1 = upper0, both0 = upper0 + (upper0 << 16), both1 = both0, first, second;
    const int8_t *taps = (const int8_t *)(stream + 1);
    const uint32_t *x = window;
    if (four) {
      for (; x != end; x += 8, taps += 4) {
        FIRST(taps[0], x);
        NEXT(taps[1], x + 2);
        NEXT(taps[2], x + 4);
        NEXT(taps[3], x + 6);
        ADD();
      }
      both0 += end[4], both1 += end[4];
    } else {
      for (; x != end; x += 8, taps += 4) {
        FIRST(taps[0], x);
        NEXT(taps[1], x + 2);
        ADD();
        FIRST(taps[2], x + 4);
        NEXT(taps[3], x + 6);
        ADD();
      }
    }
    stream = (const int32_t *)(const void *)taps;
    nn_stream_codes((int32_t)(both0 - (upper0 << 16) + end[0]), (int32_t)(upper0 + end[1]),
                    (int32_t)(both1 - (upper1 << 16) + end[2]), (int32_t)(upper1 + end[3]), stream, output, stride);
    stream += 3;
  }
}
