// OpenVINO, CPU plugin: what `frameworks/openvino.py` does, by the headers and libraries that the wheel brings.
#include <algorithm>
#include <cstring>

#include <openvino/openvino.hpp>

#include "worker.h"

namespace {

// The plugin's properties, as texts. "fp32" means float32 arithmetic: the plugin's own choice may be bf16.
ov::AnyMap properties(const Settings& settings, const std::string& precision) {
    ov::AnyMap all = {
        {"INFERENCE_PRECISION_HINT", precision == "bf16" ? "bf16" : "f32"},
        {"PERFORMANCE_HINT", settings.option("hint", "LATENCY")},
        {"NUM_STREAMS", settings.option("streams", "1")},
    };
    if (settings.has("threads")) all["INFERENCE_NUM_THREADS"] = settings.text("threads");
    const std::pair<const char*, const char*> optional[] = {
        {"hyper_threading", "ENABLE_HYPER_THREADING"},
        {"pinning", "ENABLE_CPU_PINNING"},
        {"core_type", "SCHEDULING_CORE_TYPE"},
    };
    for (const auto& [name, property] : optional) {
        const std::string value = settings.option(name, "");
        if (!value.empty()) all[property] = value;
    }
    return all;
}

class OpenVino : public Session {
public:
    OpenVino(ov::CompiledModel compiled, bool preset, bool share)
        : compiled_(std::move(compiled)), request_(compiled_.create_infer_request()),
          shape_(compiled_.input().get_shape()), preset_(preset), share_(share) {}

    int threads() const override { return compiled_.get_property(ov::inference_num_threads); }

    Scores predict(const float* batch) override {
        if (preset_) {
            ov::Tensor input = request_.get_input_tensor();
            std::memcpy(input.data<float>(), batch, input.get_byte_size());
        } else {  // read in place; nothing writes to it
            request_.set_input_tensor(ov::Tensor(ov::element::f32, shape_, const_cast<float*>(batch)));
        }
        request_.infer();
        const ov::Tensor given = request_.get_output_tensor();
        const float* values = given.data<float>();
        if (share_) return {values, given.get_size()};
        scores_.assign(values, values + given.get_size());
        return {scores_.data(), scores_.size()};
    }

private:
    ov::CompiledModel compiled_;
    ov::InferRequest request_;
    ov::Shape shape_;
    bool preset_, share_;
    std::vector<float> scores_;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    ov::Core core;
    const std::string precision = settings.text("precision");
    const auto able = core.get_property("CPU", ov::device::capabilities);
    if (precision == "bf16" && std::find(able.begin(), able.end(), "BF16") == able.end()) {
        throw Skip("this CPU has no bf16 instructions (AVX512-BF16 or AMX)");
    }
    const auto network = core.read_model(settings.text("model") + "/model.xml");
    network->reshape(ov::PartialShape(std::vector<ov::Dimension>(shape.begin(), shape.end())));
    return std::make_unique<OpenVino>(
        core.compile_model(network, "CPU", properties(settings, precision)),
        settings.option("preset_input", "false") == "true",
        settings.option("shared_outputs", "false") == "true");
}
