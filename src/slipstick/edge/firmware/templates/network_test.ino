#include <network.h>
#include <network_test.h>

void setup() {
  Serial.begin(115200);
  while (!Serial) {
  }
  const unsigned long started = micros();
  const int wrong = network_test();
  Serial.print("bytes that differ: ");
  Serial.println(wrong);
  Serial.print("microseconds of an inference: ");
  Serial.println((micros() - started) / NETWORK_TEST_VECTORS);
}

void loop() {
}
