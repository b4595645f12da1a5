/* Start of an RV32 core: stack, memory, main. Clocks stay as they are after reset. */
#include <stdint.h>

extern uint32_t _data_start, _data_end, _data_load, _bss_start, _bss_end;
int main(void);
void reset_main(void);
void reset_handler(void);

void reset_main(void) {
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

__attribute__((naked, used, section(".vectors"))) void reset_handler(void) {
  __asm__ volatile(".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\nla sp, _stack_top\nj reset_main\n");
}
