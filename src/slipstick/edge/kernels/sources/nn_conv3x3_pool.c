/* Pool convolution, 3x3 at stride 1 or 2: tables of products, gathered by index into rows of sums. At stride 2, even and
   odd input columns have tables of their own. A 1x1 convolution is the last kernel row alone, and its sums begin at 0. */
#include "nn_pool.h"

enum { ROWS = 3 };

typedef struct {
    nn_pool_word *list[ROWS];
    int32_t *entries;
    int32_t *sums[2];
    uint32_t *lookup;
    int32_t *correction; /* [ROWS][filters]: what the lookup tables' lift adds to a doubled sum */
    int8_t *zero;        /* a pixel outside */
    int8_t *row;         /* an input row of fewer bits */
    int8_t *edge;        /* outputs of a block that ends outside */
    size_t bytes;
} plan;

/* size filled up to a multiple of a power of two */
static size_t padded(size_t size, size_t step) { return (size + step - 1) & ~(step - 1); }

/* Kernel rows; indices of a filter in a row, and the addresses in its list, which are a multiple of three; tables. */
typedef struct {
    size_t rows, indices, taps, phases;
} shape;

static shape shape_of(const nn_conv *c)
{
    const size_t groups = c->in_channels / NN_POOL_VECTOR;
    const shape points = {1, groups, (groups + 2) / 3 * 3, 1}, square = {ROWS, 3 * groups, 3 * groups, c->stride_width};
    return c->kernel_height == 1 ? points : square;
}

uint8_t nn_pool_bits = 8;

/* Lower bits that no row of the lookup tables is read for. */
static int32_t dropped_bits(void) { return (8 - nn_pool_bits) / NN_POOL_STEP * NN_POOL_STEP; }

static void *taken(uint8_t **at, size_t bytes)
{
    uint8_t *const start = *at;
    *at += padded(bytes, sizeof(nn_pool_word));
    return start;
}

NN_POOL_COLD static plan planned(const nn_pool_conv *l, int lookup, uint8_t *at)
{
    plan p;
    const nn_conv *c = &l->conv;
    const size_t filters = c->out_channels, channels = c->in_channels, groups = channels / NN_POOL_VECTOR;
    const size_t columns = padded(c->out_width, NN_POOL_BLOCK), size = padded(l->size, lookup ? NN_POOL_CHUNK : 32);
    const shape s = shape_of(c);
    const uint8_t *const start = at;
    for (size_t k = 0; k < ROWS; k++)
        p.list[k] = taken(&at, k + s.rows < ROWS ? 0 : filters * (s.taps + (k == 2 ? NN_POOL_TAIL : 0u)) * sizeof(nn_pool_word));
    p.entries = taken(&at, (s.phases * groups * size + (s.taps - s.indices)) * NN_POOL_ENTRY * sizeof(int32_t));
    for (size_t k = 0; k < 2; k++) {
        const size_t used = k == 0 && (s.rows == 1 || s.phases == 2) ? 0 : s.rows == 1 ? NN_POOL_BLOCK : columns;
        p.sums[k] = taken(&at, used * filters * sizeof(int32_t));
    }
    p.lookup = taken(&at, lookup ? NN_POOL_LOOKUP_WORDS(l->size) * sizeof(uint32_t) : 0);
    p.correction = taken(&at, lookup ? s.rows * filters * sizeof(int32_t) : 0);
    p.zero = taken(&at, channels);
    p.row = taken(&at, channels * c->in_width);
    p.edge = taken(&at, columns > c->out_width ? NN_POOL_BLOCK * filters : 0);
    p.bytes = (size_t)(at - start);
    return p;
}

size_t nn_conv3x3_pool_scratch(const nn_pool_conv *layer, int lookup)
{
    nn_pool_word origin = 0; /* of no object: addresses are only subtracted */
    return planned(layer, lookup, (uint8_t *)&origin).bytes;
}

/* Indices are packed without gaps, least significant bit first. */
typedef struct {
    const uint8_t *from;
    uint32_t held, have, bits;
} index_reader;

