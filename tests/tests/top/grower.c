/* Grows by a hundred blocks of 1,000 bytes in a hundredth of a second, and gives a block back at once from elsewhere; for a
 * minute at the most. Its first line is its process id, said when it has grown once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *GROWER(void)
{
    return malloc(1000);
}

void passer(void)
{
    char *passing = malloc(77);
    memset(passing, 1, 77);
    __asm__ volatile("" : : "r"(passing) : "memory");
    free(passing);
}

int main(void)
{
    static void *kept[600000];
    int at = 0;
    for (int round = 0; round < 6000; round++) {
        for (int each = 0; each < 100; each++)
            kept[at++] = GROWER();
        for (int each = 0; each < 300; each++)
            passer();
        if (round == 0) {
            printf("%d\n", getpid());
            fflush(stdout);
        }
        usleep(10000);
    }
    return kept[0] == 0;
}
