/* Conversions of analog.c that clip, a bit each, and what their gradients take back. */

#define WORD 32 /* places of a word of bits */

static int panels(const geometry *g) { return (g->flat + WORD - 1) / WORD; }

/* writes the bits of a block's conversions, `reads` a filter, whose first place is p */
INLINE void keep_clips(uint32_t *clips, const geometry *g, const uint32_t *found, size_t filter, int many, int reads, int p) {
    for (int f = 0; f < many; f++)
        for (int read = 0; read < reads; read++) clips[((filter + f) * reads + read) * panels(g) + p / WORD] |= found[f * reads + read] << p % WORD;
}

typedef struct { int32_t x, y, at; } tap; /* of a filter: distances from the output's first input, in places and in elements */

/* taps [first, last) of one conversion that clips, whose first input stands at (x, y); those of one column if `column` is 1 or -1 */
INLINE void take_back(const analog_layer *s, const tap *taps, int first, int last, int x, int y, int column, int sign, int inner, float gradient,
                      const float *inputs, const float *whole, const float *part, float *by_input, float *by_weight) {
    for (int k = first; k < last; k++) {
        if (!inner && ((unsigned)(x + taps[k].x) >= (unsigned)s->width || (unsigned)(y + taps[k].y) >= (unsigned)s->height)) continue;
        long at = (long)y * s->width + x + taps[k].at;
        float own = gradient;
        if (column) own = (whole[k] < 0) == (column < 0) ? own : 0;
        if (sign) own = (inputs[at] < 0) == (sign < 0) ? own : 0;
        by_input[at] -= own * part[k];
        by_weight[k] -= own * inputs[at];
    }
}

/* Gradients without what passed through clipped conversions, in place, in the units of the operands.

   inputs [batch][channels][height][width] and weights `whole` as gradients see them, `part`: of this conversion's slice. `sign`: of the inputs
   of this pass, 0: all. gradient [batch][filters][out rows][out columns]. Returns 1 without memory. */
int analog_take_back(const analog_layer *s, int sign, const uint32_t *clips, const float *gradient, const float *inputs, const float *whole,
                     const float *part, float *by_input, float *by_weight) {
    geometry g = geometry_of(s);
    int columns = s->separate ? 2 : 1, arrays = (g.taps + s->rows - 1) / s->rows;
    tap *taps = malloc(sizeof(tap) * g.taps);
    if (!taps) return 1;
    for (int k = 0; k < g.taps; k++) {
        int x = k % s->kernel_width * s->dilation_width, y = k / s->kernel_width % s->kernel_height * s->dilation_height;
        taps[k] = (tap){x, y, (k / (s->kernel_width * s->kernel_height) * s->height + y) * s->width + x};
    }
    for (int b = 0; b < s->batch; b++)
        for (int n = 0; n < s->filters; n++) {
            size_t image = ((size_t)b * s->channels + n / g.own * g.share) * s->height * s->width, filter = (size_t)n * g.taps;
            const float *map = gradient + ((size_t)b * s->filters + n) * s->out_height * s->out_width;
            for (int read = 0; read < arrays * columns; read++)
                for (int panel = 0; panel < panels(&g); panel++, clips++)
                    for (uint32_t word = *clips; word; word &= word - 1) {
                        int p = panel * WORD + __builtin_ctz(word), row = p / g.pitch, line = p % g.pitch;
                        if (line >= s->out_width || row >= s->out_height) continue;
                        int first = read / columns * s->rows, last = first + s->rows < g.taps ? first + s->rows : g.taps;
                        int x = line * s->stride_width - s->left, y = row * s->stride_height - s->top, column = s->separate ? 1 - 2 * (read % 2) : 0;
                        int inner = x >= 0 && y >= 0 && x + taps[g.taps - 1].x < s->width && y + taps[g.taps - 1].y < s->height;
                        float own = map[row * s->out_width + line];
#define TAKE(columns, signs, inside) \
    take_back(s, taps, first, last, x, y, columns, signs, inside, own, inputs + image, whole + filter, part + filter, by_input + image, by_weight + filter)
                        if (!column && !sign && inner) TAKE(0, 0, 1);
                        else TAKE(column, sign, inner);
                    }
        }
    free(taps);
    return 0;
}
