// case: operators new and delete in all forms, a new-handler, and std::bad_alloc
// planted: yes
// flags: -std=c++17 -Wno-mismatched-new-delete

#include "parts/host.h"
#include <new>
static int handled;
static void handler() { if (++handled == 3) std::set_new_handler(nullptr); }
struct alignas(256) Wide { char c[300]; };
struct Thrower { Thrower() { throw 5; } };
int main() {
    volatile size_t huge = size_t(-1) / 4;
    for (int i = 0; i < 100; i++) {
        ::operator delete(::operator new(i)); ::operator delete[](::operator new[](i));
        ::operator delete(::operator new(i), size_t(i)); ::operator delete[](::operator new[](i), size_t(i));
        ::operator delete(::operator new(i, std::nothrow), std::nothrow); ::operator delete[](::operator new[](i, std::nothrow), std::nothrow);
        auto a = std::align_val_t(64);
        void *p = ::operator new(i, a); CHECK(uintptr_t(p) % 64 == 0); ::operator delete(p, a);
        p = ::operator new[](i, a); ::operator delete[](p, size_t(i), a); p = ::operator new(i, a, std::nothrow); ::operator delete(p, a, std::nothrow);
    }
    delete new Wide; delete[] new Wide[3]; ::operator delete(nullptr);
    try { new Thrower; CHECK(0); } catch (int i) { CHECK(i == 5); }
    try { new Thrower[4]; CHECK(0); } catch (int i) { CHECK(i == 5); }
    CHECK(!::operator new(huge, std::nothrow) && !::operator new[](huge, std::align_val_t(128), std::nothrow));
    try { (void)::operator new(huge); CHECK(0); } catch (std::bad_alloc &) {}
    std::set_new_handler(handler);
    try { (void)::operator new[](huge); CHECK(0); } catch (std::bad_alloc &) { CHECK(handled == 3); }
    handled = 0; std::set_new_handler(handler);
    try { (void)::operator new(huge, std::align_val_t(64)); CHECK(0); } catch (std::bad_alloc &) { CHECK(handled == 3); }
    std::set_new_handler([] { throw 9; });
    try { (void)::operator new(huge); CHECK(0); } catch (int i) { CHECK(i == 9); }
    try { volatile int n = -1; (void)new int[n]; CHECK(0); } catch (std::bad_array_new_length &) {}
    planted(); return ok();
}
