// case: constructors and destructors of static objects allocate and free, in the program and in a library that is closed
// planted: yes
// flags: -std=c++17
// library: objects.so parts/objects.cpp -std=c++17

#include "parts/host.h"
#include <map>
#include <string>
struct Kept { std::map<int, std::string> all; Kept() { for (int i = 0; i < 100; i++) all[i] = std::string(100, 'x'); } ~Kept() { if (all.size() != 100) _exit(9); all.clear(); ok(); } };
static Kept kept;
int main() { for (int i = 0; i < 20; i++) { void *m = dlopen("./objects.so", RTLD_NOW); CHECK(m); CHECK(!dlclose(m)); } planted(); return 0; }
