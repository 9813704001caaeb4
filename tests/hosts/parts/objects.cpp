// A library with static objects.
#include <string>
#include <vector>
struct Kept { std::vector<std::string> all; Kept() { for (int i = 0; i < 50; i++) all.push_back(std::string(200, 'y')); } ~Kept() { all.clear(); } };
static Kept kept;
static thread_local std::string own(300, 'z');
extern "C" const char *own_text() { return own.c_str(); }
