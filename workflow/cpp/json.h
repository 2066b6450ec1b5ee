// The little JSON that the protocol needs: one object of numbers and texts on each line.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

inline std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);  // tells every float32 from all others
    return text;
}

inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const unsigned char letter : text) {
        char code[8];
        std::snprintf(code, sizeof code, "\\u%04x", letter);
        if (letter == '"' || letter == '\\') out += '\\';
        out += letter < ' ' ? std::string(code) : std::string(1, letter);
    }
    return out + '"';
}

template <typename Values>
std::string list(const Values& values) {
    std::string out = "[";
    for (const auto& value : values) out += (out.size() > 1 ? "," : "") + std::to_string(value);
    return out + "]";
}

// A number of a request, which `json.dumps` has written; `otherwise` for null, and where the key is not there.
inline double asked(const std::string& request, const std::string& key, double otherwise) {
    const size_t place = request.find("\"" + key + "\": ");
    if (place == std::string::npos) return otherwise;
    const char* text = request.c_str() + place + key.size() + 4;
    return std::string(text, 4) == "null" ? otherwise : std::strtod(text, nullptr);
}
