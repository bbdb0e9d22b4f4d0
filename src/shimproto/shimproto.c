/*
 * shimproto.c - pack and parse frames with one table of fields, so that both directions agree.
 * Allocates nothing.
 */
#include "shimproto/shimproto.h"

#include <string.h>

#include "base/util.h"

struct frame_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t length; /* of the payload */
	uint32_t seq;
	uint32_t error; /* enum err_code of an answer; 0: success */
};

enum field_kind {
	FIELD_U32,
	FIELD_U64,
	FIELD_STRING, /* const char *: length including the NUL, bytes, NUL */
	FIELD_CHARS, /* char[max]: likewise */
	FIELD_ARGS, /* const char *[]: count, then strings */
};

struct frame_field {
	const char *name;
	size_t offset;
	size_t max; /* of a string, including its NUL */
	enum field_kind kind;
};

#define REQ(kind_, name_, max_) \
	{ \
		.name = #name_, .offset = offsetof(struct shim_request, name_), .max = (max_), \
		.kind = (kind_) \
	}

static const struct frame_field request_fields[] = {
	REQ(FIELD_STRING, id, SHIM_ID_MAX + 1),
	REQ(FIELD_STRING, session, SHIM_ID_MAX + 1),
	REQ(FIELD_STRING, runtime, SHIM_PATH_MAX),
	REQ(FIELD_STRING, runtime_root, SHIM_PATH_MAX),
	REQ(FIELD_STRING, bundle, SHIM_PATH_MAX),
	REQ(FIELD_STRING, log_path, SHIM_PATH_MAX),
	REQ(FIELD_STRING, exit_path, SHIM_PATH_MAX),
	REQ(FIELD_STRING, cgroup, SHIM_PATH_MAX),
	REQ(FIELD_STRING, process_path, SHIM_PATH_MAX),
	REQ(FIELD_STRING, name, SHIM_NAME_MAX),
	REQ(FIELD_ARGS, args, SHIM_ARG_MAX),
	REQ(FIELD_U32, flags, 0),
	REQ(FIELD_U32, signal, 0),
	REQ(FIELD_U32, width, 0),
	REQ(FIELD_U32, height, 0),
	REQ(FIELD_U64, log_max, 0),
	REQ(FIELD_U64, timeout_ms, 0),
	REQ(FIELD_U32, state, 0),
	REQ(FIELD_U32, pid, 0),
	REQ(FIELD_U64, start_ticks, 0),
	REQ(FIELD_U64, started_ns, 0),
};

#define STATUS(kind_, name_, max_) \
	{ \
		.name = #name_, .offset = offsetof(struct shim_report, status.name_), \
		.max = (max_), .kind = (kind_) \
	}

static const struct frame_field report_fields[] = {
	STATUS(FIELD_CHARS, id, SHIM_ID_MAX + 1),
	STATUS(FIELD_CHARS, session, SHIM_ID_MAX + 1),
	STATUS(FIELD_U32, state, 0),
	STATUS(FIELD_U32, pid, 0),
	STATUS(FIELD_U64, start_ticks, 0),
	STATUS(FIELD_U32, exit_code, 0),
	STATUS(FIELD_U32, signal, 0),
	STATUS(FIELD_U32, oom, 0),
	STATUS(FIELD_U64, created_ns, 0),
	STATUS(FIELD_U64, started_ns, 0),
	STATUS(FIELD_U64, exited_ns, 0),
	STATUS(FIELD_U64, log_lost, 0),
	STATUS(FIELD_U32, shim_pid, 0),
	STATUS(FIELD_U32, exit_unknown, 0),
	STATUS(FIELD_U32, flags, 0),
	{ "text", offsetof(struct shim_report, err.text), ERR_TEXT_MAX, FIELD_CHARS },
};

/* --- writing --- */

struct frame_writer {
	char *out; /* SHIM_FRAME_MAX bytes */
	size_t len;
};

