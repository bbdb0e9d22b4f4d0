/*
 * apparmor_none.c - apparmor.h for a build without libapparmor: AppArmor is never enabled.
 */
#include "os/apparmor.h"

bool apparmor_is_enabled(void)
{
	return false;
}

int apparmor_find_profile(const char *name, struct err *e)
{
	return err_set(e, ERR_UNIMPLEMENTED,
		       "AppArmor profile %s: this build of crisp has no AppArmor support", name);
}

int apparmor_load_default(struct err *e)
{
	return err_set(e, ERR_UNIMPLEMENTED, "this build of crisp has no AppArmor support");
}
