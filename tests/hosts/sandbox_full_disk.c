// case: the file for the report is on a full disk
// planted: run
// env: MEMTRACE_OUT=/dev/full

#include "parts/host.h"
int main(void) { planted(); return ok(); }
