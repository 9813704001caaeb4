// case: it takes all of a limited address space in small blocks, survives the failure, and gives it back
// planted: yes

#include "parts/host.h"
int main(void) {
    planted(); struct rlimit r = {300 << 20, 300 << 20}; CHECK(!setrlimit(RLIMIT_AS, &r)); void **head = 0, **p; long n = 0;
    while ((p = malloc(200))) { *p = head; head = p; n++; } CHECK(errno == ENOMEM && n > 100000);
    while (head) { p = *head; free(head); head = p; } churn(1000); return ok();
}
