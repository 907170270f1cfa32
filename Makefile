# serve: install Debian's packages, build, run the demo cloud on 127.0.0.1, or MODEL=file.   test: the same, then every test.
# check: the daily loop, separate objects and the quick tests.   package: build/package/*.deb.   clang: warnings, thread safety.
# fuzz: every fuzzer for TIME seconds (60).
.PHONY: serve build test check package clang asan tsan fuzz packages test-packages

serve: build
	exec build/bin/waferd $(if $(MODEL),"$(MODEL)",--config deploy/config/demo.yaml)

build: packages
	cmake --preset release -DWAFERLINE_TESTS=OFF >/dev/null
	cmake --build --preset release

test: test-packages
	cmake --preset release -DWAFERLINE_TESTS=ON >/dev/null
	cmake --build --preset release
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz
	ctest --preset release

check: test-packages
	cmake --preset dev >/dev/null
	cmake --build --preset dev
	ctest --preset dev

package: build
	cmake --build build --target manuals
	cpack --config build/CPackConfig.cmake

clang: test-packages
	cmake --preset clang >/dev/null
	cmake --build --preset clang

asan tsan: test-packages
	cmake --preset $@ >/dev/null
	cmake --build --preset $@
	ctest --preset $@

TIME ?= 60
fuzz: test-packages
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz
	python3 tests/fuzz/run.py build/fuzz/bin --seconds $(TIME)

packages:
	deploy/install-packages.sh

test-packages:
	deploy/install-packages.sh test
