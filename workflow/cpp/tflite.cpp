// LiteRT, TFLite's runtime: its `CompiledModel` with XNNPACK, by its C interface.
//
// The wheel has the library and no headers, and the interface changes from release to release: what stands here is
// that of 2.3.0 (google-ai-edge/LiteRT, litert/c), and `building/tflite.py` refuses any other. Python's `Interpreter`
// is another library over the same kernels.
#include <cstdlib>
#include <cstring>

#include "worker.h"

extern "C" {
using Handle = void*;
using Status = int;  // 0: all is well
struct Tensor {
    int element;
    unsigned rank : 7;
    bool has_strides : 1;
    int32_t dimensions[8];
    uint32_t strides[8];
};
Status LiteRtCreateEnvironment(int options, const void* values, Handle* environment);
Status LiteRtCreateModelFromFile(Handle environment, const char* path, Handle* model);
Status LiteRtCreateOptions(Handle* options);
Status LiteRtSetOptionsHardwareAccelerators(Handle options, int accelerators);
Status LiteRtCreateOpaqueOptions(const char* of, void* text, void (*release)(void*), Handle* opaque);
Status LiteRtAddOpaqueOptions(Handle options, Handle opaque);
Status LiteRtCreateCompiledModel(Handle environment, Handle model, Handle options, Handle* compiled);
Status LiteRtCompiledModelResizeInputTensor(
    Handle compiled, size_t signature, size_t input, const int* sizes, size_t rank);
Status LiteRtCreateManagedTensorBuffer(Handle environment, int kind, const Tensor* type, size_t bytes, Handle* buffer);
Status LiteRtLockTensorBuffer(Handle buffer, void** address, int mode);
Status LiteRtUnlockTensorBuffer(Handle buffer);
Status LiteRtRunCompiledModel(
    Handle compiled, size_t signature, size_t inputs, Handle* taken, size_t outputs, Handle* given);
void LiteRtDestroyTensorBuffer(Handle buffer);
void LiteRtDestroyCompiledModel(Handle compiled);
void LiteRtDestroyOptions(Handle options);
void LiteRtDestroyModel(Handle model);
}

namespace {

constexpr int FLOAT32 = 1, CPU = 1, HOST_MEMORY = 1, READ = 0, WRITE = 1;  // of its enumerations

void check(Status status, const char* what) {
    if (status) throw std::runtime_error(std::string("LiteRT: ") + what + ": status " + std::to_string(status));
}

class Buffer {  // a tensor in memory of LiteRT's own
public:
    Buffer(Handle environment, const std::vector<int64_t>& shape) {
        Tensor type = {};
        type.element = FLOAT32;
        type.rank = shape.size();
        for (size_t axis = 0; axis < shape.size(); ++axis) {
            type.dimensions[axis] = static_cast<int32_t>(shape[axis]);
            count *= shape[axis];
        }
        const size_t bytes = count * sizeof(float);
        check(LiteRtCreateManagedTensorBuffer(environment, HOST_MEMORY, &type, bytes, &handle), "a buffer");
    }
    ~Buffer() { LiteRtDestroyTensorBuffer(handle); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    void copy(float* to, const float* from, int mode) {  // one of both is null: this buffer
        void* address = nullptr;
        check(LiteRtLockTensorBuffer(handle, &address, mode), "to lock a buffer");
        std::memcpy(to ? to : address, from ? from : address, count * sizeof(float));
        check(LiteRtUnlockTensorBuffer(handle), "to unlock a buffer");
    }

    Handle handle = nullptr;
    size_t count = 1;
};

class LiteRt : public Session {
public:
    LiteRt(const Settings& settings, const std::vector<int64_t>& shape, Handle environment)
        : threads_(settings.number("threads", 1)), input_(environment, shape),
          output_(environment, {shape[0], settings.number("scores", 0)}), scores_(output_.count) {
        Handle opaque = nullptr;
        const std::string file = settings.text("model") + "/model.tflite";
        check(LiteRtCreateModelFromFile(environment, file.c_str(), &model_), "the model");
        check(LiteRtCreateOptions(&options_), "options");
        check(LiteRtSetOptionsHardwareAccelerators(options_, CPU), "the choice of the CPU");
        char* threads = strdup(("num_threads = " + std::to_string(threads_) + "\n").c_str());
        check(LiteRtCreateOpaqueOptions("xnnpack", threads, std::free, &opaque), "XNNPACK's options");
        check(LiteRtAddOpaqueOptions(options_, opaque), "XNNPACK's options");
        check(LiteRtCreateCompiledModel(environment, model_, options_, &compiled_), "to compile the model");
        const std::vector<int> sizes(shape.begin(), shape.end());
        check(LiteRtCompiledModelResizeInputTensor(compiled_, 0, 0, sizes.data(), sizes.size()), "the batch size");
    }

    ~LiteRt() override {
        LiteRtDestroyCompiledModel(compiled_);
        LiteRtDestroyOptions(options_);
        LiteRtDestroyModel(model_);
    }

    int threads() const override { return threads_; }

    Scores predict(const float* batch) override {  // copied in and out, as in Python
        input_.copy(nullptr, batch, WRITE);
        check(LiteRtRunCompiledModel(compiled_, 0, 1, &input_.handle, 1, &output_.handle), "a request");
        output_.copy(scores_.data(), nullptr, READ);
        return {scores_.data(), scores_.size()};
    }

private:
    int threads_;
    Buffer input_, output_;
    std::vector<float> scores_;
    Handle model_ = nullptr, options_ = nullptr, compiled_ = nullptr;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    static Handle environment = nullptr;  // one for each process
    if (!environment) check(LiteRtCreateEnvironment(0, nullptr, &environment), "the environment");
    return std::make_unique<LiteRt>(settings, shape, environment);
}
