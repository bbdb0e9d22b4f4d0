/*
 * confc.h - the writers of confc, each of some of its outputs.
 */
#pragma once

#include "keytable.h"

/* confc_c.c: members of struct conf and struct conf_runtime, and the table of keys. */
void confc_fields(const struct key_table *t, enum key_place place, struct emit *out);
void confc_header(const struct key_table *t, struct emit *out);
void confc_source(const struct key_table *t, struct emit *out);

/* confc_man.c: crisp.conf(5), and the options of crispd(8). */
void confc_manual(const struct key_table *t, struct emit *out);
void confc_man_options(const struct key_table *t, struct emit *out);

/* confc_shell.c: completion of crispd. */
void confc_bash(const struct key_table *t, struct emit *out);
void confc_zsh(const struct key_table *t, struct emit *out);
void confc_fish(const struct key_table *t, struct emit *out);