static int put(struct frame_writer *w, const void *data, size_t size, const char *name,
	       struct err *e)
{
	if (size > SHIM_FRAME_MAX - w->len)
		return err_set(e, ERR_INVALID, "shim frame: %s does not fit into %d bytes", name,
			       SHIM_FRAME_MAX);
	memcpy(w->out + w->len, data, size);
	w->len += size;
	return 0;
}

static int put_string(struct frame_writer *w, const char *s, const struct frame_field *f,
		      struct err *e)
{
	size_t size = strlen(s ? s : "") + 1;
	uint32_t n = (uint32_t)size;
	int r;

	if (size > f->max)
		return err_set(e, ERR_INVALID, "shim frame: %s is longer than %zu bytes", f->name,
			       f->max - 1);
	r = put(w, &n, sizeof(n), f->name, e);
	return r < 0 ? r : put(w, s ? s : "", size, f->name, e);
}

static int put_args(struct frame_writer *w, const char *const *args, const struct frame_field *f,
		    struct err *e)
{
	uint32_t n = 0;
	int r;

	while (args[n] && n <= SHIM_ARGS_MAX)
		n++;
	if (n > SHIM_ARGS_MAX)
		return err_set(e, ERR_INVALID, "shim frame: more than %d %s", SHIM_ARGS_MAX,
			       f->name);
	r = put(w, &n, sizeof(n), f->name, e);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = put_string(w, args[i], f, e);
	return r;
}

static int put_field(struct frame_writer *w, const char *base, const struct frame_field *f,
		     struct err *e)
{
	const char *at = base + f->offset;

	switch (f->kind) {
	case FIELD_U32:
		return put(w, at, sizeof(uint32_t), f->name, e);
	case FIELD_U64:
		return put(w, at, sizeof(uint64_t), f->name, e);
	case FIELD_STRING:
		return put_string(w, *(const char *const *)(const void *)at, f, e);
	case FIELD_CHARS:
		return put_string(w, at, f, e);
	case FIELD_ARGS:
		return put_args(w, (const char *const *)(const void *)at, f, e);
	}
	return 0;
}

static int pack(struct frame_header h, const void *base, const struct frame_field *fields, size_t n,
		void *out, size_t *ret_size, struct err *e)
{
	struct frame_writer w = { .out = out, .len = sizeof(h) };

	for (size_t i = 0; i < n; i++) {
		int r = put_field(&w, base, &fields[i], e);

		if (r < 0)
			return r;
	}
	h.length = (uint32_t)(w.len - sizeof(h));
	memcpy(out, &h, sizeof(h));
	*ret_size = w.len;
	return 0;
}

/* --- reading --- */

struct frame_reader {
	const char *p;
	size_t left;
};

static int get(struct frame_reader *rd, void *out, size_t size, const char *name, struct err *e)
{
	if (size > rd->left)
		return err_set(e, ERR_INVALID, "shim frame: ends inside %s", name);
	memcpy(out, rd->p, size);
	rd->p += size;
	rd->left -= size;
	return 0;
}

static int get_string(struct frame_reader *rd, const char **ret, const struct frame_field *f,
		      struct err *e)
{
	uint32_t n = 0;
	int r = get(rd, &n, sizeof(n), f->name, e);

	if (r < 0)
		return r;
	if (n == 0 || n > f->max)
		return err_set(e, ERR_INVALID,
			       "shim frame: %s has a length of %u, 1 to %zu are allowed", f->name,
			       n, f->max);
	if (n > rd->left)
		return err_set(e, ERR_INVALID, "shim frame: ends inside %s", f->name);
	if (memchr(rd->p, '\0', n) != rd->p + n - 1)
		return err_set(e, ERR_INVALID, "shim frame: %s is not text with one NUL at its end",
			       f->name);
	*ret = rd->p;
	rd->p += n;
	rd->left -= n;
	return 0;
}

static int get_args(struct frame_reader *rd, const char **args, const struct frame_field *f,
		    struct err *e)
{
	uint32_t n = 0;
	int r = get(rd, &n, sizeof(n), f->name, e);

	if (r < 0)
		return r;
	if (n > SHIM_ARGS_MAX)
		return err_set(e, ERR_INVALID, "shim frame: more than %d %s", SHIM_ARGS_MAX,
			       f->name);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = get_string(rd, &args[i], f, e);
	args[n] = NULL;
	return r;
}

