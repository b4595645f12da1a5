/* Convolutions whose weights are indices into one pool of vectors of eight int8 weights.

   Tables hold the product of each pool vector with each group of eight input channels, for the input columns of a block
   of output columns (four, eight where there are 32 registers), newest column first. A product serves all filters and all taps of a kernel: it is computed once per input pixel.
   Source: the bit-serial tables follow Li and Gupta, arXiv 2201.11651; sharing products between taps is our own. */
#ifndef NN_POOL_H
#define NN_POOL_H
#include "nn.h"

/* The DSP extension multiplies pairs of int16: each table entry carries its vector as four pairs in front. */
#if defined(__ARM_FEATURE_DSP)
#define NN_POOL_PAIRS 4
#else
#define NN_POOL_PAIRS 0
#endif
#if defined(__riscv) || defined(NN_POOL_WIDE)
#define NN_POOL_BLOCK 8 /* output columns */
#define NN_POOL_STEP 2  /* bits of each channel that a row of the lookup tables stands for: shifts cost instructions */
#else
#define NN_POOL_BLOCK 4
#define NN_POOL_STEP 1
#endif
#define NN_POOL_ENTRY (NN_POOL_PAIRS + NN_POOL_BLOCK + 2)
#define NN_POOL_VECTOR 8
#define NN_POOL_CHUNK 64 /* pool vectors that lie together in the lookup tables */
#define NN_POOL_ROW 32   /* words of a row: two vectors each */
#define NN_POOL_LOOKUP_WORDS(size) (((size) + 63u) / 64u * NN_POOL_STEP * 256u * NN_POOL_ROW)
/* added to a sum of eight int8 weights, or of four times at most 3, so that it is not negative */
#define NN_POOL_LIFT (NN_POOL_STEP == 1 ? 1024 : 1536)

/* Upper bits of the inputs that pool convolutions compute with, 8 to 1: inputs are rounded to them. May change between
   calls; 8 at the start. */
extern uint8_t nn_pool_bits;

typedef struct {
    nn_conv conv;
    const int8_t *vectors; /* [size][8] */
    uint16_t size;         /* vectors: at most 256 */
    uint8_t index_bits;    /* of an index, 1 to 8 */
} nn_pool_conv;

/* Convolutions with 3x3 taps at stride 1 and padding 1, or at stride 2 and padding 0 or 1. Channels are a multiple of 8, shifts are -1 to -31; the input is
   aligned to four bytes. Indices [filters][taps][channels / 8] are packed without gaps, least significant bit first.
   The first two multiply (in pairs with the DSP extension). The others look sums up, bit by bit or two bits at a time,
   in tables that they build in their scratch: fewer bits, fewer instructions. */
