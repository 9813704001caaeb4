// Everything is caught, and nothing said.
// expect: silent-wrong
#include <string>
#include "parts/say.h"

static APART std::string words() {
    try {
        return std::string(100, 'x') + "\n";
    } catch (...) {
        return "\n";
    }
}

int main() {
    say(1, words().c_str());
    return 0;
}
