// case: new and free, malloc and delete, new[] and delete, sized and aligned mismatches
// planted: yes
// flags: -std=c++17 -Wno-mismatched-new-delete -Wno-sized-deallocation -Wno-free-nonheap-object

#include "parts/host.h"
#include <new>
int main() {
    for (int i = 0; i < 50; i++) {
        void *volatile p;
        p = ::operator new(i); free(p); p = malloc(i); ::operator delete(p); p = ::operator new[](i); ::operator delete(p);
        p = ::operator new(i); ::operator delete[](p); p = ::operator new(i); ::operator delete(p, size_t(i + 100));
        p = ::operator new(i, std::align_val_t(64)); ::operator delete(p); p = ::operator new(i, std::align_val_t(64)); free(p);
        p = malloc(i); ::operator delete(p, std::align_val_t(64)); p = ::operator new(i); p = realloc(p, 1000); free(p);
    }
    planted(); return ok();
}
