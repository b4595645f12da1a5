/* Weights from packed codes, `count` at a time. */
#ifndef NN_UNPACK_H
#define NN_UNPACK_H
#include "nn_packed.h"

typedef struct {
  const uint8_t *from;
  uint32_t held, have;
} nn_bits;

static inline uint32_t nn_next_bits(nn_bits *r, uint32_t bits) {
  while (r->have < bits) {
    r->held |= (uint32_t)*r->from++ << r->have;
    r->have += 8;
  }
  const uint32_t code = r->held & ((1u << bits) - 1u);
  r->held >>= bits;
  r->have -= bits;
  return code;
}

typedef void nn_unpacker(const nn_packed_conv *l, nn_bits *r, int8_t *weights, int32_t count);

static inline void nn_unpack_pool(const nn_packed_conv *l, nn_bits *r, int8_t *weights, int32_t count) {
  const uint32_t bits = l->index_bits, mask = (1u << bits) - 1u;
  uint32_t *word = (uint32_t *)(void *)weights; /* weights and vectors are aligned to four bytes */
  for (; count > 0; count -= 8, word += 2) {
    if (r->have < bits) {
      r->held |= (uint32_t)*r->from++ << r->have;
      r->have += 8;
    }
    const uint32_t *vector = (const uint32_t *)(const void *)l->vectors + 2 * (r->held & mask);
    r->held >>= bits;
    r->have -= bits;
    const uint32_t first = vector[0], second = vector[1];
    word[0] = first, word[1] = second;
  }
}

static inline void nn_unpack_int4(const nn_packed_conv *l, nn_bits *r, int8_t *weights, int32_t count) {
  (void)l;
  for (; count > 0; count--) *weights++ = (int8_t)((int32_t)(nn_next_bits(r, 4) ^ 8u) - 8);
}

static inline void nn_unpack_swis(const nn_packed_conv *l, nn_bits *r, int8_t *weights, int32_t count) {
  while (count > 0) {
    uint32_t position[8];
    for (uint32_t j = 0; j < l->shifts; j++) position[j] = nn_next_bits(r, 3);
    for (uint32_t i = 0; i < l->group && count > 0; i++, count--) {
      const uint32_t negative = nn_next_bits(r, 1), mask = nn_next_bits(r, l->shifts);
      int32_t magnitude = 0;
      for (uint32_t j = 0; j < l->shifts; j++) magnitude += (int32_t)((mask >> j & 1u) << position[j]);
      *weights++ = (int8_t)(negative ? -magnitude : magnitude);
    }
  }
}

#endif
