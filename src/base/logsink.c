/*
 * logsink.c - a filter for log lines, and their forms but for plain text.
 */
#include "base/logsink.h"

#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/logform.h"
#include "base/util.h"

static enum log_form log_form = LOG_FORM_TEXT;
static int journal_fd = -1;

/* Those that were replaced stay, since a thread may still match with one. */
struct filter {
	struct filter *older;
	regex_t regex;
};
static struct filter *filters;
static const struct filter *_Atomic filter;

static bool is_wanted(const struct log_parts *l)
{
	const struct filter *f = filter;
	char text[LOGFORM_LINE];

	if (!f)
		return true;
	snprintf(text, sizeof(text), "%s %s", l->msg, l->fields);
	return regexec(&f->regex, text, 0, NULL, 0) == 0;
}

/* false: there is no journald, or it is busy. */
static bool send_entry(const char *data, size_t size)
{
	static const struct sockaddr_un journald = { .sun_family = AF_UNIX,
						     .sun_path = "/run/systemd/journal/socket" };

	return sendto(journal_fd, data, size, MSG_NOSIGNAL, (const void *)&journald,
		      sizeof(journald)) >= 0;
}

static bool sink(const struct log_parts *l)
{
	char out[LOGFORM_MAX];

	if (!is_wanted(l))
		return true;
	if (log_form == LOG_FORM_JOURNAL)
		return send_entry(out, logform_journal(l, out));
	if (log_form == LOG_FORM_TEXT)
		return false;
	return write(STDERR_FILENO, out, logform_json(l, out)) >= 0;
}

void logsink_set_form(enum log_form form)
{
	if (form == LOG_FORM_JOURNAL && journal_fd < 0)
		journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	log_form = form;
	log_set_sink(sink);
}

bool logsink_is_journal(void)
{
	const char *at = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!at || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(at, here) == 0;
}

static int compile(const char *expression, regex_t *ret, struct err *e)
{
	char why[128];
	int r = regcomp(ret, expression, REG_EXTENDED | REG_NOSUB);

	if (r == 0)
		return 0;
	regerror(r, ret, why, sizeof(why));
	return err_set(e, ERR_INVALID, "\"%.200s\": %s", expression, why);
}

bool logsink_is_filter(const char *expression)
{
	struct err ignored = ERR_NULL;
	regex_t regex;

	if (compile(expression, &regex, &ignored) < 0)
		return false;
	regfree(&regex);
	return true;
}

int logsink_set_filter(const char *expression, struct err *e)
{
	_cleanup_free_ struct filter *f = NULL;

	if (!*expression) {
		filter = NULL;
		return 0;
	}
	f = xcalloc(1, sizeof(*f));
	if (compile(expression, &f->regex, e) < 0)
		return -(int)e->code;
	f->older = filters;
	filter = filters = take_ptr(f);
	log_set_sink(sink);
	return 0;
}
