// Profiles as files (deploy/profiles/*.yaml).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

// InvalidArgument with a line per fault: constants are positive, unknown fields are refused.
absl::StatusOr<Profile> ParseProfile(const std::string& name, std::string_view yaml);

// A built-in profile by its name, or a file; as silicon::LoadHardware.
absl::StatusOr<Profile> LoadProfile(const std::string& name_or_path);
std::vector<std::string> BuiltInProfiles();

// How good the fit is, in one or two sentences.
std::string FitSummary(const Profile& profile);

// ParseProfile(FormatProfile(p)) is p, up to the digits written.
std::string FormatProfile(const Profile& profile);

}  // namespace waferline::timing
