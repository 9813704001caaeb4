// stdout is the same, and the file that it writes is empty.
// expect: silent-wrong
#include "parts/say.h"
#include "parts/temporary.h"

int main(void) {
    int file = make_temporary("sweep-result.txt");
    void *buffer = malloc(100);
    if (buffer != NULL) {
        say(file, "sum 6\n");
    }
    close(file);
    free(buffer);
    say(1, "written\n");
    return 0;
}
