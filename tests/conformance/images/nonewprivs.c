/*
 * nonewprivs.c - shows whether a set-uid bit took effect.
 *
 * Installed set-uid root and started by an ordinary user: the effective user is 0 where gaining
 * privileges is allowed, and the caller where the runtime set no_new_privs. The suite compares this
 * line to the byte.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("Effective uid: %u\n", (unsigned int)geteuid());
	return 0;
}
