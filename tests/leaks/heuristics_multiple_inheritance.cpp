// A pointer to the second base of an object holds it: object and base both begin with a table of functions. A pointer
// to another member is one to the inside.
// expect 2016: reachable
// expect 1008: possible
// valgrind: same
#include "leaks.h"

struct First {
    virtual void one() { number = 1; }
    virtual void two() { number = 2; }
    long number;
};

struct Second {
    virtual void three() { number = 3; }
    virtual void four() { number = 4; }
    long number;
};

template <int bytes> struct Both : First, Second {
    void two() override { number(); }
    void four() override { number(); }
    void number() { rest[0] = 1; }
    long rest[(bytes - 32) / 8];
};

static Second *volatile base;
static long *volatile member;

static APART void make() {
    base = new Both<2016>();
    Both<1008> *object = new Both<1008>();
    member = &object->rest[1];
    WIPE();
}

int main() {
    make();
    clobber();
    return 0;
}
