#include "network_test.h"

#include "network.h"

static const int8_t expected[NETWORK_TEST_VECTORS][NETWORK_OUTPUT_BYTES] = {
@EXPECTED@};

/* Code of a test input: the finaliser of MurmurHash3, so that inputs take no flash. */
static int8_t test_code(uint32_t vector, uint32_t at) {
  uint32_t x = (at + vector * 0x10001u) * 0x9E3779B9u;
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  x = (x ^ (x >> 16)) & 255u;
  return (int8_t)(x < 128u ? (int32_t)x : (int32_t)x - 256);
}

int network_test(void) {
  int wrong = 0;
  for (uint32_t vector = 0; vector < NETWORK_TEST_VECTORS; vector++) {
    for (uint32_t frame = 0; frame < NETWORK_FRAMES; frame++) {
      int8_t *input = network_input();
      for (uint32_t at = 0; at < NETWORK_INPUT_BYTES; at++) {
        input[at] = test_code(vector, frame * NETWORK_INPUT_BYTES + at);
      }
      if (network_run(input, network_output()) != 0) {
        return -1;
      }
    }
    for (uint32_t at = 0; at < NETWORK_OUTPUT_BYTES; at++) {
      wrong += network_output()[at] != expected[vector][at];
    }
  }
  return wrong;
}
