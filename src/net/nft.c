/*
 * nft.c - finds nft, which only root may change, and bounds its time and output.
 */
#include "net/nft.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"

#define NFT_TIMEOUT_MS 20000

/* A child: libnftables exits when it cannot go on, and has no time limit. */
int nft_run(const char *const *args, const char *text, size_t size, int hold_fd,
	    struct spawn_result *ret, struct err *e)
{
	_cleanup_free_ char *program = spawn_find_program("nft", NULL);
	const char *argv[6] = { program };
	struct spawn s = SPAWN_NULL;

	if (!program) {
		err_set(e, ERR_PRECONDITION, "no nft in PATH: install nftables");
		return 1;
	}
	if (fs_check_trusted(program, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	s.argv = argv;
	s.pass_fd = hold_fd;
	return spawn_run_as(&s, text, size, LIMIT_NFT_OUTPUT, NFT_TIMEOUT_MS, ret, e);
}