static uint32_t next_index(index_reader *r)
{
    if (r->have < r->bits) {
        r->held |= (uint32_t)*r->from++ << r->have;
        r->have += 8;
    }
    const uint32_t index = r->held & ((1u << r->bits) - 1u);
    r->held >>= r->bits;
    r->have -= r->bits;
    return index;
}

/* Addresses of the entries of one kernel row's indices. Six bits and groups in fours: four indices in three bytes. */
NN_POOL_WEAK const uint8_t *nn_pool_expand_six(nn_pool_word *to, const nn_pool_word *entry, size_t groups, size_t step,
                                               const uint8_t *from)
{
    const nn_pool_word size = NN_POOL_ENTRY * sizeof(int32_t), next = (nn_pool_word)step;
    for (int tap = 0; tap < 3; tap++) {
        nn_pool_word at = entry[tap];
        for (size_t g = 0; g < groups; g += 4, to += 4, from += 3) {
            const nn_pool_word a = from[0], b = from[1], c = from[2];
            to[0] = at + (a & 63u) * size, at += next;
            to[1] = at + ((b << 2 | a >> 6) & 63u) * size, at += next;
            to[2] = at + ((c << 4 | b >> 4) & 63u) * size, at += next;
            to[3] = at + (c >> 2) * size, at += next;
        }
    }
    return from;
}

static void expand_row(nn_pool_word *to, const nn_pool_word *entry, size_t groups, size_t step, index_reader *r)
{
    const nn_pool_word size = NN_POOL_ENTRY * sizeof(int32_t), next = (nn_pool_word)step;
    if (groups % 4 == 0 && r->bits == 6) {
        r->from = nn_pool_expand_six(to, entry, groups, step, r->from);
        return;
    }
    for (int tap = 0; tap < 3; tap++) {
        nn_pool_word at = entry[tap];
        const nn_pool_word *const end = to + groups;
        if (r->bits == 8)
            for (; to < end; at += next) *to++ = at + *r->from++ * size;
        else
            for (; to < end; at += next) *to++ = at + next_index(r) * size;
    }
}

/* The same without neighbours, filled up with an entry of nothing. */
static void expand_points(nn_pool_word *to, nn_pool_word at, const shape *s, size_t step, index_reader *r, nn_pool_word none)
{
    for (size_t i = 0; i < s->taps; i++, at += (nn_pool_word)step)
        *to++ = i < s->indices ? at + next_index(r) * (nn_pool_word)(NN_POOL_ENTRY * sizeof(int32_t)) : none;
}

/* Where each tap of a kernel row finds the first column of a block in an entry, newest column first. */
static void place_taps(const plan *p, const nn_conv *c, nn_pool_word taps[3], size_t phase)
{
    const int32_t *const even = p->entries + NN_POOL_PAIRS, *const odd = even + phase;
    const int32_t *const first = c->kernel_width == 1 ? even + 1 : c->stride_width == 1 ? even + 2 : c->pad_left ? odd + 2 : even + 1;
    const int32_t *const second = c->stride_width == 1 ? even + 1 : c->pad_left ? even + 1 : odd + 1;
    taps[0] = NN_POOL_WORD(p->entries, first);
    taps[1] = NN_POOL_WORD(p->entries, second);
    taps[2] = NN_POOL_WORD(p->entries, c->stride_width == 1 ? even : first - 1);
}

/* Lists of addresses of table entries, filter after filter, from packed indices. */
static void expand(const plan *p, const nn_pool_conv *l, const uint8_t *indices, size_t size, nn_pool_word scale)
{
    const nn_conv *c = &l->conv;
    const size_t groups = c->in_channels / NN_POOL_VECTOR, step = size * NN_POOL_ENTRY * sizeof(int32_t);
    const shape s = shape_of(c);
    nn_pool_word *list[ROWS] = {p->list[0], p->list[1], p->list[2]};
    const nn_pool_word none = NN_POOL_WORD(p->entries, p->entries + s.phases * groups * size * NN_POOL_ENTRY);
    nn_pool_word first[3];
    place_taps(p, c, first, groups * size * NN_POOL_ENTRY);
    index_reader reader = {indices, 0, 0, l->index_bits};
    for (size_t f = 0; f < c->out_channels; f++) {
        for (size_t k = ROWS - s.rows; k < ROWS; k++) {
            if (s.rows == 1)
                expand_points(list[k], first[0], &s, step, &reader, none);
            else
                expand_row(list[k], first, groups, step, &reader);
            list[k] += s.taps;
        }
        const nn_pool_word shift = (nn_pool_word)-c->requant.shift[f];
        list[2][0] = (nn_pool_word)1 << 31;
        list[2][1] = (nn_pool_word)(2 * c->requant.output_offset + 1) << (shift - 1);
        list[2][2] = (nn_pool_word)c->requant.multiplier[f];
        list[2][3] = shift;
        list[2][4] = (nn_pool_word)(2 * c->requant.bias[f]);
        list[2][5] = scale;
        list[2] += NN_POOL_TAIL;
    }
}

