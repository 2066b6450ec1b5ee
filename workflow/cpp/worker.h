// What a framework's file is given and what it gives: a loaded model that makes one request at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

// This machine, or this framework, cannot do what was asked: a row that is skipped for this reason.
struct Skip : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What the program was started with, `key=value` each: `model` (the folder of the converted model), `precision`,
// `threads` (absent: the framework's own choice), and as `option.NAME` each launch option that is not the default.
class Settings {
public:
    Settings(int count, const char* const* words) {
        for (int place = 0; place < count; ++place) {
            const std::string word = words[place];
            const size_t sign = word.find('=');
            if (sign != std::string::npos) values_[word.substr(0, sign)] = word.substr(sign + 1);
        }
    }

    bool has(const std::string& key) const { return values_.count(key) > 0; }

    std::string text(const std::string& key) const {
        if (!has(key)) throw std::runtime_error("the program was started without " + key + "=");
        return values_.at(key);
    }

    long number(const std::string& key, long otherwise) const { return has(key) ? std::stol(text(key)) : otherwise; }

    // A launch option. Those that a framework's file never asks for cannot be had in C++: the row is skipped then.
    std::string option(const std::string& name, const std::string& otherwise) const {
        asked_.insert("option." + name);
        return has("option." + name) ? text("option." + name) : otherwise;
    }

    // The name of an option that was given and never asked for; empty where there is none.
    std::string unasked() const {
        for (const auto& [key, value] : values_) {
            if (key.rfind("option.", 0) == 0 && !asked_.count(key)) return key.substr(7);
        }
        return "";
    }

private:
    std::map<std::string, std::string> values_;
    mutable std::set<std::string> asked_;
};

struct Scores {
    const float* values;  // batch x scores, in host memory, until the next request
    size_t count;
};

class Session {
public:
    virtual ~Session() = default;
    virtual int threads() const = 0;  // in effect, as the framework tells
    virtual Scores predict(const float* batch) = 0;  // one request, which is what is timed
};

// Open the model for inputs of this shape, whose first number is the batch size. To be written for each framework.
std::unique_ptr<Session> load(const Settings& settings, const std::vector<int64_t>& shape);
