// case: a fork child prints, plants and calls exit; buffers are flushed once
// planted: yes

#include "parts/host.h"
int main(void) { printf("buffered\n"); fflush(stdout); pid_t child = fork(); if (!child) { printf("child\n"); planted(); exit(3); } CHECK(ended(child) == 3); printf("parent\n"); fflush(stdout); return ok(); }
