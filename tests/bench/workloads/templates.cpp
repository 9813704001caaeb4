// What a compiler is given to do: headers full of templates, and some that are made use of.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>

int main() {
    std::regex pattern("a(b|c)*d[0-9]+");
    std::map<std::string, std::vector<std::function<int(int)>>> calls;
    calls["x"].push_back([](int a) { return a + 1; });
    std::unordered_map<std::string, std::map<int, std::string>> names;
    names["a"][1] = "b";
    std::smatch found;
    std::string text = "abbd12";
    std::cout << std::regex_match(text, found, pattern) << calls["x"][0](2) << names["a"][1];
}
