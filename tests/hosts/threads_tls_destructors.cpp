// case: destructors of thread-specific data and of thread_local objects allocate and free
// planted: yes
// flags: -pthread -std=c++17

#include "parts/host.h"
#include <string>
#include <thread>
static pthread_key_t keys[5]; static int rounds;
static void done(void *p) { free(p); churn(20); if (__sync_fetch_and_add(&rounds, 1) == 7) planted(); if (rounds < 100) pthread_setspecific(keys[rounds % 5], malloc(10)); }
struct Local { std::string text = std::string(500, 'x'); ~Local() { std::string copy = text + text; CHECK(copy.size() == 1000); } };
static thread_local Local local;
int main() {
    for (auto &key : keys) CHECK(!pthread_key_create(&key, done));
    for (int i = 0; i < 20; i++) std::thread([] { CHECK(local.text.size() == 500); for (auto &key : keys) pthread_setspecific(key, malloc(10)); }).join();
    CHECK(rounds >= 100); return ok();
}
