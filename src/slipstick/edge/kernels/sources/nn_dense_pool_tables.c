/* Dense layer whose weights are indices into a pool: the products of all vectors with a row's inputs first, eight inputs at
   a time, then each filter adds up those that its indices name. Pays where filters are more than half of the vectors.
   Scratch: a word for each vector and eight inputs. */
#include "nn_pool.h"

static void multiply(const nn_pool_conv *l, const int8_t *input, int32_t *product)
{
    const int32_t offset = l->conv.input_offset;
    for (int32_t left = l->conv.in_channels; left > 0; left -= NN_POOL_VECTOR, input += NN_POOL_VECTOR) {
        const int32_t a = input[0] + offset, b = input[1] + offset, c = input[2] + offset, d = input[3] + offset;
        const int32_t e = input[4] + offset, f = input[5] + offset, g = input[6] + offset, h = input[7] + offset;
        const int8_t *v = l->vectors;
        for (const int32_t *const end = product + l->size; product < end; v += NN_POOL_VECTOR)
            *product++ = v[0] * a + v[1] * b + v[2] * c + v[3] * d + v[4] * e + v[5] * f + v[6] * g + v[7] * h;
    }
}

void nn_dense_pool_tables(const nn_pool_conv *l, const int8_t *indices, const int8_t *input, int8_t *output, void *scratch)
{
    const nn_conv *c = &l->conv;
    const nn_requant *q = &c->requant;
    const uint32_t bits = l->index_bits, mask = (1u << bits) - 1u, size = l->size;
    const int32_t *const end = (const int32_t *)scratch + (size_t)(c->in_channels / NN_POOL_VECTOR) * size;
    for (int32_t row = 0; row < c->in_height; row++, input += c->in_channels) {
        const uint8_t *from = (const uint8_t *)indices;
        uint32_t held = 0, have = 0;
        multiply(l, input, scratch);
        for (int32_t f = 0; f < c->out_channels; f++) {
            int32_t sum = q->bias[f];
            for (const int32_t *product = scratch; product < end; product += size) {
                if (have < bits) {
                    held |= (uint32_t)*from++ << have;
                    have += 8;
                }
                sum += product[held & mask];
                held >>= bits;
                have -= bits;
            }
            const int32_t code = nn_scaled_once(sum, q->multiplier[f], q->shift[f]) + q->output_offset;
            *output++ = nn_clamped(code, q->least, q->most);
        }
    }
}
