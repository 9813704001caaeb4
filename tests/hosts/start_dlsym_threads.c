// case: several threads call dlsym and dlopen at once, at the start
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *unused) {
    (void)unused;
    for (int i = 0; i < 200; i++) {
        CHECK(dlsym(RTLD_DEFAULT, "malloc") && dlsym(RTLD_NEXT, "free") && !dlsym(RTLD_DEFAULT, "no_such_function"));
        dlerror();
        void *m = dlopen("libm.so.6", RTLD_NOW); CHECK(m && dlsym(m, "cos")); dlclose(m);
    }
    return 0;
}
int main(void) { pthread_t t[8]; for (int i = 0; i < 8; i++) CHECK(!pthread_create(&t[i], 0, work, 0)); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); planted(); return ok(); }