void nn_conv3x3_pool(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv3x3_pool_dsp(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv3x3_pool_bits(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv3x3_pool_bits_dsp(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv3x3_pool_wide(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
/* The same without neighbours: 1x1, any stride and no padding. */
void nn_conv1x1_pool(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv1x1_pool_dsp(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv1x1_pool_bits(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_conv1x1_pool_wide(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
void nn_dense_pool_tables(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch);
size_t nn_conv3x3_pool_scratch(const nn_pool_conv *layer, int lookup);

/* Sums of weights for each of the 256 patterns of a bit of eight channels (or two bits of four), for every pool vector,
   in NN_POOL_LOOKUP_WORDS(size) words. */
void nn_pool_prepare(const int8_t *vectors, uint32_t size, uint32_t *lookup);

/* ---- between the files of the kernel ---- */

/* Address of a table entry's column, or a constant of a filter; addresses are from the tables' start where they have more
   than four bytes, so that lists are as long on every machine. */
typedef uint32_t nn_pool_word;
#if UINTPTR_MAX > 0xffffffffu
#define NN_POOL_WORD(entries, entry) ((nn_pool_word)((uintptr_t)(entry) - (uintptr_t)(entries)))
#define NN_POOL_ENTRY_AT(entries, word) ((const int32_t *)((uintptr_t)(entries) + (word)))
#else
#define NN_POOL_WORD(entries, entry) ((nn_pool_word)(uintptr_t)(entry))
#define NN_POOL_ENTRY_AT(entries, word) ((const int32_t *)(uintptr_t)(word))
#endif

/* 2^31 and rounding (half a code and the output's offset, shifted to the left), so that both together start a product
   of 64 bits; multiplier, shift to the right, twice the bias, scale of the sums: 2, or more where lower bits were dropped */
#define NN_POOL_TAIL 6

typedef struct {               /* one kernel row's products into a block of one output row, all filters */
    const nn_pool_word *list;  /* per filter: addresses; in the last row then NN_POOL_TAIL constants */
    int32_t *sums;             /* [filters][NN_POOL_BLOCK] */
    int32_t filters, groups;
    int32_t stride, stride3;   /* bytes between output columns, and three times that */
    int8_t *output;            /* first of the columns */
    int32_t least, most;       /* assembly saturates to int8 only */
    const int32_t *entries;    /* start of the tables */
} nn_pool_pass;

void nn_pool_begin(const nn_pool_pass *p);  /* sums = products */
void nn_pool_middle(const nn_pool_pass *p); /* sums += products */
void nn_pool_finish(const nn_pool_pass *p); /* output = requantised scale * (sums + products) + twice the bias */
void nn_pool_flush(const nn_pool_pass *p);  /* the same without products */

typedef struct {
    int32_t *entry;          /* tables: [groups][size][NN_POOL_ENTRY] */
    const int8_t *a, *b;     /* channels of two pixels, or of one */
    uint32_t offset_pair;    /* input offset in both halves */
    int32_t groups, size;    /* size: padded to 32 (multiply) or 64 (lookup) */
    const int8_t *vectors;
    const uint32_t *lookup;
    int32_t real_size;
    int32_t bits;
    int32_t offset;          /* of the input */
    int32_t dropped;         /* lower bits: products are in units of 1 << dropped */
    int32_t outside, zero;   /* lookup: product of a pixel outside, beside `zero` times the sum of weights */
} nn_pool_tables;

#if NN_POOL_PAIRS
void nn_pool_pair_shift(const nn_pool_tables *t); /* columns 0, 1 -> 4, 5; products of a, b -> columns 3, 2 */
void nn_pool_pair(const nn_pool_tables *t);       /* products of a, b -> columns 1, 0 */
void nn_pool_first(const nn_pool_tables *t);      /* product of a -> column 0; nothing -> column 1 */
void nn_pool_last(const nn_pool_tables *t);       /* product of a -> column 1; nothing -> column 0 */
#else
void nn_pool_pair(const nn_pool_tables *t, int32_t column); /* products of b, a -> columns `column` and the next */
#endif
void nn_pool_lookup_pixel(const nn_pool_tables *t, int32_t column); /* products of a, rounded to `bits` -> column */
void nn_pool_shift(const nn_pool_tables *t);                        /* columns 0, 1 -> the last two */
void nn_pool_outside(const nn_pool_tables *t, int32_t column);
void nn_pool_add_weights(uint32_t *row, const uint32_t *end, size_t step, const uint32_t pair[NN_POOL_BLOCK]);
const uint8_t *nn_pool_expand_six(nn_pool_word *to, const nn_pool_word *entry, size_t groups, size_t step, const uint8_t *from);

/* Four bytes without sign rounded to their upper bits, a half upwards; the largest value stays within its bits. */
static inline uint32_t nn_pool_rounded(uint32_t codes, uint32_t bits)
{
    const uint32_t half = (0x80u >> bits) * 0x01010101u, mask = (0x100u - (0x100u >> bits)) * 0x01010101u;
#if NN_POOL_PAIRS
    uint32_t sum;
    __asm__("uqadd8 %0, %1, %2" : "=r"(sum) : "r"(codes), "r"(half));
    return sum & mask;
#else
    const uint32_t top = codes & 0x80808080u, sum = (codes ^ top) + half, over = sum & top; /* over 255: 255 */
    return ((sum ^ top) | over | (over - (over >> 7))) & mask;
#endif
}

/* keeps loads from moving ahead until they no longer fit the registers */
#if NN_POOL_BLOCK == 8 && defined(__GNUC__)
#define NN_POOL_FENCE __asm__ volatile("" ::: "memory")
#define NN_POOL_NEXT(n, row) row += (n); __asm__("" : "+r"(row)) /* a pointer of its own, in a register */
#else
#define NN_POOL_FENCE (void)0
#define NN_POOL_NEXT(n, row) row += (n)
#endif

#if defined(__GNUC__)
#define NN_POOL_WEAK __attribute__((weak)) /* assembly of the same name replaces it */
#define NN_POOL_COLD __attribute__((noinline, cold)) /* once a call: small rather than fast */
#define NN_POOL_ONCE __attribute__((noinline))       /* code of its own, shared by the kernels */
#define NN_POOL_EACH __attribute__((always_inline)) /* for each kernel, so that it links what it needs alone */
#else
#define NN_POOL_WEAK
#define NN_POOL_COLD
#define NN_POOL_ONCE
#define NN_POOL_EACH
#endif
#endif
