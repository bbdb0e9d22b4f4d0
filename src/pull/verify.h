/*
 * verify.h - `crisp-pull verify`: judge once more an image that is here, with the signatures that
 * were kept with it; no network (proto/pull.proto, Verify).
 */
#pragma once

/* The request is read from standard input, the answer written to standard output.  Returns the
 * process's exit status. */
int verify_main(void);
