// case: main plants, says so, and returns 0
// planted: yes

#include "parts/host.h"
int main(void) { churn(100); planted(); return ok(); }
