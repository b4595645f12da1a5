/* What bare metal needs of <string.h>; its functions are the emulator's runtime. */
#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
