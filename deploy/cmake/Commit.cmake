# wl_build_commit: kBuildCommit (build_commit.h), looked up in each build. Its file is written only when the commit changes.
# The same file is the script that looks (cmake -P), given SOURCE and OUT.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(out ${CMAKE_BINARY_DIR}/build_commit.cc)
  add_custom_target(
    look_up_commit
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${CMAKE_SOURCE_DIR} -D OUT=${out} -P ${CMAKE_CURRENT_LIST_FILE}
    BYPRODUCTS ${out}
    COMMENT "Looking up the commit")
  add_library(wl_build_commit STATIC ${out})
  target_include_directories(wl_build_commit PRIVATE ${CMAKE_SOURCE_DIR})
  add_dependencies(wl_build_commit look_up_commit)
  return()
endif()

set(commit "")
if(EXISTS ${SOURCE}/.git)
  execute_process(
    COMMAND git -c safe.directory=${SOURCE} --no-optional-locks describe --always --dirty --abbrev=8 --exclude=*
    WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(text "#include \"wafer_backend/base/command_line/build_commit.h\"\n\nconst char* const waferline::cli::kBuildCommit = \"${commit}\";\n")
set(before "")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
