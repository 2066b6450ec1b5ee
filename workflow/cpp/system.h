// What the system tells of this process: as `machine/process.py`, `disturbance.py`, `launch.py` and `energy.py`.
#pragma once

#include <dirent.h>
#include <sched.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "json.h"

using Ns = int64_t;

// Of the monotonic clock, which Python's `time.perf_counter_ns` reads, too.
inline Ns now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

using Counters = std::vector<std::pair<const char*, double>>;

inline Counters counters() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) { return time.tv_sec + time.tv_usec / 1e6; };
    return {{"wall_s", now() / 1e9}, {"own_cpu_s", seconds(usage.ru_utime) + seconds(usage.ru_stime)},
            {"involuntary_switches", usage.ru_nivcsw}, {"major_faults", usage.ru_majflt},
            {"minor_faults", usage.ru_minflt}};
}

inline std::string peak_rss_mib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmHWM:", 0) == 0) return number(std::strtod(line.c_str() + 6, nullptr) / 1024);
    }
    return "null";
}

inline void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// Processors that any thread may run on, as Linux lists them: those among `bound`, or the others.
inline std::string processors(const std::set<int>& bound, bool inside) {
    std::set<int> allowed;
    DIR* threads = opendir("/proc/self/task");
    for (dirent* entry; threads && (entry = readdir(threads));) {
        cpu_set_t set;
        const int thread = std::atoi(entry->d_name);
        if (thread <= 0 || sched_getaffinity(thread, sizeof set, &set)) continue;
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set) && (inside || (!bound.empty() && !bound.count(cpu)))) allowed.insert(cpu);
        }
    }
    if (threads) closedir(threads);
    std::string out;
    for (const int cpu : allowed) {
        if (allowed.count(cpu - 1)) continue;
        int last = cpu;
        while (allowed.count(last + 1)) ++last;
        out += (out.empty() ? "" : ",") + std::to_string(cpu) + (last > cpu ? "-" + std::to_string(last) : "");
    }
    return out;
}

// The energy counters of the processors' packages, whose folders are given with `:` between them.
class Energy {
public:
    explicit Energy(const std::string& folders) {
        std::istringstream stream(folders);
        for (std::string folder; std::getline(stream, folder, ':');) folders_.push_back(folder);
    }

    std::vector<double> read() const { return values("/energy_uj"); }

    // Since then, in all packages together, uJ; a counter that has begun anew went over its range. null: not told.
    std::string since(const std::vector<double>& before) const {
        const std::vector<double> after = read(), ranges = values("/max_energy_range_uj");
        if (before.empty() || after.size() != before.size() || ranges.size() != before.size()) return "null";
        double taken = 0;
        for (size_t at = 0; at < after.size(); ++at) {
            taken += after[at] - before[at] + (after[at] < before[at] ? ranges[at] : 0);
        }
        return std::to_string(static_cast<int64_t>(taken));
    }

private:
    std::vector<double> values(const char* name) const {
        std::vector<double> read;
        for (const std::string& folder : folders_) {
            double value = 0;
            if (!(std::ifstream(folder + name) >> value)) return {};
            read.push_back(value);
        }
        return read;
    }

    std::vector<std::string> folders_;
};