static int32_t weights_sum(const int8_t *vector)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < NN_POOL_VECTOR; i++) sum += vector[i];
    return sum;
}

NN_POOL_COLD static void add_to_bias(const plan *p, size_t filters, size_t taps, const int32_t *correction, int32_t sign)
{
    nn_pool_word *bias = p->list[2] + taps + 4;
    for (size_t f = 0; f < filters; f++, bias += taps + NN_POOL_TAIL)
        *bias += (nn_pool_word)(sign * correction[f]);
}

/* What the lookup tables hold beyond the products: the lift, and the input's zero point. Taken out of the bias. */
NN_POOL_COLD static void correct(const plan *p, const nn_pool_conv *l, const uint8_t *indices, const nn_pool_tables *t, int32_t scale)
{
    const size_t filters = l->conv.out_channels;
    const shape s = shape_of(&l->conv);
    index_reader reader = {indices, 0, 0, l->index_bits};
    for (size_t f = 0; f < filters; f++)
        for (size_t k = 0; k < s.rows; k++) {
            int32_t weights = 0;
            for (size_t i = 0; t->zero != 0 && i < s.indices; i++)
                weights += weights_sum(l->vectors + next_index(&reader) * NN_POOL_VECTOR);
            p->correction[k * filters + f] = t->outside * (int32_t)s.indices * scale + 2 * t->zero * weights;
        }
    for (size_t k = 0; k < s.rows; k++) add_to_bias(p, filters, s.taps, p->correction + k * filters, -1);
}

/* Inputs rounded to their upper bits. */
static void round_row(const int8_t *from, int8_t *to, size_t count, uint32_t bits)
{
    const uint32_t *word = (const uint32_t *)(const void *)from;
    uint32_t *out = (uint32_t *)(void *)to;
    for (size_t i = 0; i < count; i += 4) *out++ = nn_pool_rounded(*word++ ^ 0x80808080u, bits) ^ 0x80808080u;
}

/* Input columns that a table is made of: all of a row, or every other one. */
typedef struct {
    const int8_t *first;
    int32_t step, count; /* bytes from column to column */
} columns;

NN_POOL_EACH static inline void look_up_block(nn_pool_tables *t, const columns *c, int32_t column)
{
    if (column == 0) {
        nn_pool_outside(t, NN_POOL_BLOCK + 1);
        t->a = c->first;
        nn_pool_lookup_pixel(t, NN_POOL_BLOCK);
    } else {
        nn_pool_shift(t);
    }
    for (int32_t i = 1; i <= NN_POOL_BLOCK; i++) {
        t->a = c->first + (column + i) * c->step;
        if (column + i < c->count)
            nn_pool_lookup_pixel(t, NN_POOL_BLOCK - i);
        else
            nn_pool_outside(t, NN_POOL_BLOCK - i);
    }
}

static const int8_t *pixel(const plan *p, const columns *c, int32_t column)
{
    return column >= 0 && column < c->count ? c->first + column * c->step : p->zero;
}

