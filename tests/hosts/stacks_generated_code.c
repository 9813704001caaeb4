// case: generated code without unwind data calls malloc and the planting function
// planted: yes

#include "parts/host.h"
int main(void) {
    unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3, 0x48, 0x83, 0xec, 0x18, 0xff, 0xd6, 0x48, 0x83, 0xc4, 0x18, 0xc3};
    for (int i = 0; i < 50; i++) { char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memcpy(m, code, sizeof code); CHECK(!mprotect(m, 4096, PROT_READ | PROT_EXEC)); ((void (*)(void (*)(void)))m)(i == 25 ? planted : (void (*)(void))getpid); free(((void *(*)(size_t, void *(*)(size_t)))(m + 8))(100, malloc)); munmap(m, 4096); }
    return ok();
}
