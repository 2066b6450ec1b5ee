// A framework's file whose model goes wrong in the way that its `fault.txt` names; else each score is the input's sum.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <limits>
#include <numeric>

#include "worker.h"

namespace {

class Faulty : public Session {
public:
    Faulty(std::string fault, size_t scores, size_t values)
        : fault_(std::move(fault)), scores_(scores), values_(values),
          memory_(fault_ == "memory" ? 1000 : 0, std::vector<char>(1 << 16, 1)) {}

    int threads() const override { return 3; }

    Scores predict(const float* batch) override {
        ++requests_;
        std::fill(scores_.begin(), scores_.end(), std::accumulate(batch, batch + values_, 0.0f));
        if (fault_ == "print") std::printf("{\"error\": \"this is no answer\"}\n"), std::fflush(stdout);
        if (fault_ == "crash") std::raise(SIGSEGV);
        if (fault_ == "exit") _exit(3);
        if (fault_ == "hang") pause();
        if (fault_ == "nan") scores_[1] = std::numeric_limits<float>::quiet_NaN();
        if (fault_ == "later" && requests_ > 4) scores_[1] = std::numeric_limits<float>::infinity();
        if (fault_ == "throw") throw std::runtime_error("no \"such\" operator\nin this model");
        return {scores_.data(), fault_ == "shape" ? scores_.size() - 1 : scores_.size()};
    }

private:
    std::string fault_;
    std::vector<float> scores_;
    size_t values_;
    std::vector<std::vector<char>> memory_;
    int requests_ = 0;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    std::string fault;
    std::ifstream(settings.text("model") + "/fault.txt") >> fault;
    if (fault == "skip") throw Skip("this machine has no such instructions");
    if (fault == "load") throw std::runtime_error("the model cannot be read");
    const int64_t values = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    auto session = std::make_unique<Faulty>(fault, shape[0] * settings.number("scores", 0), values);
    static const std::vector<char> stays(1 << 16, 1);  // behind the session's memory, which is not the heap's end so
    return session;
}