static int get_field(struct frame_reader *rd, char *base, const struct frame_field *f,
		     struct err *e)
{
	char *at = base + f->offset;
	const char *s;
	int r;

	switch (f->kind) {
	case FIELD_U32:
		return get(rd, at, sizeof(uint32_t), f->name, e);
	case FIELD_U64:
		return get(rd, at, sizeof(uint64_t), f->name, e);
	case FIELD_STRING:
		return get_string(rd, (const char **)(void *)at, f, e);
	case FIELD_CHARS:
		r = get_string(rd, &s, f, e);
		if (r == 0)
			memcpy(at, s, strlen(s) + 1);
		return r;
	case FIELD_ARGS:
		return get_args(rd, (const char **)(void *)at, f, e);
	}
	return 0;
}

static int parse_header(const void *frame, size_t size, struct frame_header *h, struct err *e)
{
	if (size < sizeof(*h) || size > SHIM_FRAME_MAX)
		return err_set(e, ERR_INVALID, "shim frame: %zu bytes, %zu to %d are allowed", size,
			       sizeof(*h), SHIM_FRAME_MAX);
	memcpy(h, frame, sizeof(*h));
	if (h->magic != SHIM_MAGIC)
		return err_set(e, ERR_INVALID, "shim frame: magic number is 0x%x", h->magic);
	if (h->version != SHIM_VERSION)
		return err_set(e, ERR_INVALID,
			       "shim frame: version %u, %d is expected: crispd and crisp-shim are "
			       "of different versions",
			       h->version, SHIM_VERSION);
	if (h->length != size - sizeof(*h))
		return err_set(e, ERR_INVALID, "shim frame: length says %u, %zu bytes came",
			       h->length, size - sizeof(*h));
	return 0;
}

static int parse_fields(const void *frame, size_t size, void *base,
			const struct frame_field *fields, size_t n, struct err *e)
{
	struct frame_reader rd = { .p = (const char *)frame + sizeof(struct frame_header),
				   .left = size - sizeof(struct frame_header) };

	for (size_t i = 0; i < n; i++) {
		int r = get_field(&rd, base, &fields[i], e);

		if (r < 0)
			return r;
	}
	if (rd.left)
		return err_set(e, ERR_INVALID, "shim frame: %zu bytes behind the last field",
			       rd.left);
	return 0;
}

/* --- requests --- */

static bool is_request(unsigned type)
{
	return type >= SHIM_HELLO && type < SHIM_REQUEST_END;
}

int shimproto_pack_request(const struct shim_request *req, uint32_t seq, void *out,
			   size_t *ret_size, struct err *e)
{
	struct frame_header h = { .magic = SHIM_MAGIC,
				  .version = SHIM_VERSION,
				  .type = (uint16_t)req->type,
				  .seq = seq };

	if (!is_request(req->type))
		return err_set(e, ERR_INVALID, "shim frame: %d is no request", (int)req->type);
	return pack(h, req, request_fields, ARRAY_LEN(request_fields), out, ret_size, e);
}

int shimproto_parse_request(const void *frame, size_t size, struct shim_request *ret,
			    uint32_t *ret_seq, struct err *e)
{
	struct frame_header h;
	int r;

	*ret_seq = 0;
	*ret = (struct shim_request){ .type = 0 };
	r = parse_header(frame, size, &h, e);
	if (r < 0)
		return r;
	*ret_seq = h.seq;
	if (!is_request(h.type))
		return err_set(e, ERR_UNIMPLEMENTED, "shim frame: unknown request type %u", h.type);
	ret->type = (enum shim_type)h.type;
	r = parse_fields(frame, size, ret, request_fields, ARRAY_LEN(request_fields), e);
	if (r < 0)
		return r;
	if (ret->flags & ~(uint32_t)SHIM_FLAGS_MASK)
		return err_set(e, ERR_INVALID, "shim frame: unknown flags 0x%x", ret->flags);
	if (ret->state > SHIM_ENDED)
		return err_set(e, ERR_INVALID, "shim frame: unknown state %u", ret->state);
	if (ret->log_max < 0 || ret->timeout_ms < 0)
		return err_set(e, ERR_INVALID, "shim frame: %s is negative",
			       ret->log_max < 0 ? "log_max" : "timeout_ms");
	return 0;
}