NN_POOL_EACH static inline void multiply_block(nn_pool_tables *t, const plan *p, const columns *c, int32_t column)
{
#if NN_POOL_PAIRS
    if (column == 0) {
        t->a = c->first;
        nn_pool_first(t);
    }
    t->a = pixel(p, c, column + 1), t->b = pixel(p, c, column + 2);
    nn_pool_pair_shift(t);
    t->a = pixel(p, c, column + 3), t->b = pixel(p, c, column + 4);
    if (column + 4 < c->count)
        nn_pool_pair(t);
    else
        nn_pool_last(t);
#else
    int32_t i = column == 0 ? -1 : 1;
    if (column > 0) nn_pool_shift(t);
    for (; i <= NN_POOL_BLOCK; i += 2) {
        t->a = pixel(p, c, column + i), t->b = pixel(p, c, column + i + 1);
        nn_pool_pair(t, NN_POOL_BLOCK - 1 - i);
    }
#endif
}

NN_POOL_COLD static void clamp(int8_t *codes, size_t count, int8_t least, int8_t most)
{
    for (size_t i = 0; i < count; i++) {
        int8_t code = codes[i];
        code = code < least ? least : code;
        codes[i] = code > most ? most : code;
    }
}

NN_POOL_ONCE static void start_tables(nn_pool_tables *t, const nn_pool_conv *l, const plan *p, int lookup)
{
    const nn_conv *c = &l->conv;
    t->entry = p->entries;
    t->groups = c->in_channels / NN_POOL_VECTOR;
    t->real_size = l->size;
    t->size = (int32_t)padded(l->size, lookup ? NN_POOL_CHUNK : 32);
    t->vectors = l->vectors;
    t->lookup = p->lookup;
    t->bits = nn_pool_bits;
    t->offset = c->input_offset;
    t->offset_pair = (uint32_t)(uint16_t)c->input_offset * 0x10001u;
    t->zero = 128 - c->input_offset;
    t->dropped = dropped_bits();
    t->outside = NN_POOL_LIFT * ((1 << (8 - t->dropped)) - 1) / (NN_POOL_STEP == 1 ? 1 : 3) * NN_POOL_STEP;
    const shape form = shape_of(c);
    int32_t *const behind = p->entries + (int32_t)form.phases * t->groups * t->size * NN_POOL_ENTRY;
    for (int i = 0; form.taps > form.indices && i < NN_POOL_ENTRY; i++) behind[i] = 0;
    if (lookup) {
        nn_pool_prepare(l->vectors, l->size, p->lookup);
#if NN_POOL_STEP == 1
        /* products of few bits may be written as halves of words */
        for (int32_t i = 0; i < (int32_t)form.phases * t->groups * t->size * NN_POOL_ENTRY; i += 8)
            for (int k = 0; k < 8; k++) p->entries[i + k] = 0;
#endif
    }
#if NN_POOL_PAIRS
    if (lookup) return;
    const int8_t none[NN_POOL_VECTOR] = {0};
    uint32_t *first = (uint32_t *)(void *)p->entries;
    for (int32_t s = 0; s < t->size; s++, first += NN_POOL_ENTRY) {
        const int8_t *v = s < t->real_size ? t->vectors + s * NN_POOL_VECTOR : none;
        uint32_t pair[NN_POOL_PAIRS], *to = first;
        for (int i = 0; i < NN_POOL_PAIRS; i++) {
            const int at = i / 2 * 4 + i % 2; /* channels 0, 2; 1, 3; 4, 6; 5, 7: as SXTB16 unpacks them */
            pair[i] = ((uint32_t)v[at] & 0xffffu) | (uint32_t)v[at + 2] << 16;
        }
        for (int32_t g = 0; g < t->groups * (int32_t)form.phases; g++, to += t->size * NN_POOL_ENTRY)
            to[0] = pair[0], to[1] = pair[1], to[2] = pair[2], to[3] = pair[3];
    }
#endif
}

typedef struct {
    const nn_pool_conv *layer;
    plan p;
    nn_pool_tables tables;
    nn_pool_pass pass;
    int32_t *above, *same; /* sums of the output rows above and beside an input row; at stride 2, of one row */
    int rounds;            /* whether inputs are rounded before they are multiplied */
    int32_t *odd;          /* tables of odd columns, at stride 2 */
    uint32_t missing;      /* kernel rows outside the image, whose lift the bias has at present */
    int8_t *output;
    int lookup;
} run;

