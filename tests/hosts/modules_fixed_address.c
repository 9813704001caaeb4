// case: the program is linked for a fixed address
// planted: yes
// flags: -no-pie

#include "parts/host.h"
int main(void) { churn(200); planted(); return ok(); }
