// The program around a framework's `load`: it opens a model and makes requests, when it is told to.
//
// `measuring/program.py` starts it and asks it, a line of JSON for each request and answer. Bounds, the rule of the
// warm-up, checks of scores and what the system tells of a process are Python's, the same for all.
#include "worker.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>

namespace {

using Ns = int64_t;

// Of the monotonic clock, which Python's `time.perf_counter_ns` reads, too.
Ns now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const unsigned char letter : text) {
        char code[8];
        std::snprintf(code, sizeof code, "\\u%04x", letter);
        if (letter == '"' || letter == '\\') out += '\\';
        out += letter < ' ' ? std::string(code) : std::string(1, letter);
    }
    return out + '"';
}

std::string list(const std::vector<Ns>& values) {
    std::string out = "[";
    for (const Ns value : values) out += (out.size() > 1 ? "," : "") + std::to_string(value);
    return out + "]";
}

// The model that is open, and the inputs in memory.
class Held {
public:
    explicit Held(const Settings& settings)
        : settings_(settings), images_(settings.number("images", 0)), output_(settings.number("output", -1)) {
        std::istringstream stream(settings.text("shape"));  // of an image: 3,224,224
        for (std::string size; std::getline(stream, size, ',');) shape_.push_back(std::stoll(size));
        for (const int64_t size : shape_) image_ *= size;
        const size_t offset = settings.number("offset", 0), length = offset + images_ * image_ * sizeof(float);
        void* mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, static_cast<int>(settings.number("inputs", -1)), 0);
        if (mapped == MAP_FAILED) throw std::runtime_error("the inputs cannot be mapped into memory");
        inputs_ = reinterpret_cast<const float*>(static_cast<const char*>(mapped) + offset);
    }

    // A request is a call and its numbers: `["run", 0, 5, 100, 50000000]`.
    std::string answer(std::string request) {
        for (char& letter : request) letter = std::string("[],\"").find(letter) == std::string::npos ? letter : ' ';
        std::istringstream words(request);
        std::string call;
        Ns first = 0, distinct = 1, requests = 0, limit = 0;
        words >> call >> first >> distinct >> requests >> limit;
        if (call == "open") return open(first);
        if (call == "run") return run(first, distinct, requests, limit);
        if (call == "scores") return scores(first);
        if (call == "counters") return counters();
        if (call == "close") return close();
        throw std::runtime_error("'" + call + "' is no request");
    }

private:
    std::string open(size_t size) {
        std::vector<int64_t> shape = {static_cast<int64_t>(size)};
        shape.insert(shape.end(), shape_.begin(), shape_.end());
        const Ns begun = now();
        session_ = load(settings_, shape);
        const Ns taken = now() - begun;
        const std::string option = settings_.unasked();
        if (!option.empty()) throw Skip("option '" + option + "': the program in C++ has no such setting");
        size_ = size;
        filled_.clear();
        for (size_t at = 0; images_ < size && at < size; ++at) {  // few images are repeated to fill a batch
            const float* image = inputs_ + at % images_ * image_;
            filled_.insert(filled_.end(), image, image + image_);
        }
        return "{\"load_ns\":" + std::to_string(taken) + ",\"threads\":" + std::to_string(session_->threads()) + "}";
    }

    const float* batch(size_t number) const {
        return filled_.empty() ? inputs_ + number * size_ * image_ : filled_.data();
    }

    // The timing loop, as in `measuring/measure.py`: past the limit no new request begins.
    std::string run(size_t first, size_t distinct, size_t requests, Ns limit) {
        std::vector<Ns> durations;
        durations.reserve(requests);
        const Ns start = now();
        Ns after = start;
        while (durations.size() < requests && after - start <= limit) {
            const float* taken = batch((first + durations.size()) % distinct);
            const Ns before = now();
            session_->predict(taken);
            after = now();
            durations.push_back(after - before);
        }
        return "{\"latency_ns\":" + list(durations) + ",\"wall_ns\":" + std::to_string(after - start) + "}";
    }

    std::string scores(size_t number) {
        const Scores given = session_->predict(batch(number));
        const ssize_t bytes = given.count * sizeof(float);
        if (pwrite(output_, given.values, bytes, 0) != bytes) throw std::runtime_error("scores cannot be handed over");
        return "{\"count\":" + std::to_string(given.count) + "}";
    }

    // As the worker in Python does it: what was freed and kept would count in the next peak of memory.
    std::string close() {
        session_.reset();
        filled_ = {};
#ifdef __GLIBC__
        malloc_trim(0);
#endif
        return "{}";
    }

    // As `disturbance.process_counters`, with times in ns.
    static std::string counters() {
        rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        const auto ns = [](const timeval& time) { return time.tv_sec * Ns{1'000'000'000} + time.tv_usec * Ns{1'000}; };
        const Ns busy = ns(usage.ru_utime) + ns(usage.ru_stime);
        return "{\"counters\":" + list({now(), busy, usage.ru_nivcsw, usage.ru_majflt, usage.ru_minflt}) + "}";
    }

    const Settings& settings_;
    size_t images_, image_ = 1, size_ = 0;
    int output_;
    std::vector<int64_t> shape_;
    const float* inputs_ = nullptr;
    std::vector<float> filled_;
    std::unique_ptr<Session> session_;
};

}  // namespace

int main(int count, char** words) {
    FILE* const answers = fdopen(dup(STDOUT_FILENO), "w");
    dup2(STDERR_FILENO, STDOUT_FILENO);  // what a framework prints is no answer
    const auto tell = [answers](const std::string& line) {
        std::fputs((line + "\n").c_str(), answers);
        std::fflush(answers);
    };
    try {
        const Settings settings(count, words);
        Held held(settings);
        tell("{\"ready_ns\":" + std::to_string(now()) + "}");
        for (std::string line; std::getline(std::cin, line);) {
            try {
                tell(held.answer(line));
            } catch (const Skip& skip) {
                tell("{\"skip\":" + quoted(skip.what()) + "}");
            } catch (const std::exception& error) {
                tell("{\"error\":" + quoted(error.what()) + "}");
            }
        }
    } catch (const std::exception& error) {
        tell("{\"error\":" + quoted(error.what()) + "}");
        return 1;
    }
}