/* Finish a block of an output row with `function`, where the row may end within it. */
static void write_block(run *r, int32_t y, int32_t x, void (*function)(const nn_pool_pass *))
{
    const int32_t width = r->layer->conv.out_width, filters = r->layer->conv.out_channels;
    int8_t *const output = r->output + (y * width + x) * filters;
    const int partial = x + NN_POOL_BLOCK > width;
    r->pass.list = r->p.list[2], r->pass.sums = r->layer->conv.kernel_height == 1 ? r->above : r->above + x * filters;
    r->pass.output = partial ? r->p.edge : output;
    function(&r->pass);
    for (int32_t i = 0; partial && i < (width - x) * filters; i++) output[i] = r->p.edge[i];
}

NN_POOL_EACH static inline void table_block(run *r, const columns *c, int32_t column, const int lookup)
{
    if (lookup)
        look_up_block(&r->tables, c, column);
    else
        multiply_block(&r->tables, &r->p, c, column);
}

/* The output row that kernel row k of an input row belongs to; -1: none. */
static int32_t output_row(const nn_conv *c, int32_t y, int32_t k)
{
    const int32_t at = y + c->pad_top - k + ROWS - c->kernel_height;
    if (k + c->kernel_height < ROWS) return -1;
    return at >= 0 && at % c->stride_height == 0 && at / c->stride_height < c->out_height ? at / c->stride_height : -1;
}

/* Take the lift of kernel rows that lie outside the image out of the bias, for an output row. */
static void lift_for(run *r, int32_t y)
{
    const nn_conv *c = &r->layer->conv;
    const size_t filters = c->out_channels;
    uint32_t missing = 0;
    for (int32_t k = 0; r->lookup && c->kernel_height == ROWS && k < ROWS; k++) {
        const int32_t row = y * c->stride_height - c->pad_top + k;
        if (row < 0 || row >= c->in_height) missing |= 1u << k;
    }
    for (uint32_t k = 0; k < ROWS; k++)
        if (((missing ^ r->missing) >> k & 1u) != 0)
            add_to_bias(&r->p, filters, 3u * (size_t)r->tables.groups, r->p.correction + k * filters, (missing >> k & 1u) != 0 ? 1 : -1);
    r->missing = missing;
}

/* Products of a row of inputs, block by block, into the output rows that it belongs to. */
NN_POOL_EACH static inline void input_row(run *r, const int8_t *row, int32_t y, const int lookup)
{
    const nn_conv *c = &r->layer->conv;
    const int32_t width = c->in_width, channels = c->in_channels, filters = c->out_channels, stride = c->stride_width;
    const int32_t finished = output_row(c, y, 2), middle = output_row(c, y, 1), begun = output_row(c, y, 0);
    if (finished < 0 && middle < 0 && begun < 0) return;
    if (!lookup && r->rounds) {
        round_row(row, r->p.row, (size_t)(width * channels), (uint32_t)r->tables.bits);
        row = r->p.row;
    }
    if (finished >= 0) lift_for(r, finished);
    const columns even = {row, stride * channels, (width + stride - 1) / stride};
    const columns odd = {row + channels, stride * channels, width / 2};
    const int first = middle == 0 && c->pad_top == 1; /* the output row has no kernel row above this one */
    for (int32_t x = 0; x < c->out_width; x += NN_POOL_BLOCK) {
        table_block(r, &even, x, lookup);
        if (stride == 2 && c->kernel_width == ROWS) {
            r->tables.entry = r->odd;
            table_block(r, &odd, x, lookup);
            r->tables.entry = r->p.entries;
        }
        if (finished >= 0) write_block(r, finished, x, nn_pool_finish);
        if (middle < 0 && begun < 0) continue;
        r->pass.list = r->p.list[1], r->pass.sums = r->same + x * filters;
        if (first)
            nn_pool_begin(&r->pass);
        else if (middle >= 0)
            nn_pool_middle(&r->pass);
        r->pass.list = r->p.list[0], r->pass.sums = r->above + x * filters;
        if (begun >= 0) nn_pool_begin(&r->pass);
    }
    int32_t *const swap = r->above; /* row y is above row y + 1, whose sums begin where those of row y - 1 were */
    r->above = r->same;
    r->same = swap;
}

