// OpenCV's DNN module, CPU target: what `frameworks/opencv.py` does, by a library of the wheel's version.
#include <cstdlib>

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/dnn.hpp>

#include "worker.h"

namespace {

class OpenCv : public Session {
public:
    OpenCv(cv::dnn::Net net, const std::vector<int64_t>& shape)
        : net_(std::move(net)), shape_(shape.begin(), shape.end()) {}

    int threads() const override { return cv::getNumThreads(); }

    Scores predict(const float* batch) override {
        net_.setInput(cv::Mat(shape_, CV_32F, const_cast<float*>(batch)));  // nothing writes to it
        net_.forward().copyTo(scores_);  // as they are for Python
        if (scores_.type() != CV_32F) throw std::runtime_error("the scores are no float32");
        return {scores_.ptr<float>(), scores_.total()};
    }

private:
    cv::dnn::Net net_;
    std::vector<int> shape_;
    cv::Mat scores_;
};

}  // namespace

std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape) {
    if (cv::getVersionString() != WHEEL_VERSION) {
        throw Skip("the library is OpenCV " + cv::getVersionString() + ", and the package is " WHEEL_VERSION);
    }
    const bool classic = settings.option("classic_engine", "false") == "true";
    const bool fusion = settings.option("fusion", "true") == "true";
    const bool winograd = settings.option("winograd", "true") == "true";
    if (!fusion && !classic) {
        throw std::runtime_error("options.opencv.fusion: false: OpenCV 5's engine has no network then");
    }
    if (classic) setenv("OPENCV_FORCE_DNN_ENGINE", "1", 1);  // is read with the first network
    if (settings.has("threads")) cv::setNumThreads(static_cast<int>(settings.number("threads", 0)));
    cv::dnn::Net net = cv::dnn::readNetFromONNX(settings.text("model") + "/model.onnx");
    net.enableFusion(fusion);
    net.enableWinograd(winograd);
    return std::make_unique<OpenCv>(std::move(net), shape);
}
