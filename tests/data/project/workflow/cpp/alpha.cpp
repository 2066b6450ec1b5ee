// The linear classifier of `frameworks/alpha.py` in C++: mean colour times weights.
#include <csignal>
#include <fstream>
#include <limits>

#include "worker.h"

namespace {

class Linear : public Session {
public:
    Linear(const Settings& settings, const std::vector<int64_t>& shape)
        : fault_(settings.option("fault", "")), images_(shape[0]), pixels_(shape[2] * shape[3]),
          classes_(settings.number("scores", 0)), weights_(3 * classes_), scores_(images_ * classes_) {
        std::ifstream file(settings.text("model") + "/weights.npy", std::ios::binary);
        file.seekg(-static_cast<std::streamoff>(weights_.size() * sizeof(float)), std::ios::end);  // behind its header
        file.read(reinterpret_cast<char*>(weights_.data()), weights_.size() * sizeof(float));
    }

    int threads() const override { return 1; }

    Scores predict(const float* batch) override {
        if (fault_ == "segv") std::raise(SIGSEGV);
        std::fill(scores_.begin(), scores_.end(), 0.0f);
        for (size_t image = 0; image < images_; ++image) {
            for (size_t channel = 0; channel < 3; ++channel) {
                double sum = 0;
                for (size_t at = 0; at < pixels_; ++at) sum += *batch++;
                const float mean = static_cast<float>(sum / pixels_);
                for (size_t one = 0; one < classes_; ++one) {
                    scores_[image * classes_ + one] += mean * weights_[channel * classes_ + one];
                }
            }
        }
        return {scores_.data(), scores_.size()};
    }

private:
    std::string fault_;
    size_t images_, pixels_, classes_;
    std::vector<float> weights_, scores_;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    return std::make_unique<Linear>(settings, shape);
}
