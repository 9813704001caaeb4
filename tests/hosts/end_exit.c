// case: a function far from main calls exit
// planted: yes
// held: frames of the recursion have room that is not written to
// possible: as above
// status: 4

#include "parts/host.h"
static void leave(int depth) { if (depth) leave(depth - 1); planted(); ok(); exit(4); }
int main(void) { churn(100); leave(50); }
