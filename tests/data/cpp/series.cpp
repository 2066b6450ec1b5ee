// Tells of each line of durations whether it is steady.
#include <iostream>
#include <sstream>
#include <string>

#include "series.h"

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream stream(line);
        std::vector<int64_t> durations;
        for (int64_t duration; stream >> duration;) durations.push_back(duration);
        std::cout << steady(durations) << '\n';
    }
}
