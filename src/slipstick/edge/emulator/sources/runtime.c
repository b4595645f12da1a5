/* Functions that compilers call by themselves: copies, and arithmetic that a core lacks. Bare metal has no library. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  uint8_t *t = to;
  const uint8_t *f = from;
  if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0)
    for (; size >= 4; size -= 4, t += 4, f += 4) *(uint32_t *)(void *)t = *(const uint32_t *)(const void *)f;
  while (size--) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  uint8_t *t = to;
  const uint8_t *f = from;
  if (t < f) return memcpy(to, from, size);
  while (size--) t[size] = f[size];
  return to;
}

void *memset(void *to, int value, size_t size) {
  uint8_t *t = to;
  const uint32_t word = (uint8_t)value * 0x01010101u;
  for (; size && ((uintptr_t)t & 3); size--) *t++ = (uint8_t)value;
  for (; size >= 4; size -= 4, t += 4) *(uint32_t *)(void *)t = word;
  while (size--) *t++ = (uint8_t)value;
  return to;
}

#ifdef __arm__
void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy8(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memmove(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memmove4(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset4(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset8(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr8(void *to, size_t size) { memset(to, 0, size); }

/* 32 x 32 -> 64 bits by four products of 16 bits, then the upper halves */
uint64_t __aeabi_lmul(uint64_t a, uint64_t b) {
  const uint32_t al = (uint32_t)a, bl = (uint32_t)b;
  const uint32_t a0 = al & 0xffff, a1 = al >> 16, b0 = bl & 0xffff, b1 = bl >> 16;
  const uint32_t low = a0 * b0, middle = a1 * b0 + (low >> 16), other = a0 * b1 + (middle & 0xffff);
  const uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
  return ((uint64_t)(high + (uint32_t)(a >> 32) * bl + al * (uint32_t)(b >> 32)) << 32) | (other << 16 | (low & 0xffff));
}

uint64_t __aeabi_llsl(uint64_t v, int n) {
  const uint32_t l = (uint32_t)v, h = (uint32_t)(v >> 32);
  if (n == 0) return v;
  if (n >= 32) return (uint64_t)(l << (n - 32)) << 32;
  return (uint64_t)(h << n | l >> (32 - n)) << 32 | l << n;
}

uint64_t __aeabi_llsr(uint64_t v, int n) {
  const uint32_t l = (uint32_t)v, h = (uint32_t)(v >> 32);
  if (n == 0) return v;
  if (n >= 32) return h >> (n - 32);
  return (uint64_t)(h >> n) << 32 | (l >> n | h << (32 - n));
}

int64_t __aeabi_lasr(int64_t v, int n) {
  const uint32_t l = (uint32_t)v;
  const int32_t h = (int32_t)(v >> 32);
  if (n == 0) return v;
  if (n >= 32) return h >> (n - 32);
  return (int64_t)((uint64_t)(uint32_t)(h >> n) << 32 | (l >> n | (uint32_t)h << (32 - n)));
}

typedef struct { uint32_t quotient, rest; } division;

static division divided(uint32_t a, uint32_t b) {
  division d = {0, 0};
  for (int bit = 31; bit >= 0; bit--) {
    d.rest = d.rest << 1 | (a >> bit & 1);
    if (d.rest >= b) d.rest -= b, d.quotient |= 1u << bit;
  }
  return d;
}

uint32_t __aeabi_uidiv(uint32_t a, uint32_t b) { return divided(a, b).quotient; }

int32_t __aeabi_idiv(int32_t a, int32_t b) {
  const uint32_t q = divided(a < 0 ? 0u - (uint32_t)a : (uint32_t)a, b < 0 ? 0u - (uint32_t)b : (uint32_t)b).quotient;
  return (int32_t)((a < 0) != (b < 0) ? 0u - q : q);
}

/* quotient in r0, rest in r1: as a value of 64 bits */
uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b) {
  const division d = divided(a, b);
  return (uint64_t)d.rest << 32 | d.quotient;
}

uint64_t __aeabi_idivmod(int32_t a, int32_t b) {
  const int32_t q = __aeabi_idiv(a, b);
  return (uint64_t)(uint32_t)(a - q * b) << 32 | (uint32_t)q;
}
#endif
