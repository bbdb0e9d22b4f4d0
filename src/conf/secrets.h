/*
 * secrets.h - files of the configuration that hold passwords or private keys.
 */
#pragma once

struct conf;

/* Add a warning to c->warnings for each such file that any user may read, with the command that
 * mends it: auth files, TLS keys, client keys below certs_dirs. Such a file is still used. */
void conf_check_secrets(struct conf *c);
