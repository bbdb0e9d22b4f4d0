/*
 * openpgp.c - load librnp with dlopen, import keyrings, verify.
 */
#include "pull/trust/openpgp.h"

#include <dlfcn.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#define LIBRARY "librnp.so.0"
#define CONTENT_MAX (1024 * 1024)

/* librnp functions, resolved by dlsym. */
#define FUNCTIONS(X) \
	X(rnp_ffi_create) \
	X(rnp_ffi_destroy) \
	X(rnp_ffi_set_log_fd) \
	X(rnp_result_to_string) \
	X(rnp_input_from_memory) \
	X(rnp_input_destroy) \
	X(rnp_output_to_memory) \
	X(rnp_output_memory_get_buf) \
	X(rnp_output_destroy) \
	X(rnp_load_keys) \
	X(rnp_get_public_key_count) \
	X(rnp_op_verify_create) \
	X(rnp_op_verify_execute) \
	X(rnp_op_verify_get_signature_count) \
	X(rnp_op_verify_get_signature_at) \
	X(rnp_op_verify_signature_get_status) \
	X(rnp_op_verify_signature_get_handle) \
	X(rnp_op_verify_signature_get_key) \
	X(rnp_op_verify_destroy) \
	X(rnp_signature_get_keyid) \
	X(rnp_signature_handle_destroy) \
	X(rnp_key_is_valid) \
	X(rnp_key_is_revoked) \
	X(rnp_key_is_expired) \
	X(rnp_key_handle_destroy) \
	X(rnp_buffer_destroy)

#define FIELD(name) __typeof__(name) *name;
#define LOOKUP(name) { #name, offsetof(struct library, name) },

static struct library {
	FUNCTIONS(FIELD)
	void *handle;
} rnp;

/* The first use opens the random device, which stays open. */
static int initialise(struct err *e)
{
	rnp_ffi_t ffi = NULL;

	if (rnp.rnp_ffi_create(&ffi, RNP_KEYSTORE_GPG, RNP_KEYSTORE_GPG) != RNP_SUCCESS)
		return err_set(e, ERR_INTERNAL, LIBRARY " cannot be initialised");
	rnp.rnp_ffi_destroy(ffi);
	return 0;
}

int openpgp_load(struct err *e)
{
	static const struct {
		const char *name;
		size_t offset;
	} functions[] = { FUNCTIONS(LOOKUP) };

	if (rnp.handle)
		return 0;
	rnp.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!rnp.handle)
		return err_set(e, ERR_PRECONDITION,
			       "signedBy needs " LIBRARY " (package librnp0): %.200s", dlerror());
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		void *f = dlsym(rnp.handle, functions[i].name);

		if (!f) {
			dlclose(rnp.handle);
			rnp = (struct library){ .handle = NULL };
			return err_set(e, ERR_PRECONDITION, LIBRARY " has no %s: it is too old",
				       functions[i].name);
		}
		memcpy((char *)&rnp + functions[i].offset, &f, sizeof(f));
	}
	return initialise(e);
}

/* State of one verification. */
struct opening {
	rnp_ffi_t ffi;
	rnp_input_t input;
	rnp_output_t output;
	rnp_op_verify_t op;
};

static void opening_done(struct opening *o)
{
	rnp.rnp_op_verify_destroy(o->op);
	rnp.rnp_output_destroy(o->output);
	rnp.rnp_input_destroy(o->input);
	rnp.rnp_ffi_destroy(o->ffi);
}

static int add_keyring(struct opening *o, const struct buf *keyring, struct err *e)
{
	rnp_input_t input = NULL;
	rnp_result_t r = rnp.rnp_input_from_memory(&input, (const uint8_t *)keyring->data,
						   keyring->len, false);

	if (r == RNP_SUCCESS)
		r = rnp.rnp_load_keys(o->ffi, RNP_KEYSTORE_GPG, input, RNP_LOAD_SAVE_PUBLIC_KEYS);
	rnp.rnp_input_destroy(input);
	return r == RNP_SUCCESS ? 0
				: err_set(e, ERR_PRECONDITION, "not an OpenPGP keyring: %s",
					  rnp.rnp_result_to_string(r));
}

static int add_keyrings(struct opening *o, const struct buf *keyrings, size_t n, struct err *e)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (add_keyring(o, &keyrings[i], e) < 0)
			return -(int)e->code;
	rnp.rnp_get_public_key_count(o->ffi, &count);
	return count ? 0 : err_set(e, ERR_PRECONDITION, "the keyring has no public key");
}

