// case: it expects its first files to be 3, 4 and 5
// planted: yes

#include "parts/host.h"
int main(void) { for (int i = 3; i < 6; i++) CHECK(open("/dev/null", O_RDONLY) == i); churn(1000); planted(); CHECK(open("/dev/null", O_RDONLY) == 6); for (int i = 7; i < 256; i++) CHECK(fcntl(i, F_GETFD) == -1); return ok(); }
