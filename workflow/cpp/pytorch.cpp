// LibTorch: packages that AOTInductor compiled, which is what PyTorch's wheel can run in C++ by itself.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/torch.h>

#include "worker.h"

namespace {

class PyTorch : public Session {
public:
    PyTorch(const std::string& package, const std::vector<int64_t>& shape)
        : loader_(package, "model", false, 1, -1), shape_(shape) {}

    int threads() const override { return at::get_num_threads(); }

    Scores predict(const float* batch) override {
        const c10::InferenceMode inference;
        const at::Tensor taken = torch::from_blob(const_cast<float*>(batch), shape_);  // read in place
        scores_ = loader_.run({taken}).at(0).to(at::kFloat).contiguous();
        return {scores_.const_data_ptr<float>(), static_cast<size_t>(scores_.numel())};
    }

private:
    torch::inductor::AOTIModelPackageLoader loader_;
    std::vector<int64_t> shape_;
    at::Tensor scores_;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    if (!__builtin_cpu_supports("avx2")) throw Skip("this CPU has no AVX2 instructions, which compiled kernels need");
    if (settings.has("threads")) at::set_num_threads(static_cast<int>(settings.number("threads", 0)));
    return std::make_unique<PyTorch>(settings.text("model") + "/model.pt2", shape);
}
