// case: it ends by quick_exit, with a handler that allocates
// planted: yes
// status: 7

#include "parts/host.h"
static void last(void) { churn(10); planted(); ok(); }
int main(void) { at_quick_exit(last); quick_exit(7); }
