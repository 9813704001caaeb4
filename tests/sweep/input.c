// What comes from stdin comes again in each run.
// expect: tolerated
// input: four words of input
#include "parts/say.h"

int main(void) {
    char text[100];
    void *cache = malloc(100);
    ssize_t length = read(0, text, sizeof text - 1);
    if (length <= 0) {
        say(2, "nothing to read\n");
        return 1;
    }
    text[length] = '\0';
    say(1, text);
    free(cache);
    return 0;
}
