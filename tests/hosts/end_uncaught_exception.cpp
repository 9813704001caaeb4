// case: an exception is not caught
// planted: yes
// status: SIGABRT

#include "parts/host.h"
#include <stdexcept>
__attribute__((noinline)) static void thrower(int n) { if (n) thrower(n - 1); throw std::runtime_error("uncaught"); }
int main() { planted(); ok(); thrower(5); }
