/* Test program: 0 where every byte equals the golden vectors. A debugger reads network_test_result. */
#include "network_test.h"

#ifdef NETWORK_TEST_STDIO
#include <stdio.h>
#endif

volatile int network_test_result = -1;

int main(void) {
  network_test_result = network_test();
#ifdef NETWORK_TEST_STDIO
  printf("network_test: %d vectors, %d bytes differ\n", NETWORK_TEST_VECTORS, network_test_result);
#endif
  return network_test_result != 0;
}
