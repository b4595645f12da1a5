/* Softmax of each row, in 32 bits: exponentials as gemmlowp's fixed-point library computes them (a Taylor polynomial
 * around -1/8 times powers of e), and a reciprocal by three of Newton's steps. The output's scale is 1/256 and its zero
 * point -128. Qn has n bits before the binary point. The output may be the input. No scratch. */
#include "nn.h"

/* exp(x) in Q0 of x in Q0 from -1/4 to 0 */
static int32_t polynomial(int32_t value) {
  const int32_t centre = 1895147668, third = 715827883; /* exp(-1/8) and 1/3, in Q0 */
  const int32_t x = value + (INT32_C(1) << 28), square = nn_product(x, x);
  const int32_t cube = nn_product(square, x), fourth = nn_halved(nn_product(square, square), 2);
  return centre + nn_product(centre, x + nn_halved(nn_product(fourth + cube, third) + square, 1));
}

/* exp(x) in Q0 of x <= 0 in Q5 */
static int32_t exponential(int32_t value) {
  static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int32_t quarter = INT32_C(1) << 24;
  const int32_t rest = (value & (quarter - 1)) - quarter, steps = rest - value;
  if (value == 0) return INT32_MAX;
  int32_t result = polynomial(nn_left(rest, 5));
  for (int32_t bit = 0; bit < 7; bit++)
    if (steps & (quarter << bit)) result = nn_product(result, powers[bit]);
  return result;
}

/* exp(-scale * below) in Q0, or -1 where it is negligible */
static int32_t power(const nn_softmax *l, int32_t below) {
  if (below > l->furthest) return -1;
  return exponential(nn_product(-below * (INT32_C(1) << l->scaling.shift), l->scaling.multiplier));
}

/* 1 / (total * 2^(31 - length)) in Q0 of a total of `length` bits */
static int32_t reciprocal(int32_t total, int32_t length) {
  const int32_t half = (int32_t)((uint32_t)total << (31 - length)); /* (1 + x) / 2 in Q0 */
  int32_t x = 1515870810 + nn_product(half, -1010580540); /* 48/17 - 32/17 * half, in Q2 */
  for (int32_t step = 0; step < 3; step++) x += nn_product(x, (INT32_C(1) << 29) - nn_product(half, x)) * 4;
  return x > INT32_MAX / 2 ? INT32_MAX : x * 2;
}

static void row_shares(const nn_softmax *l, const int8_t *input, int8_t *output) {
  int32_t largest = input[0], total = 0, length = 0;
  for (int32_t c = 1; c < l->columns; c++) largest = input[c] > largest ? input[c] : largest;
  for (int32_t c = 0; c < l->columns; c++) {
    const int32_t p = power(l, largest - input[c]);
    total += p < 0 ? 0 : nn_halved(p, 12);
  }
  while (length < 31 && total >> length) length++;
  const int32_t inverse = reciprocal(total, length);
  for (int32_t c = 0; c < l->columns; c++) {
    const int32_t p = power(l, largest - input[c]);
    const int32_t share = p < 0 ? 0 : nn_halved(nn_product(inverse, p), length + 3);
    output[c] = nn_clamped(share + INT8_MIN, INT8_MIN, INT8_MAX);
  }
}

void nn_softmax_s8(const nn_softmax *l, const int8_t *input, int8_t *output, void *scratch) {
  (void)scratch;
  for (int32_t row = 0; row < l->rows; row++) row_shares(l, input + row * l->columns, output + row * l->columns);
}
