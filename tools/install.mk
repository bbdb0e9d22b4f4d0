# `make install` and `make uninstall`, below DESTDIR for packages.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/crisp
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

INSTALLED := $(BINDIR)/crisp $(SBINDIR)/crispd $(LIBEXECDIR)/crisp-shim $(LIBEXECDIR)/crisp-pull \
	$(MANDIR)/man1/crisp.1 $(MANDIR)/man8/crispd.8 $(UNITDIR)/crisp.service \
	$(COMPLETIONDIR)/crisp

install: all
	install -D -m 0755 $(BUILD)/crisp $(DESTDIR)$(BINDIR)/crisp
	install -D -m 0755 $(BUILD)/crispd $(DESTDIR)$(SBINDIR)/crispd
	install -D -m 0755 $(BUILD)/crisp-shim $(DESTDIR)$(LIBEXECDIR)/crisp-shim
	install -D -m 0755 $(BUILD)/crisp-pull $(DESTDIR)$(LIBEXECDIR)/crisp-pull
	install -D -m 0644 tools/crisp.1 $(DESTDIR)$(MANDIR)/man1/crisp.1
	install -D -m 0644 tools/crispd.8 $(DESTDIR)$(MANDIR)/man8/crispd.8
	install -D -m 0644 tools/crisp.bash $(DESTDIR)$(COMPLETIONDIR)/crisp
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|' tools/crisp.service >$(DESTDIR)$(UNITDIR)/crisp.service

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

.PHONY: install uninstall
