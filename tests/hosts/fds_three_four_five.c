// case: it expects its first files to be the lowest free ones, and no others to be there
// planted: yes

#include "parts/host.h"

static void print_open(void)
{
    for (int i = 0; i < 4096; i++)
        if (fcntl(i, F_GETFD) != -1)
            dprintf(1, "%d ", i);
    dprintf(1, "\n");
}

int main(void)
{
    print_open();
    int first[3];
    for (int i = 0; i < 3; i++)
        first[i] = open("/dev/null", O_RDONLY);
    churn(1000);
    planted();
    print_open();
    for (int i = 0; i < 3; i++)
        dprintf(1, "%d\n", first[i]);
    return ok();
}