NN_POOL_ONCE static void start(run *r, const uint8_t *indices)
{
    const nn_conv *c = &r->layer->conv;
    const int32_t filters = c->out_channels, scale = r->lookup ? 2 << dropped_bits() : 2;
    start_tables(&r->tables, r->layer, &r->p, r->lookup);
    expand(&r->p, r->layer, indices, (size_t)r->tables.size, (nn_pool_word)scale);
    if (r->lookup) correct(&r->p, r->layer, indices, &r->tables, scale);
    for (int32_t i = 0; i < c->in_channels; i++) r->p.zero[i] = (int8_t)-c->input_offset;
    r->above = r->p.sums[c->stride_height == 1 && c->kernel_height == ROWS ? 0 : 1], r->same = r->p.sums[1], r->missing = 0;
    for (int32_t i = 0; c->kernel_height == 1 && i < NN_POOL_BLOCK * filters; i++) r->above[i] = 0;
    r->odd = r->p.entries + r->tables.groups * r->tables.size * NN_POOL_ENTRY;
    nn_pool_pass pass = {r->p.list[0], r->above, filters, (int32_t)shape_of(c).taps / 3, filters, 3 * filters,
                         r->output, c->requant.least, c->requant.most, r->p.entries};
    r->pass = pass;
}

NN_POOL_EACH static inline void compute(const nn_pool_conv *l, const uint8_t *indices, const int8_t *input,
                                        int8_t *output, void *scratch, int lookup, int rounds)
{
    const nn_conv *c = &l->conv;
    run r;
    if (((128 - c->input_offset) & ((1 << dropped_bits()) - 1)) != 0) lookup = 0; /* padding between two steps */
    r.layer = l, r.output = output, r.lookup = lookup, r.rounds = rounds;
    r.p = planned(l, lookup, (uint8_t *)scratch);
    start(&r, indices);
    const int32_t height = c->out_height, line = c->in_width * c->in_channels;
    for (int32_t y = 0; y < c->in_height; y++) input_row(&r, input + y * line, y, lookup);
    if ((height - 1) * c->stride_height - c->pad_top + c->kernel_height - 1 >= c->in_height) { /* no input row below the last output row */
        lift_for(&r, height - 1);
        for (int32_t x = 0; x < c->out_width; x += NN_POOL_BLOCK) write_block(&r, height - 1, x, nn_pool_flush);
    }
#if defined(__ARM_ARCH) && __ARM_ARCH >= 7
    if (c->requant.least > -128 || c->requant.most < 127)
        clamp(output, (size_t)height * c->out_width * c->out_channels, c->requant.least, c->requant.most);
#else
    (void)clamp;
#endif
}

#define KERNEL(name, lookup)                                                                                       \
    void name(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch) \
    {                                                                                                              \
        compute(layer, (const uint8_t *)indices, input, output, scratch, lookup, nn_pool_bits < 8);                \
    }

KERNEL(nn_conv3x3_pool, 0)
KERNEL(nn_conv1x1_pool, 0)
#if NN_POOL_PAIRS
KERNEL(nn_conv3x3_pool_dsp, 0)
KERNEL(nn_conv1x1_pool_dsp, 0)
KERNEL(nn_conv3x3_pool_bits, 0) /* the same codes */
KERNEL(nn_conv1x1_pool_bits, 0)
/* Tables by lookup where that takes fewer instructions; inputs are rounded at any width, so that less never takes more. */
void nn_conv3x3_pool_bits_dsp(const nn_pool_conv *layer, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch)
{
    if (nn_pool_bits > 4)
        compute(layer, (const uint8_t *)indices, input, output, scratch, 0, 1);
    else
        compute(layer, (const uint8_t *)indices, input, output, scratch, 1, 1);
}
#elif NN_POOL_STEP == 2
KERNEL(nn_conv3x3_pool_wide, 1)
KERNEL(nn_conv1x1_pool_wide, 1)
#else
KERNEL(nn_conv3x3_pool_bits, 1)
KERNEL(nn_conv1x1_pool_bits, 1)
#endif
