# serve: install Debian's packages, build, run the demo cloud on 127.0.0.1.   test: the same, then every test.
.PHONY: serve build test asan tsan fuzz packages test-packages

serve: build
	exec build/bin/waferd --config deploy/config/demo.yaml

build: packages
	cmake --preset release -DWAFERLINE_TESTS=OFF >/dev/null
	cmake --build --preset release

test: test-packages
	cmake --preset release -DWAFERLINE_TESTS=ON >/dev/null
	cmake --build --preset release
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz
	ctest --preset release

asan tsan: test-packages
	cmake --preset $@ >/dev/null
	cmake --build --preset $@
	ctest --preset $@

packages:
	deploy/install-packages.sh

test-packages:
	deploy/install-packages.sh test
