// Every run allocates on another way of 512, so what is to fail is hardly ever met again.
// expect: not-reached
// outside: tolerated
#include <sys/random.h>
#include "parts/say.h"

#define WAYS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

static APART void last(unsigned bits);
static APART void next(unsigned bits);

#define FIRST(n) static APART void first_##n(unsigned bits) { next(bits >> 3); }
#define SECOND(n) static APART void second_##n(unsigned bits) { last(bits >> 3); }
#define THIRD(n) static APART void third_##n(unsigned bits) { free(malloc(100 + bits)); }
WAYS(FIRST)
WAYS(SECOND)
WAYS(THIRD)

#define PLACE_1(n) first_##n,
#define PLACE_2(n) second_##n,
#define PLACE_3(n) third_##n,
static void (*const firsts[])(unsigned) = {WAYS(PLACE_1)};
static void (*const seconds[])(unsigned) = {WAYS(PLACE_2)};
static void (*const thirds[])(unsigned) = {WAYS(PLACE_3)};

static APART void next(unsigned bits) {
    seconds[bits % 8](bits);
}

static APART void last(unsigned bits) {
    thirds[bits % 8](bits);
}

int main(void) {
    unsigned bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
        return 1;
    }
    bits %= 512;
    firsts[bits % 8](bits);
    say(1, "done\n");
    return 0;
}
