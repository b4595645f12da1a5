/* Start of a Cortex-M: vectors, memory, main. Clocks stay as they are after reset. */
#include <stdint.h>

extern uint32_t _stack_top, _data_start, _data_end, _data_load, _bss_start, _bss_end;
int main(void);
void reset_handler(void);
void fault_handler(void);

void fault_handler(void) {
  for (;;) {
  }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &_stack_top,   (const void *)reset_handler, (const void *)fault_handler, (const void *)fault_handler,
    (const void *)fault_handler, (const void *)fault_handler, (const void *)fault_handler, 0, 0, 0, 0,
    (const void *)fault_handler, (const void *)fault_handler, 0, (const void *)fault_handler, (const void *)fault_handler};

void reset_handler(void) {
  const volatile uint32_t *from = &_data_load;
  for (volatile uint32_t *to = &_data_start; to < &_data_end;) {
    *to++ = *from++;
  }
  for (volatile uint32_t *to = &_bss_start; to < &_bss_end;) {
    *to++ = 0;
  }
  (void)main();
  for (;;) {
  }
}