/* malloc'ed. */
static char *key_id(rnp_op_verify_signature_t s)
{
	rnp_signature_handle_t handle = NULL;
	char *id = NULL, *ret;

	if (rnp.rnp_op_verify_signature_get_handle(s, &handle) == RNP_SUCCESS)
		rnp.rnp_signature_get_keyid(handle, &id);
	ret = xstrdup(id ? id : "?");
	rnp.rnp_buffer_destroy(id);
	rnp.rnp_signature_handle_destroy(handle);
	return ret;
}

/* Check the key's current state: a valid signature by an expired or revoked key is refused. */
static int check_key(rnp_op_verify_signature_t s, const char *id, struct err *e)
{
	bool valid = false, revoked = true, expired = true;
	rnp_key_handle_t key = NULL;

	if (rnp.rnp_op_verify_signature_get_key(s, &key) == RNP_SUCCESS) {
		rnp.rnp_key_is_valid(key, &valid);
		rnp.rnp_key_is_revoked(key, &revoked);
		rnp.rnp_key_is_expired(key, &expired);
	}
	rnp.rnp_key_handle_destroy(key);
	if (valid && !revoked && !expired)
		return 0;
	return err_set(e, ERR_DENIED, "its key %s %s", id,
		       revoked	 ? "is revoked"
		       : expired ? "has expired"
				 : "is not valid");
}

static int check_signature(rnp_op_verify_signature_t s, struct err *e)
{
	_cleanup_free_ char *id = NULL;
	rnp_result_t status = rnp.rnp_op_verify_signature_get_status(s);

	/* After RNP_ERROR_SIGNATURE_UNKNOWN ask nothing else: librnp 0.16 has a double free. */
	if (status == RNP_ERROR_SIGNATURE_UNKNOWN)
		return err_set(e, ERR_DENIED, "it is damaged, or of a kind that is not known");
	id = key_id(s);
	if (status == RNP_ERROR_KEY_NOT_FOUND)
		return err_set(e, ERR_DENIED, "its key %s is not in the keyring", id);
	if (status == RNP_ERROR_SIGNATURE_EXPIRED)
		return err_set(e, ERR_DENIED, "it has expired, or is of a time to come (key %s)",
			       id);
	/* First check the key: for an invalid key librnp returns the status of a damaged
	 * signature. */
	if (check_key(s, id, e) < 0)
		return -(int)e->code;
	if (status != RNP_SUCCESS)
		return err_set(e, ERR_DENIED, "it does not verify with key %s", id);
	return 0;
}

static int check_message(struct opening *o, struct buf *ret, struct err *e)
{
	rnp_result_t r = rnp.rnp_op_verify_execute(o->op);
	rnp_op_verify_signature_t s = NULL;
	uint8_t *data = NULL;
	size_t n = 0, size = 0;

	rnp.rnp_op_verify_get_signature_count(o->op, &n);
	if (n == 1 && rnp.rnp_op_verify_get_signature_at(o->op, 0, &s) == RNP_SUCCESS &&
	    check_signature(s, e) < 0)
		return -(int)e->code;
	if (r != RNP_SUCCESS)
		return err_set(e, ERR_DENIED, "it is not a signed OpenPGP message: %s",
			       rnp.rnp_result_to_string(r));
	if (!s)
		return err_set(e, ERR_DENIED, "it is a message with %zu signatures, not with one",
			       n);
	r = rnp.rnp_output_memory_get_buf(o->output, &data, &size, false);
	if (r != RNP_SUCCESS)
		return err_set(e, ERR_DENIED, "it has no content: %s", rnp.rnp_result_to_string(r));
	buf_add(ret, data, size);
	return 0;
}

int openpgp_open(const struct buf *keyrings, size_t n, const void *message, size_t size,
		 struct buf *ret, struct err *e)
{
	struct opening o = { .ffi = NULL };
	const uint8_t *bytes = message;
	int r;

	/* Registries do not store armored or clear-signed messages. */
	if (!size || !(bytes[0] & 0x80))
		return err_set(e, ERR_DENIED, "it is not a binary OpenPGP message");
	r = openpgp_load(e);
	if (r < 0)
		return r;
	if (rnp.rnp_ffi_create(&o.ffi, RNP_KEYSTORE_GPG, RNP_KEYSTORE_GPG) != RNP_SUCCESS)
		return err_set(e, ERR_INTERNAL, LIBRARY " cannot be initialised");
	r = add_keyrings(&o, keyrings, n, e);
	if (r == 0 && (rnp.rnp_input_from_memory(&o.input, bytes, size, false) != RNP_SUCCESS ||
		       rnp.rnp_output_to_memory(&o.output, CONTENT_MAX) != RNP_SUCCESS ||
		       rnp.rnp_op_verify_create(&o.op, o.ffi, o.input, o.output) != RNP_SUCCESS))
		r = err_set(e, ERR_INTERNAL, LIBRARY " cannot begin");
	r = r < 0 ? r : check_message(&o, ret, e);
	opening_done(&o);
	return r;
}
