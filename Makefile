# Builds memtrace, and puts it where programs are installed: `make && sudo make install`.
#
# PREFIX, DESTDIR and the directories below are as everywhere. BUILT is a directory with what was built; the command finds
# the libraries in the places that report/src/run/environment.rs has, and they find it as shim/cold/src/helper.rs says.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
PYTHONDIR ?= $(PREFIX)/share/memtrace/python
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
# These two lie three below PREFIX, from where the files in them find everything else, so a tree can be moved.
PKGCONFIGDIR = $(PREFIX)/lib/pkgconfig
CMAKEDIR = $(PREFIX)/lib/cmake/memtrace

CARGO ?= cargo
INSTALL ?= install
STRIP ?= strip
BUILT ?= $(or $(CARGO_TARGET_DIR),target)/release

COMMAND = memtrace
LIBRARIES = libmemtrace.so libmemtrace_calls.so libmemtrace_debugmem.so
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)

to = $(DESTDIR)$(1)
# A directory as the files that are found from PREFIX name it.
below = $(if $(filter $(PREFIX)/%,$(1)),$(2)$(patsubst $(PREFIX)/%,/%,$(1)),$(1))
filled = sed -e 's|@version@|$(VERSION)|g' -e 's|@bin@|$(call below,$(BINDIR),$(1))|g' \
    -e 's|@lib@|$(call below,$(LIBDIR),$(1))|g' -e 's|@include@|$(call below,$(INCLUDEDIR),$(1))|g'

.PHONY: all install install-strip uninstall

all:
	$(CARGO) build --release -p memtrace -p memtrace-shim -p memtrace-calls -p memtrace-debugmem

install:
	@test -x '$(BUILT)/$(COMMAND)' || { echo "memtrace is not in $(BUILT): run \`make\` first" >&2; exit 1; }
	$(INSTALL) -d '$(call to,$(BINDIR))' '$(call to,$(LIBDIR))' '$(call to,$(INCLUDEDIR))' '$(call to,$(MANDIR))/man1' \
	    '$(call to,$(PYTHONDIR))' '$(call to,$(BASHDIR))' '$(call to,$(ZSHDIR))' '$(call to,$(FISHDIR))' \
	    '$(call to,$(PKGCONFIGDIR))' '$(call to,$(CMAKEDIR))'
	$(INSTALL) -m 755 '$(BUILT)/$(COMMAND)' '$(call to,$(BINDIR))'
	$(INSTALL) -m 644 $(LIBRARIES:%='$(BUILT)/%') '$(call to,$(LIBDIR))'
	$(INSTALL) -m 644 shim/include/memtrace.h '$(call to,$(INCLUDEDIR))'
	$(INSTALL) -m 644 shim/python/memtrace.py '$(call to,$(PYTHONDIR))'
	'$(BUILT)/$(COMMAND)' __man >'$(call to,$(MANDIR))/man1/memtrace.1'
	'$(BUILT)/$(COMMAND)' __completions bash >'$(call to,$(BASHDIR))/memtrace'
	'$(BUILT)/$(COMMAND)' __completions zsh >'$(call to,$(ZSHDIR))/_memtrace'
	'$(BUILT)/$(COMMAND)' __completions fish >'$(call to,$(FISHDIR))/memtrace.fish'
	$(call filled,$${prefix}) package/memtrace.pc.in >'$(call to,$(PKGCONFIGDIR))/memtrace.pc'
	$(call filled,$${memtrace_PREFIX}) package/memtrace-config.cmake.in >'$(call to,$(CMAKEDIR))/memtrace-config.cmake'
	$(call filled) package/memtrace-config-version.cmake.in >'$(call to,$(CMAKEDIR))/memtrace-config-version.cmake'

# The same without the debug information of memtrace itself. Names of functions stay.
install-strip: install
	$(STRIP) --strip-debug '$(call to,$(BINDIR))/$(COMMAND)' $(LIBRARIES:%='$(call to,$(LIBDIR))/%')

uninstall:
	rm -f '$(call to,$(BINDIR))/$(COMMAND)' $(LIBRARIES:%='$(call to,$(LIBDIR))/%') '$(call to,$(INCLUDEDIR))/memtrace.h' \
	    '$(call to,$(PYTHONDIR))/memtrace.py' '$(call to,$(MANDIR))/man1/memtrace.1' '$(call to,$(BASHDIR))/memtrace' \
	    '$(call to,$(ZSHDIR))/_memtrace' '$(call to,$(FISHDIR))/memtrace.fish' '$(call to,$(PKGCONFIGDIR))/memtrace.pc'
	rm -rf '$(call to,$(CMAKEDIR))'