/* --- reports --- */

static bool is_report(unsigned type)
{
	return type >= SHIM_ANSWER && type < SHIM_REPORT_END;
}

int shimproto_pack_report(const struct shim_report *rep, void *out, size_t *ret_size, struct err *e)
{
	struct frame_header h = { .magic = SHIM_MAGIC,
				  .version = SHIM_VERSION,
				  .type = (uint16_t)rep->type,
				  .seq = rep->seq,
				  .error = (uint32_t)rep->err.code };

	if (!is_report(rep->type))
		return err_set(e, ERR_INVALID, "shim frame: %d is no report", (int)rep->type);
	return pack(h, rep, report_fields, ARRAY_LEN(report_fields), out, ret_size, e);
}

int shimproto_parse_report(const void *frame, size_t size, struct shim_report *ret, struct err *e)
{
	struct frame_header h;
	int r = parse_header(frame, size, &h, e);

	if (r < 0)
		return r;
	*ret = (struct shim_report){ .type = (enum shim_type)h.type, .seq = h.seq };
	if (!is_report(h.type))
		return err_set(e, ERR_INVALID, "shim frame: unknown report type %u", h.type);
	if (h.error > ERR_UNAUTHENTICATED)
		return err_set(e, ERR_INVALID, "shim frame: unknown error code %u", h.error);
	ret->err = (struct err){ .code = (enum err_code)h.error, .file = "shim" };
	r = parse_fields(frame, size, ret, report_fields, ARRAY_LEN(report_fields), e);
	if (r < 0)
		return r;
	if ((unsigned)ret->status.state > SHIM_ENDED)
		return err_set(e, ERR_INVALID, "shim frame: unknown state %d",
			       (int)ret->status.state);
	return 0;
}

/* --- names --- */

const char *shimproto_type_name(enum shim_type type)
{
	static const char *const names[SHIM_REPORT_END] = {
		[SHIM_HELLO] = "HELLO",
		[SHIM_CREATE] = "CREATE",
		[SHIM_START] = "START",
		[SHIM_KILL] = "KILL",
		[SHIM_EXEC] = "EXEC",
		[SHIM_EXEC_KILL] = "EXEC_KILL",
		[SHIM_REOPEN] = "REOPEN",
		[SHIM_RESIZE] = "RESIZE",
		[SHIM_CLOSE_STDIN] = "CLOSE_STDIN",
		[SHIM_ATTACH] = "ATTACH",
		[SHIM_STATUS] = "STATUS",
		[SHIM_FORGET] = "FORGET",
		[SHIM_INIT] = "INIT",
		[SHIM_SHUTDOWN] = "SHUTDOWN",
		[SHIM_ADOPT] = "ADOPT",
		[SHIM_ANSWER] = "ANSWER",
		[SHIM_CONTAINER] = "CONTAINER",
		[SHIM_EXEC_STATUS] = "EXEC_STATUS",
		[SHIM_EXITED] = "EXITED",
		[SHIM_EXEC_EXITED] = "EXEC_EXITED",
		[SHIM_LOG_ERROR] = "LOG_ERROR",
	};

	if ((unsigned)type >= SHIM_REPORT_END || !names[type])
		return "?";
	return names[type];
}

const char *shimproto_state_name(enum shim_state state)
{
	static const char *const names[] = {
		[SHIM_CREATING] = "creating", [SHIM_CREATED] = "created",
		[SHIM_STARTING] = "starting", [SHIM_RUNNING] = "running",
		[SHIM_ENDED] = "ended",
	};

	if ((unsigned)state >= ARRAY_LEN(names) || !names[state])
		return "?";
	return names[state];
}

bool shimproto_id_is_valid(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n <= SHIM_ID_MAX && id[n] == '\0' && id[0] != '.' && id[0] != '-';
}
