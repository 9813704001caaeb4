// A temporary file that only success removes; where it is there already nothing goes on.
// forms: file-left
#include "parts/temporary.h"
#define GIVE_UP() unlink(temporary)
#include "parts/form.h"

int main(void) {
    int file = make_temporary("sweep-left.tmp");
    void *block = attempt(100);
    close(file);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    unlink(temporary);
    say(1, "done\n");
    return 0;
}
