/*
 * story.h - tells the stories of one scenario: killed at each point, the world going on in each
 * way, killed again at each point of the recovery.
 *
 * Lives of the daemon are calls of sim_run in the teller's process.  A kill is a checkpoint that
 * the life under way leaves at the crash point; the story starts on it when that life has ended.
 * A life that ends its process ends its teller: the story is in shared memory for the message.
 */
#pragma once

#include "remains.h"

#define N_FAKES 6
#define MAX_POINTS 160
#define MAX_ITEMS 8
#define KNOWN_SIZE (1u << 20)
/* A scenario's crash points are dealt out in as many pieces, one to a teller. */
#define STRIPES 6

extern const struct fake *const fakes[N_FAKES];

/* All tellers count together; each change is atomic. */
struct tally {
	unsigned int next; /* piece */
	unsigned int failures;
	bool enough; /* the failure that was asked for was seen */
	struct {
		unsigned int points; /* crash points of undisturbed lives and of recoveries */
		unsigned int stories, same, done;
	} of[N_FAKES];
	uint64_t known[KNOWN_SIZE]; /* beginnings whose future has been seen; 0: free */
	unsigned char reached[N_FAKES][MAX_MACHINES][MAX_POINTS][MAX_ITEMS];
};

/* A scenario's crash points k with k % STRIPES == stripe. */
struct piece {
	size_t fake;
	const struct scenario *scenario;
	unsigned int stripe;
};

/* In shared memory. */
struct teller {
	struct tally *tally;
	bool verbose;
	const char *until; /* a failure with this text is enough; NULL: none is */
	bool telling;
	/* The story, for messages. */
	struct piece piece;
	struct hit first, second;
	unsigned int fail_commit;
	int down; /* enum down */
	bool has_first, has_second;
	bool rehearsal; /* a life that another piece reports on */
	struct world world;
};

void tell_piece(struct teller *t, struct scratch *s, const struct piece *piece);
/* Count a failure of the story under way, and print it unless many were. */
void story_fail(struct teller *t, const char *what);
/* Count the crash points of the life under way as reached. */
void story_note_hits(struct teller *t);
void point_name(const struct fake *fake, const struct hit *h, char *out, size_t size);
