/* Pool convolution, 3x3 at stride 1: tables of products, gathered by index into rows of sums. */
#include "nn_pool.h"

enum { TAPS = 9, ROWS = 3 };

typedef struct {
    nn_pool_word *list[ROWS];
    int32_t *entries;
    int32_t *sums[2];
    int32_t *correction; /* [ROWS][filters]: what the lookup tables' lift adds to a sum */
    int8_t *zero;        /* a pixel outside */
    int8_t *row;         /* an input row of fewer bits */
    int8_t *edge;        /* outputs of a block that ends outside */
    size_t bytes;
} plan;

static size_t padded(size_t size, size_t step) { return (size + step - 1) / step * step; }

static int by_lookup(const nn_pool *pool)
{
#if NN_POOL_PAIRS
    return pool->lookup != 0 && pool->activation_bits <= 3; /* multiplying pairs is faster above */
#else
    return pool->lookup != 0;
#endif
}

static plan planned(const nn_conv *c, const nn_pool *pool, uint8_t *at)
{
    plan p;
    const size_t filters = c->out_channels, channels = c->in_channels, groups = channels / NN_POOL_VECTOR;
    const size_t blocks = padded(c->out_width, 4), size = padded(pool->size, NN_POOL_CHUNK);
    const uint8_t *const start = at;
    for (int k = 0; k < ROWS; k++) {
        p.list[k] = (nn_pool_word *)(void *)at;
        at += filters * (3 * groups + (size_t)(k == 0 ? 1 : k == 2 ? 2 : 0)) * sizeof(nn_pool_word);
    }
    p.entries = (int32_t *)(void *)at;
    at += groups * size * NN_POOL_ENTRY * sizeof(int32_t);
    for (int k = 0; k < 2; k++) {
        p.sums[k] = (int32_t *)(void *)at;
        at += blocks * filters * sizeof(int32_t);
    }
    p.correction = (int32_t *)(void *)at;
    at += pool->lookup != 0 ? ROWS * filters * sizeof(int32_t) : 0;
    p.zero = (int8_t *)at;
    at += channels;
    p.row = (int8_t *)at;
    at += pool->activation_bits < 8 ? channels * c->in_width : 0;
    p.edge = (int8_t *)at;
    at += c->out_width % 4 != 0 ? padded(4 * filters, 8) : 0;
    p.bytes = (size_t)(at - start);
    return p;
}

size_t nn_conv3x3_pool_scratch(const nn_conv *c, const nn_pool *pool)
{
    uint64_t origin = 0; /* of no object: addresses are only subtracted */
    return planned(c, pool, (uint8_t *)&origin).bytes;
}

/* Addresses of table entries from packed indices, filter after filter. */
static void expand(const plan *p, const nn_conv *c, const nn_pool_weights *w, size_t size)
{
    const uint32_t bits = w->pool->index_bits, mask = (1u << bits) - 1u;
    const size_t groups = c->in_channels / NN_POOL_VECTOR;
    nn_pool_word *list[ROWS] = {p->list[0], p->list[1], p->list[2]};
    const uint8_t *from = w->indices;
    uint32_t held = 0, have = 0;
    for (size_t f = 0; f < c->out_channels; f++) {
        *list[0]++ = (nn_pool_word)(intptr_t)(c->requant.bias[f] * (NN_POOL_PAIRS ? 2 : 1));
        for (int k = 0; k < ROWS; k++) {
            nn_pool_word *to = list[k];
            for (int tap = 0; tap < 3; tap++) {
                const int32_t *entry = p->entries + NN_POOL_PAIRS + 2 - tap;
                for (size_t g = 0; g < groups; g++) {
                    if (have < bits) {
                        held |= (uint32_t)*from++ << have;
                        have += 8;
                    }
                    *to++ = (nn_pool_word)(entry + (held & mask) * NN_POOL_ENTRY);
                    held >>= bits;
                    have -= bits;
                    entry += size * NN_POOL_ENTRY;
                }
            }
            list[k] = to;
        }
        *list[2]++ = (nn_pool_word)c->requant.multiplier[f];
        *list[2]++ = (nn_pool_word)-c->requant.shift[f];
    }
}

