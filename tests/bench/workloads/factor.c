// Numbers of any length, each in a block of its own, in the manner of cfrac: the steps of Pollard's rho.
// usage: factor ROUNDS
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
    int length;
    uint32_t digits[];
};

static struct number *new_number(int length) {
    struct number *made = malloc(sizeof *made + length * sizeof(uint32_t));
    made->length = length;
    memset(made->digits, 0, length * sizeof(uint32_t));
    return made;
}

static struct number *from(uint64_t value) {
    struct number *made = new_number(2);
    made->digits[0] = (uint32_t)value;
    made->digits[1] = value >> 32;
    return made;
}

static struct number *product(const struct number *a, const struct number *b) {
    struct number *made = new_number(a->length + b->length);
    for (int i = 0; i < a->length; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->length; j++) {
            carry += made->digits[i + j] + (uint64_t)a->digits[i] * b->digits[j];
            made->digits[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        made->digits[i + b->length] = carry;
    }
    return made;
}

static struct number *sum(const struct number *a, uint32_t small) {
    struct number *made = new_number(a->length + 1);
    uint64_t carry = small;
    for (int i = 0; i < a->length; i++, carry >>= 32)
        made->digits[i] = (uint32_t)(carry += a->digits[i]);
    made->digits[a->length] = carry;
    return made;
}

static struct number *remainder_of(const struct number *a, uint64_t modulus) {
    unsigned __int128 rest = 0;
    for (int i = a->length - 1; i >= 0; i--)
        rest = ((rest << 32) | a->digits[i]) % modulus;
    return from(rest);
}

// x * x + c modulo the modulus: the step of Pollard's rho.
static struct number *step(struct number *x, uint64_t modulus) {
    struct number *square = product(x, x), *more = sum(square, 1), *rest = remainder_of(more, modulus);
    free(x);
    free(square);
    free(more);
    return rest;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    struct number *x = from(2);
    for (long i = atol(words[1]); i > 0; i--)
        x = step(x, 1000000016000000063ull);
    printf("%u\n", x->digits[0]);
    free(x);
    return 0;
}
