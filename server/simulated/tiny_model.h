// A model of a few thousand random weights, as a complete GGUF file in memory: small enough that a
// run computes its tokens in microseconds, and every one of them depends on all before it.
#pragma once

#include <cstdint>
#include <string>

namespace waferline::simulated {

class TinyModel {
 public:
  static constexpr int kLayers = 3;
  static constexpr int kHidden = 16;
  static constexpr int kVocabulary = 48;
  static constexpr int kContext = 64;

  TinyModel();  // the same each time
  ~TinyModel();
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  // Leads to the file as long as this lives.
  const std::string& path() const { return path_; }

 private:
  int file_ = -1;
  std::string path_;
};

}  // namespace waferline::simulated
