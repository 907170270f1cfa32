# How everything is compiled. Errors are values here, checks stay on in release (see base/check.h), so NDEBUG only
# removes the asserts of the libraries.
add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
if(NOT WAFERLINE_UNITY)
  # Names that hide others, numbers that may lose their value. Of files that are compiled together (WAFERLINE_UNITY) one's local
  # names would count as hidden by the others', so the presets dev and clang see to this, in all folders.
  add_compile_options(-Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's are reported, and no errors: it also counts what a namespace makes plain. Clang's -Wconversion also counts changes of sign
    # and every count that becomes a double.
    add_compile_options(-Wno-error=shadow -Wconversion -Wno-error=conversion -Wno-error=float-conversion)
  endif()
endif()
if(WAFERLINE_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports copies of impossible sizes in std::string's operator+ (GCC bug 105651).
  add_compile_options(-Wno-restrict)
  if(WAFERLINE_UNITY)
    # Meant for headers: GCC takes a source that is included for one.
    add_compile_options(-Wno-subobject-linkage)
  endif()
else()
  # What base/mutex.h's annotations say.
  add_compile_options(-Wthread-safety)
endif()
# Floating point must give the same bits whatever the inlining: never contract a*b+c behind our back.
add_compile_options(-ffp-contract=off)

if(WAFERLINE_SANITIZE)
  add_compile_options(-fsanitize=${WAFERLINE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WAFERLINE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With sanitizers GCC 12 takes the members of a std::regex for uninitialized (GCC bug 105562).
    add_compile_options(-Wno-maybe-uninitialized)
    # Asio's handlers have fences, of which GCC says that ThreadSanitizer does not see them.
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(WAFERLINE_FUZZ)
  # The code under test reports what it covers, else the fuzzer searches blindly.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the source folder, so that a clone in another folder finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

find_program(MOLD mold)
find_program(LLD ld.lld)
if(MOLD)
  add_link_options(-fuse-ld=mold)
elseif(LLD)
  add_link_options(-fuse-ld=lld)
endif()
