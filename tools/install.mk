# `make install` and `make uninstall`, below DESTDIR for packages.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/crisp
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d

INSTALLED := $(BINDIR)/crisp $(SBINDIR)/crispd $(LIBEXECDIR)/crisp-shim $(LIBEXECDIR)/crisp-pull \
	$(MANDIR)/man1/crisp.1 $(MANDIR)/man5/crisp.conf.5 $(MANDIR)/man8/crispd.8 \
	$(UNITDIR)/crisp.service $(COMPLETIONDIR)/crisp $(COMPLETIONDIR)/crispd \
	$(ZSHDIR)/_crispd $(FISHDIR)/crispd.fish

# The options come from the table of keys.
$(BUILD)/crispd.8: tools/crispd.8 gen/crispd-options.8
	@mkdir -p $(@D)
	@sed -e '/@OPTIONS@/{' -e 'r gen/crispd-options.8' -e 'd' -e '}' $< >$@

install: all $(BUILD)/crispd.8
	install -D -m 0755 $(BUILD)/crisp $(DESTDIR)$(BINDIR)/crisp
	install -D -m 0755 $(BUILD)/crispd $(DESTDIR)$(SBINDIR)/crispd
	install -D -m 0755 $(BUILD)/crisp-shim $(DESTDIR)$(LIBEXECDIR)/crisp-shim
	install -D -m 0755 $(BUILD)/crisp-pull $(DESTDIR)$(LIBEXECDIR)/crisp-pull
	install -D -m 0644 tools/crisp.1 $(DESTDIR)$(MANDIR)/man1/crisp.1
	install -D -m 0644 gen/crisp.conf.5 $(DESTDIR)$(MANDIR)/man5/crisp.conf.5
	install -D -m 0644 $(BUILD)/crispd.8 $(DESTDIR)$(MANDIR)/man8/crispd.8
	install -D -m 0644 tools/crisp.bash $(DESTDIR)$(COMPLETIONDIR)/crisp
	install -D -m 0644 gen/crispd.bash $(DESTDIR)$(COMPLETIONDIR)/crispd
	install -D -m 0644 gen/crispd.zsh $(DESTDIR)$(ZSHDIR)/_crispd
	install -D -m 0644 gen/crispd.fish $(DESTDIR)$(FISHDIR)/crispd.fish
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|' tools/crisp.service >$(DESTDIR)$(UNITDIR)/crisp.service

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

.PHONY: install uninstall
