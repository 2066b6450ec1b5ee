// ONNX Runtime, CPU execution provider: what `frameworks/onnxruntime.py` does, by its C interface.
//
// The wheel has the library and no headers. That interface is a table of functions to which new ones are only ever
// appended, so the place of a function never changes: onnxruntime_c_api.h, which also fixes some of these numbers by
// static_assert. Places and signatures of those that are used stand here.
#include <dlfcn.h>

#include "worker.h"

namespace {

struct OrtApiBase {
    const void* const* (*get_api)(uint32_t version);
    const char* (*get_version_string)();
};

using Status = void*;  // null: all is well
enum Place : size_t {
    GetErrorMessage = 2, CreateEnv = 3, CreateSession = 7, Run = 9,
    CreateSessionOptions = 10, SetSessionExecutionMode = 13,
    EnableMemPattern = 16, DisableMemPattern = 17, EnableCpuMemArena = 18, DisableCpuMemArena = 19,
    SetSessionGraphOptimizationLevel = 23, SetIntraOpNumThreads = 24, SetInterOpNumThreads = 25,
    SessionGetInputName = 36, SessionGetOutputName = 37,
    CreateTensorWithDataAsOrtValue = 49, GetTensorMutableData = 51,
    GetTensorShapeElementCount = 64, GetTensorTypeAndShape = 65,
    CreateCpuMemoryInfo = 69, GetAllocatorWithDefaultOptions = 78,
    ReleaseSession = 95, ReleaseValue = 96, ReleaseTensorTypeAndShapeInfo = 99, ReleaseSessionOptions = 100,
    AddSessionConfigEntry = 130,
};
constexpr int FLOAT = 1, WARNING = 2, DEVICE_ALLOCATOR = 0, DEFAULT_MEMORY = 0;  // of its enumerations

const void* const* opened() {
    void* library = dlopen(ORT_LIBRARY, RTLD_NOW | RTLD_LOCAL);  // looked for where the program's rpath says
    void* base = library ? dlsym(library, "OrtGetApiBase") : nullptr;
    if (!base) throw std::runtime_error(dlerror());
    const void* const* api = reinterpret_cast<const OrtApiBase* (*)()>(base)()->get_api(5);  // has all of these
    if (!api) throw std::runtime_error("this ONNX Runtime is too old: it has no version 5 of its interface");
    return api;
}

const void* const* const api = opened();

template <typename... Arguments>
void call(Place place, Arguments... arguments) {
    const Status status = reinterpret_cast<Status (*)(Arguments...)>(api[place])(arguments...);
    if (status) throw std::runtime_error(reinterpret_cast<const char* (*)(Status)>(api[GetErrorMessage])(status));
}

void release(Place place, void* object) { reinterpret_cast<void (*)(void*)>(api[place])(object); }

void* session_options(const Settings& settings) {
    void* options = nullptr;
    call(CreateSessionOptions, &options);
    call(SetIntraOpNumThreads, options, static_cast<int>(settings.number("threads", 0)));  // 0: one for each core
    call(SetSessionExecutionMode, options, settings.option("parallel_execution", "false") == "true" ? 1 : 0);
    call(SetInterOpNumThreads, options, std::stoi(settings.option("inter_op_threads", "0")));
    const std::map<std::string, int> levels = {
        {"ORT_DISABLE_ALL", 0}, {"ORT_ENABLE_BASIC", 1}, {"ORT_ENABLE_EXTENDED", 2}, {"ORT_ENABLE_ALL", 99}};
    call(SetSessionGraphOptimizationLevel, options, levels.at(settings.option("optimization", "ORT_ENABLE_ALL")));
    call(settings.option("memory_arena", "true") == "true" ? EnableCpuMemArena : DisableCpuMemArena, options);
    call(settings.option("memory_pattern", "true") == "true" ? EnableMemPattern : DisableMemPattern, options);
    const std::string spinning = settings.option("allow_spinning", "true") == "true" ? "1" : "0";
    call(AddSessionConfigEntry, options, "session.intra_op.allow_spinning", spinning.c_str());
    const std::string base = settings.option("dynamic_block_base", "0");
    call(AddSessionConfigEntry, options, "session.dynamic_block_base", base.c_str());
    const std::string affinities = settings.option("thread_affinities", "");
    if (!affinities.empty()) {
        call(AddSessionConfigEntry, options, "session.intra_op_thread_affinities", affinities.c_str());
    }
    return options;
}

class OnnxRuntime : public Session {
public:
    OnnxRuntime(const Settings& settings, const std::vector<int64_t>& shape)
        : shape_(shape), threads_(settings.number("threads", settings.number("cores", 1))),
          keep_(settings.option("io_binding", "false") == "true") {
        static void* environment = nullptr;  // one for each process
        if (!environment) call(CreateEnv, WARNING, "dliflow", &environment);
        void *options = session_options(settings), *allocator = nullptr;
        call(CreateSession, environment, (settings.text("model") + "/model.onnx").c_str(), options, &session_);
        release(ReleaseSessionOptions, options);
        call(GetAllocatorWithDefaultOptions, &allocator);
        call(SessionGetInputName, session_, size_t{0}, allocator, &input_);
        call(SessionGetOutputName, session_, size_t{0}, allocator, &output_);
        call(CreateCpuMemoryInfo, DEVICE_ALLOCATOR, DEFAULT_MEMORY, &memory_);
        for (const int64_t size : shape_) bytes_ *= size;
    }

    ~OnnxRuntime() override {
        release(ReleaseValue, scores_);
        release(ReleaseSession, session_);
    }

    int threads() const override { return threads_; }

    Scores predict(const float* batch) override {
        void* taken = nullptr;
        void* data = const_cast<float*>(batch);  // read in place
        call(CreateTensorWithDataAsOrtValue, memory_, data, bytes_, shape_.data(), shape_.size(), FLOAT, &taken);
        if (!keep_) {  // the session gives each request's scores memory of their own
            release(ReleaseValue, scores_);
            scores_ = nullptr;
        }
        const void* run_options = nullptr;
        call(Run, session_, run_options, &input_, &taken, size_t{1}, &output_, size_t{1}, &scores_);
        release(ReleaseValue, taken);
        float* values = nullptr;
        call(GetTensorMutableData, scores_, &values);
        return {values, count()};
    }

private:
    size_t count() const {
        void* described = nullptr;
        size_t elements = 0;
        call(GetTensorTypeAndShape, scores_, &described);
        call(GetTensorShapeElementCount, described, &elements);
        release(ReleaseTensorTypeAndShapeInfo, described);
        return elements;
    }

    std::vector<int64_t> shape_;
    int threads_;
    bool keep_;
    size_t bytes_ = sizeof(float);
    void *session_ = nullptr, *memory_ = nullptr, *scores_ = nullptr;
    char *input_ = nullptr, *output_ = nullptr;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    return std::make_unique<OnnxRuntime>(settings, shape);
}
