// The standard containers: string, map, vector, unordered_map.
// usage: containers ELEMENTS
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

int main(int count, char **words) {
    long elements = count > 1 ? std::atol(words[1]) : 300000;
    std::size_t sum = 0;
    for (int round = 0; round < 4; round++) {
        std::map<std::string, std::vector<int>> by_name;
        std::unordered_map<int, std::string> by_number;
        for (long i = 0; i < elements / 4; i++) {
            std::string name = "key number " + std::to_string((i * 7919) % 100003) + " of many";
            by_name[name].push_back(static_cast<int>(i));
            by_number[static_cast<int>(i % 50021)] = name + "x";
        }
        for (auto &entry : by_name) {
            std::vector<std::string> copies;
            for (int i = 0; i < 4; i++)
                copies.push_back(entry.first);
            sum += entry.second.size() + copies.size();
        }
        sum += by_number.size();
    }
    std::printf("%zu\n", sum);
}
