/*
 * secrets.h - permission check of configuration files with passwords or private keys.
 */
#pragma once

struct conf;

/* Add a warning to c->warnings for each such world-readable file, with the command that fixes it:
 * auth files, TLS keys, client keys below certs_dirs.  Such a file is still used. */
void conf_check_secrets(struct conf *c);
