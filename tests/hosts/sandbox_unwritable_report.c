// case: the file for the report cannot be written
// planted: run
// env: MEMTRACE_OUT=/proc/no/such/place

#include "parts/host.h"
int main(void) { planted(); return ok(); }