/* What the lookup tables hold beyond the products: the lift, and the input offset that they lack. */
static void correct(const plan *p, const nn_conv *c, const nn_pool_tables *t, size_t size)
{
    const size_t filters = c->out_channels, taps = 3u * (c->in_channels / NN_POOL_VECTOR);
    nn_pool_word *begin = p->list[0];
    for (size_t f = 0; f < filters; f++, begin += taps + 1) {
        int32_t sum = 0;
        for (size_t k = 0; k < ROWS; k++) {
            int32_t part = t->outside * (int32_t)taps;
            if (t->zero != 0) {
                const nn_pool_word *list = p->list[k] + f * (taps + (k == 0 ? 1u : k == 2 ? 2u : 0u)) + (k == 0 ? 1 : 0);
                for (size_t i = 0; i < taps; i++) {
                    const size_t entry = (size_t)((const int32_t *)list[i] - p->entries) / NN_POOL_ENTRY % size;
                    int32_t weights = 0;
                    if (entry < (size_t)t->real_size)
                        for (size_t j = 0; j < NN_POOL_VECTOR; j++) weights += t->vectors[entry * NN_POOL_VECTOR + j];
                    part += weights * t->zero;
                }
            }
            p->correction[k * filters + f] = part;
            sum += part;
        }
        begin[0] = (nn_pool_word)((intptr_t)begin[0] - sum);
    }
}

static void add_correction(int32_t *sums, const int32_t *correction, size_t blocks, size_t filters)
{
    for (size_t b = 0; b < blocks; b++)
        for (size_t f = 0; f < filters; f++)
            for (int i = 0; i < 4; i++) *sums++ += correction[f];
}

static void fill_bias(int32_t *sums, const plan *p, size_t blocks, size_t filters, size_t taps, const int32_t *correction)
{
    for (size_t b = 0; b < blocks; b++)
        for (size_t f = 0; f < filters; f++)
            for (int i = 0; i < 4; i++)
                *sums++ = (int32_t)(intptr_t)p->list[0][f * (taps + 1)] + (correction ? correction[f] : 0);
}

/* Inputs rounded to their upper bits, a half upwards; the largest value stays within its bits. */
static void round_row(const int8_t *from, int8_t *to, size_t count, uint32_t bits)
{
    const uint32_t half = 0x80u >> bits, mask = 0x100u - (0x100u >> bits);
    for (size_t i = 0; i < count; i++) {
        uint32_t code = (uint32_t)(from[i] + 128) + half;
        code = (code > 255u ? 255u : code) & mask;
        to[i] = (int8_t)((int32_t)code - 128);
    }
}

static void tables_of_block(nn_pool_tables *t, const plan *p, const int8_t *row, int32_t column, int32_t width, int lookup)
{
    const int32_t channels = t->groups * NN_POOL_VECTOR;
    if (lookup) {
        if (column == 0) {
            nn_pool_outside(t, 5);
            t->a = row;
            nn_pool_lookup_pixel(t, 4);
        } else {
            nn_pool_shift(t);
        }
        for (int32_t i = 1; i <= 4; i++) {
            if (column + i >= width) {
                nn_pool_outside(t, 4 - i);
                continue;
            }
            t->a = row + (column + i) * channels;
            nn_pool_lookup_pixel(t, 4 - i);
        }
        return;
    }
    if (column == 0) {
        t->a = row;
        nn_pool_first(t);
    }
    t->a = column + 1 < width ? row + (column + 1) * channels : p->zero;
    t->b = column + 2 < width ? row + (column + 2) * channels : p->zero;
    nn_pool_pair_shift(t);
    t->a = column + 3 < width ? row + (column + 3) * channels : p->zero;
    t->b = column + 4 < width ? row + (column + 4) * channels : p->zero;
    if (column + 4 < width)
        nn_pool_pair(t);
    else
        nn_pool_last(t);
}

static void clamp(int8_t *codes, size_t count, int8_t least, int8_t most)
{
    for (size_t i = 0; i < count; i++) {
        int8_t code = codes[i];
        code = code < least ? least : code;
        codes[i] = code > most ? most : code;
    }
}

