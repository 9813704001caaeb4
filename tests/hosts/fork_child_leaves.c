// case: a fork child that plants calls _exit; what stdio holds stays unwritten
// planted: yes

#include "parts/host.h"
int main(void) { printf("not twice\n"); pid_t child = fork(); if (!child) { planted(); _exit(4); } CHECK(ended(child) == 4); fflush(stdout); return ok(); }
