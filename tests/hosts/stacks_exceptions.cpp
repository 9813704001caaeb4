// case: C++ exceptions through frames that allocate, nested, rethrown, in threads
// planted: yes
// flags: -pthread

#include "parts/host.h"
#include <stdexcept>
#include <string>
#include <thread>
__attribute__((noinline)) static void thrower(int n) { std::string s(100, 'x'); if (!n) throw std::runtime_error(s); try { thrower(n - 1); } catch (std::runtime_error &e) { std::string copy = e.what(); if (n % 3) throw; throw std::runtime_error(copy); } }
static void work() { for (int i = 0; i < 300; i++) try { thrower(i % 12); CHECK(0); } catch (std::exception &e) { CHECK(std::string(e.what()).size() == 100); } }
int main() { std::thread a(work), b(work); work(); a.join(); b.join(); planted(); return ok(); }
