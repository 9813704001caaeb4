// A library with a thread-local variable that holds, reached through __tls_get_addr.
#include "../leaks.h"

static __thread void *volatile slots[8];

void hold_in_tls(hidden address) {
    put(&slots[5], address);
    clobber();
}
