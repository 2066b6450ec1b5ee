// The program around a framework's `load`: what `stages/worker.py` answers, one line of JSON for each, in C++.
//
// Python has checked all files and applied `launch`: it becomes this program (execve(2)), which keeps processors,
// memory policy, priority, pipes and the descriptor of the inputs. What only Python can tell comes as text.
#include "worker.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "json.h"
#include "series.h"
#include "system.h"

namespace {

// The timing loop: `measuring/measure.py`.

struct Samples {
    std::vector<Ns> durations;
    std::string stopped_by;
};

Samples run(Session& session, const std::vector<const float*>& batches, size_t first, size_t requests, double limit_s,
            bool until_steady) {
    Samples samples{{}, "requests"};
    samples.durations.reserve(requests);
    size_t look = until_steady ? STEADY_FROM : requests;
    Ns waited = 0;
    const Ns start = now();
    const Ns limit = std::isinf(limit_s) ? std::numeric_limits<Ns>::max() : static_cast<Ns>(limit_s * 1e9);
    while (samples.durations.size() < requests) {
        const float* batch = batches[(first + samples.durations.size()) % batches.size()];
        const Ns before = now();
        session.predict(batch);
        const Ns after = now();
        samples.durations.push_back(after - before);
        if (samples.durations.size() == requests) break;
        if (after - start - waited > limit) return {samples.durations, "time"};
        if (samples.durations.size() == look) {
            if (steady(samples.durations)) return {samples.durations, "steady"};
            look = std::max(look + 1, look * 5 / 4);
            waited += now() - after;
        }
    }
    return samples;
}

std::vector<int64_t> whole_numbers(const std::string& text) {  // 3,224,224
    std::vector<int64_t> values;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');) values.push_back(std::stoll(part));
    return values;
}

// The configuration that this process holds: `stages/worker.py`.

class Held {
public:
    explicit Held(const Settings& settings)
        : settings_(settings), shape_(whole_numbers(settings.text("shape"))), scores_(settings.number("scores", 0)),
          images_(settings.number("images", 0)), energy_(settings.text("energy", "")) {
        for (const int64_t size : shape_) image_ *= size;
        const size_t offset = settings.number("offset", 0), length = offset + images_ * image_ * sizeof(float);
        void* mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, static_cast<int>(settings.number("inputs", -1)), 0);
        if (mapped == MAP_FAILED) throw std::runtime_error("the inputs cannot be mapped into memory");
        inputs_ = reinterpret_cast<const float*>(static_cast<const char*>(mapped) + offset);
    }

    std::string open(const std::string& request) {
        const size_t size = static_cast<size_t>(asked(request, "batch_size", 0));
        batch(size);
        reset_peak();
        std::vector<int64_t> shape = {static_cast<int64_t>(size)};
        shape.insert(shape.end(), shape_.begin(), shape_.end());
        Ns begun = now();
        double load_ms = 0;
        Samples first;
        try {
            session_ = load(settings_, shape);
            load_ms = (now() - begun) / 1e6;
            const std::string option = settings_.unasked();
            if (!option.empty()) throw Skip("option '" + option + "': the program in C++ has no such setting");
            first = run(*session_, batches_, 0, 1, INFINITY, false);
        } catch (const Skip& skip) {
            return "{\"skip\":" + quoted(skip.what()) + "}";
        }
        checked(batches_[0]);
        const size_t most = static_cast<size_t>(asked(request, "requests", 0));
        const Samples warming = run(*session_, batches_, 0, most, asked(request, "limit_s", INFINITY), true);
        turn_ = 0;
        for (auto& [name, value] : counted_ = counters()) value = 0;
        const size_t bytes = batches_.size() * size * image_ * sizeof(float);
        const size_t cache = settings_.number("cache", 0);
        return "{\"batch_size\":" + std::to_string(size) +
               ",\"threads_in_effect\":" + std::to_string(session_->threads()) +
               ",\"load_ms\":" + number(load_ms) + ",\"first_request_ms\":" + number(first.durations[0] / 1e6) +
               ",\"warmup_ns\":" + list(warming.durations) + ",\"warmup_stopped_by\":" + quoted(warming.stopped_by) +
               ",\"inputs_mib\":" + number(bytes / 1048576.0) +
               ",\"distinct_batches\":" + std::to_string(batches_.size()) +
               ",\"inputs_exceed_cache\":" + (cache == 0 ? "null" : bytes > cache ? "true" : "false") + "}";
    }

    std::string burst(const std::string& request) {
        const size_t first = turn_++ % batches_.size();
        checked(batches_[(first + batches_.size() - 1) % batches_.size()]);  // others have emptied the caches
        const Counters before = counters();
        const std::vector<double> energy = energy_.read();
        const size_t requests = static_cast<size_t>(asked(request, "requests", 1));
        const Samples samples = run(*session_, batches_, first, requests, asked(request, "limit_s", INFINITY), false);
        const std::string taken = energy_.since(energy);
        const Counters after = counters();
        for (size_t at = 0; at < after.size(); ++at) counted_[at].second += after[at].second - before[at].second;
        return "{\"latency_ns\":" + list(samples.durations) + ",\"energy_uj\":" + taken + "}";
    }

