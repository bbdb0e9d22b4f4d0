# `make deb`: a Debian package in build/deb/, of the version in src/base/version.h. Needs debhelper; deb-check
# lintian, too.
#
# DEB_PROGRAMS=build packages the programs there instead of compiling; DEB_VERSION= another version.

DEB := $(abspath $(BUILD))/deb
DEB_VERSION ?= $(shell sed -n 's/^\#define CRISP_VERSION "\(.*\)"/\1/p' src/base/version.h)
# Dates of the last commit: the same sources give the same package.
DEB_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y src/base/version.h))
DEB_SOURCES := Makefile README.md LICENSE proto gen codegen src shim states tests tools
DEB_TREE := $(DEB)/crisp-$(DEB_VERSION)

deb:
	rm -rf $(DEB_TREE)
	mkdir -p $(DEB_TREE)
	cp -a $(DEB_SOURCES) $(DEB_TREE)
	cp -a tools/deb $(DEB_TREE)/debian
	printf 'crisp (%s) unstable; urgency=medium\n\n  * Built from the sources of this version.\n\n -- %s  %s\n' \
		'$(DEB_VERSION)' "$$(sed -n 's/^Maintainer: //p' tools/deb/control)" "$$(date -Rud @$(DEB_EPOCH))" \
		>$(DEB_TREE)/debian/changelog
	cd $(DEB_TREE) && env -u MAKEFLAGS -u MAKELEVEL SOURCE_DATE_EPOCH=$(DEB_EPOCH) \
		DEB_PROGRAMS=$(if $(DEB_PROGRAMS),$(abspath $(DEB_PROGRAMS))) dpkg-buildpackage -b -us -uc
	rm -rf $(DEB_TREE)

# Errors and warnings; tools/deb/crisp.lintian-overrides says which are none, and why.
deb-check: deb
	lintian --allow-root --fail-on error,warning $(DEB)/crisp_$(DEB_VERSION)_*.changes

.PHONY: deb deb-check
