#include <stdio.h>

#include "esp_timer.h"
#include "network_test.h"

void app_main(void) {
  const int64_t started = esp_timer_get_time();
  const int wrong = network_test();
  const int64_t spent = esp_timer_get_time() - started;
  printf("bytes that differ: %d; microseconds of an inference: %lld\n", wrong,
         (long long)(spent / NETWORK_TEST_VECTORS));
}
