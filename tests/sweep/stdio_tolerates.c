// stdio does without its buffers.
// expect: tolerated
#include <stdio.h>

int main(void) {
    printf("sum %d\n", 6);
    puts("done");
    return 0;
}