static void start_tables(nn_pool_tables *t, const nn_conv *c, const nn_pool *pool, int32_t *entries, int lookup)
{
    t->entry = entries;
    t->groups = c->in_channels / NN_POOL_VECTOR;
    t->real_size = pool->size;
    t->size = (int32_t)padded(pool->size, lookup ? NN_POOL_CHUNK : 16);
    t->vectors = pool->vectors;
    t->lookup = pool->lookup;
    t->bits = pool->activation_bits;
    t->offset = c->input_offset;
    t->offset_pair = (uint32_t)(uint16_t)c->input_offset * 0x10001u;
    t->zero = 128 - c->input_offset;
    t->outside = NN_POOL_LIFT * (256 - (256 >> t->bits)) * (NN_POOL_PAIRS ? 2 : 1);
    if (NN_POOL_PAIRS) t->zero *= 2;
#if NN_POOL_PAIRS
    if (lookup) return;
    uint32_t *to = (uint32_t *)(void *)entries;
    for (int32_t g = 0; g < t->groups; g++)
        for (int32_t s = 0; s < t->size; s++, to += NN_POOL_ENTRY) {
            if (g > 0) {
                const uint32_t *same = to - t->size * NN_POOL_ENTRY;
                to[0] = same[0], to[1] = same[1], to[2] = same[2], to[3] = same[3];
                continue;
            }
            const int8_t *v = t->vectors + s * NN_POOL_VECTOR;
            const int8_t none[NN_POOL_VECTOR] = {0};
            if (s >= t->real_size) v = none;
            for (int i = 0; i < 4; i++) {
                const int at = i / 2 * 4 + i % 2; /* channels 0, 2; 1, 3; 4, 6; 5, 7: as SXTB16 unpacks them */
                to[i] = ((uint32_t)(v[at] * 2) & 0xffffu) | (uint32_t)(v[at + 2] * 2) << 16;
            }
        }
#endif
}

void nn_conv3x3_pool(const nn_conv *c, const nn_pool_weights *w, const int8_t *input, int8_t *output, void *scratch)
{
    const nn_pool *pool = w->pool;
    const int lookup = by_lookup(pool);
    const plan p = planned(c, pool, (uint8_t *)scratch);
    const int32_t height = c->out_height, width = c->out_width, filters = c->out_channels, channels = c->in_channels;
    const size_t blocks = padded((size_t)width, 4) / 4, taps = 3u * (size_t)(channels / NN_POOL_VECTOR);
    nn_pool_tables t;
    start_tables(&t, c, pool, p.entries, lookup);
    expand(&p, c, w, (size_t)t.size);
    if (lookup) correct(&p, c, &t, (size_t)t.size);
    for (int32_t i = 0; i < channels; i++) p.zero[i] = (int8_t)-c->input_offset;
    int32_t *above = p.sums[0], *same = p.sums[1];
    fill_bias(same, &p, blocks, (size_t)filters, taps, lookup ? p.correction : 0);
    nn_pool_pass pass = {p.list[0], above, filters, channels / NN_POOL_VECTOR, c->requant.output_offset,
                         filters, 3 * filters, output, c->requant.least, c->requant.most};
    for (int32_t y = 0; y < height; y++) {
        const int8_t *row = input + y * width * channels;
        int8_t *done = output + (y - 1) * width * filters;
        if (pool->activation_bits < 8) {
            round_row(row, p.row, (size_t)(width * channels), pool->activation_bits);
            row = p.row;
        }
        for (int32_t x = 0; x < width; x += 4) {
            const int partial = x + 4 > width;
            tables_of_block(&t, &p, row, x, width, lookup);
            if (y > 0) {
                pass.list = p.list[2], pass.sums = above + x * filters;
                pass.output = partial ? p.edge : done + x * filters;
                nn_pool_finish(&pass);
                for (int32_t i = 0; partial && i < (width - x) * filters; i++) done[x * filters + i] = p.edge[i];
            }
            pass.list = p.list[1], pass.sums = same + x * filters;
            nn_pool_middle(&pass);
            if (y + 1 < height) {
                pass.list = p.list[0], pass.sums = above + x * filters;
                nn_pool_begin(&pass);
            }
        }
        int32_t *const swap = above;
        above = same;
        same = swap;
    }
    /* the last row has no input row below */
    if (lookup) add_correction(above, p.correction + 2 * filters, blocks, (size_t)filters);
    int8_t *done = output + (height - 1) * width * filters;
    for (int32_t x = 0; x < width; x += 4) {
        const int partial = x + 4 > width;
        pass.list = p.list[2], pass.sums = above + x * filters;
        pass.output = partial ? p.edge : done + x * filters;
        nn_pool_flush(&pass);
        for (int32_t i = 0; partial && i < (width - x) * filters; i++) done[x * filters + i] = p.edge[i];
    }
#if defined(__ARM_ARCH) && __ARM_ARCH >= 7
    if (c->requant.least > -128 || c->requant.most < 127)
        clamp(output, (size_t)(height * width * filters), c->requant.least, c->requant.most);
#else
    (void)clamp;
#endif
}
