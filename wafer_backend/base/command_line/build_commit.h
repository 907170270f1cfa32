// Which commit a program was built from. The definition is generated (deploy/cmake/Commit.cmake)
// and linked to the programs alone, so that a commit costs one small file and two links.
#pragma once

namespace waferline::cli {

// "183ba164", "183ba164-dirty" if files were changed after it; "": built outside of a repository.
extern const char* const kBuildCommit;

}  // namespace waferline::cli