    std::string scores(const std::string& request) {
        const size_t wanted = static_cast<size_t>(asked(request, "images", 1));
        std::string out;
        size_t given = 0;
        for (size_t at = 0; at < batches_.size() && given < wanted; ++at) {
            const float* values = checked(batches_[at]).values;
            for (size_t image = 0; image < size_ && given < wanted; ++image, ++given) {
                out += given ? ",[" : "[";
                for (size_t score = 0; score < scores_; ++score) {
                    out += (score ? "," : "") + number(values[image * scores_ + score]);
                }
                out += "]";
            }
        }
        return "{\"scores\":[" + out + "]}";
    }

    std::string close(const std::string&) {
        const std::string peak = peak_rss_mib();
        std::string counted;
        for (const auto& [name, value] : counted_) {
            counted += (counted.empty() ? "" : ",") + quoted(name) + ":" + number(value);
        }
        const std::vector<int64_t> listed = whole_numbers(settings_.text("bound"));
        const std::set<int> bound(listed.begin(), listed.end());
        const std::string launch = settings_.text("launch") + ", \"cpus\":" + quoted(processors(bound, true)) +
                                   ",\"outside\":" + quoted(processors(bound, false)) + "}}";
        session_.reset();
        return "{\"peak_rss_mib\":" + peak + ",\"counters\":{" + counted + "},\"launch\":" + launch + "}";
    }

private:
    // Distinct batches, where they lie; too few images are repeated to fill one. As `feed.batches`.
    void batch(size_t size) {
        size_ = size;
        batches_.clear();
        if (images_ < size) {
            filled_.clear();
            for (size_t at = 0; at < size; ++at) {
                const float* image = inputs_ + at % images_ * image_;
                filled_.insert(filled_.end(), image, image + image_);
            }
            batches_ = {filled_.data()};
            return;
        }
        const size_t all = images_ / size, most = settings_.number("distinct", static_cast<long>(all));
        for (size_t at = 0; at < std::min(all, most); ++at) batches_.push_back(inputs_ + at * size * image_);
    }

    Scores checked(const float* batch) {
        const Scores given = session_->predict(batch);
        const size_t wanted = size_ * scores_;
        if (given.count != wanted) {
            throw std::runtime_error("there are " + std::to_string(given.count) + " scores; expected " +
                                     std::to_string(size_) + " x " + std::to_string(scores_));
        }
        size_t bad = 0;
        for (size_t at = 0; at < wanted; ++at) bad += !std::isfinite(given.values[at]);
        if (bad) {
            throw std::runtime_error(std::to_string(bad) + " of " + std::to_string(wanted) +
                                     " scores are NaN or infinite");
        }
        return given;
    }

    const Settings& settings_;
    std::vector<int64_t> shape_;
    size_t scores_, images_, image_ = 1, size_ = 0, turn_ = 0;
    Energy energy_;
    const float* inputs_ = nullptr;
    std::vector<float> filled_;
    std::vector<const float*> batches_;
    std::unique_ptr<Session> session_;
    Counters counted_;
};

// Where answers are written: to the standard output as it was, while what a framework prints goes to the errors.
FILE* answers(const Settings& settings) {
    int descriptor = static_cast<int>(settings.number("answers", -1));
    if (descriptor < 0) {
        descriptor = dup(STDOUT_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
    }
    return fdopen(descriptor, "w");
}

}  // namespace

int main(int count, char** words) {
    const Settings settings(count, words);
    FILE* const stream = answers(settings);
    const auto tell = [stream](const std::string& line) {
        std::fputs((line + "\n").c_str(), stream);
        std::fflush(stream);
    };
    const auto refuse = [&](const std::exception& error) { tell("{\"error\":" + quoted(error.what()) + "}"); };
    try {
        Held held(settings);
        const std::map<std::string, std::string (Held::*)(const std::string&)> calls = {
            {"open", &Held::open}, {"burst", &Held::burst}, {"scores", &Held::scores}, {"close", &Held::close}};
        const std::string ready = settings.text("ready"), comma = ready.size() > 1 ? "," : "";
        tell(ready + comma + "\"import_ms\":" + number((now() - settings.number("began", 0)) / 1e6) + "}");
        for (std::string line; std::getline(std::cin, line);) {
            try {
                const std::string call = line.substr(2, line.find('"', 2) - 2);  // {"open": {...}}
                tell((held.*calls.at(call))(line));
            } catch (const std::exception& error) {
                refuse(error);
            }
        }
    } catch (const std::exception& error) {
        refuse(error);
        return 1;
    }
}
