# cmake --install, and cpack's Debian package: the two programs, and what they read under share/waferline.
include(GNUInstallDirs)
set(share ${CMAKE_INSTALL_DATADIR}/waferline)
install(TARGETS waferd waferctl RUNTIME)
install(DIRECTORY deploy/calibration deploy/config deploy/contracts deploy/grafana deploy/hardware deploy/model-shapes
                  deploy/models deploy/plans deploy/prices deploy/profiles deploy/prometheus deploy/traces
        DESTINATION ${share})
install(FILES deploy/systemd/waferd.service DESTINATION lib/systemd/system)
install(FILES README.md ARCHITECTURE.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Manual pages and completions, if the target "manuals" was built.
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/ DESTINATION ${CMAKE_INSTALL_DATADIR} OPTIONAL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME waferline)
set(CPACK_PACKAGE_CONTACT "Waferline maintainers <maintainers@waferline.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "inference server that emulates a wafer-scale token cloud")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
