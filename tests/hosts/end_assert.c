// case: an assertion fails
// planted: yes
// status: SIGABRT

#include "parts/host.h"
#include <assert.h>
int main(void) { struct rlimit r = {0, 0}; setrlimit(RLIMIT_CORE, &r); planted(); ok(); assert(!"never"); }
