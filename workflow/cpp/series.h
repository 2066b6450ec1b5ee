// The rule by which a warm-up ends: `steady` of `measuring/series.py`, which tells where it comes from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

constexpr size_t BATCH = 5, STEADY_FROM = 5 * BATCH;  // with fewer batches the rule can only say yes

inline bool steady(const std::vector<int64_t>& durations) {
    const size_t count = durations.size() / BATCH, first = durations.size() - count * BATCH;
    if (durations.size() < STEADY_FROM) return false;
    std::vector<double> medians;
    for (size_t batch = 0; batch < count; ++batch) {
        std::vector<int64_t> part(&durations[first + batch * BATCH], &durations[first + batch * BATCH] + BATCH);
        std::nth_element(part.begin(), part.begin() + BATCH / 2, part.end());
        medians.push_back(static_cast<double>(part[BATCH / 2]));
    }
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t start = 0; start + 1 < count; ++start) {
        const double rest = static_cast<double>(count - start);
        double mean = 0, squares = 0;
        for (size_t at = start; at < count; ++at) mean += medians[at] / rest;
        for (size_t at = start; at < count; ++at) squares += (medians[at] - mean) * (medians[at] - mean);
        const double error = squares / rest / rest;
        if (error < least) least = error, best = start;
    }
    return 2 * best <= count;
}
