/*
 * sweep.c - deals the scenarios out to tellers, one a processor, and says what they found.
 *
 * After each story: is everything at rest?  Is every promise given to a client still true?  Is
 * nothing of ours left in the world?  Was every rpc answered?  A point of a row that no scenario
 * reaches is a failure: a row cannot be added without its story.
 *
 * usage: sweep [-b] [-e TEXT] [-v] [-j TELLERS] [-m MACHINE] [-s PART-OF-A-SCENARIO'S-NAME]
 * -b ends at the first failure, -e at the first one with TEXT, -v shows all of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/util.h"
#include "story.h"

#define MAX_TELLERS 64
#define PROGRESS_S 10 /* between two lines of progress, where they are not one that is rewritten */

struct sweep {
	const char *machine, *scenario; /* NULL: all */
	const char *until;
	bool verbose;
	long n_tellers;
	char dir[64];
	struct tally *tally;
	struct piece *pieces;
	unsigned int n_pieces, pieces_of[N_FAKES];
	struct teller *tellers; /* in shared memory */
	pid_t pids[MAX_TELLERS]; /* 0: none */
	bool failed;
	/* Progress. */
	bool terminal;
	int64_t start_ns, shown_ns;
	bool reported[N_FAKES];
	unsigned int missing; /* points that no scenario reaches */
};

/* Lives are short: little freed memory has to be watched. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=256:malloc_context_size=4:"
	       "clear_shadow_mmap_threshold=100000000";
}

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		sweep_die("mmap");
	return p;
}

/* --- tellers --- */

/* Every scenario once before any is gone on with: a mistake shows early. */
static void list_pieces(struct sweep *sw)
{
	for (size_t f = 0; f < N_FAKES; f++) {
		const struct fake *fake = fakes[f];

		if (sw->machine && strcmp(sw->machine, fake->name) != 0)
			continue;
		for (size_t i = 0; i < fake->n_scenarios * STRIPES; i++) {
			const struct scenario *sc = &fake->scenarios[i % fake->n_scenarios];

			if (sw->scenario && !strstr(sc->name, sw->scenario))
				continue;
			sw->pieces = xrealloc(sw->pieces, (sw->n_pieces + 1) * sizeof(*sw->pieces));
			sw->pieces[sw->n_pieces++] = (struct piece){
				.fake = f,
				.scenario = sc,
				.stripe = (unsigned int)(i / fake->n_scenarios),
			};
			sw->pieces_of[f]++;
		}
	}
}

static void teller_run(const struct sweep *sw, long i)
{
	struct teller *t = &sw->tellers[i];
	struct scratch scratch;
	char dir[96];

	snprintf(dir, sizeof(dir), "%s/%ld", sw->dir, i);
	scratch_begin(&scratch, dir);
	for (;;) {
		unsigned int mine = __atomic_fetch_add(&sw->tally->next, 1, __ATOMIC_RELAXED);

		if (mine >= sw->n_pieces)
			return;
		tell_piece(t, &scratch, &sw->pieces[mine]);
		__atomic_add_fetch(&sw->tally->of[t->piece.fake].done, 1, __ATOMIC_RELAXED);
	}
}

static void teller_start(struct sweep *sw, long i)
{
	struct teller *t = &sw->tellers[i];

	*t = (struct teller){ .tally = sw->tally, .verbose = sw->verbose, .until = sw->until };
	fflush(NULL);
	sw->pids[i] = fork();
	if (sw->pids[i] < 0)
		sweep_die("fork");
	if (sw->pids[i] == 0) {
		teller_run(sw, i);
		exit(0); /* and the sanitizer looks for leaks */
	}
}

/* A teller dies with the daemon that lives in it: the rest of its piece is not told. */
static void teller_ended(struct sweep *sw, long i, int status)
{
	struct teller *t = &sw->tellers[i];

	sw->pids[i] = 0;
	if (status == 0)
		return;
	sw->failed = true;
	if (!t->telling) {
		printf("not ok - a teller ends with status %#x\n", (unsigned int)status);
		return;
	}
	story_note_hits(t);
	story_fail(t, "the daemon died by itself");
	__atomic_add_fetch(&sw->tally->of[t->piece.fake].done, 1, __ATOMIC_RELAXED);
	teller_start(sw, i);
}

/* --- what is said --- */

static void report_machine(struct sweep *sw, size_t fake, int machine)
{
	const struct sm_machine *m = fakes[fake]->machines[machine];
	unsigned int points = 0, missing = 0;

	for (unsigned int r = 0; r < m->n_rows; r++)
		for (unsigned int i = 0; i <= m->rows[r].n_actions; i++) {
			char name[128];
			struct hit h = { .machine = machine,
					 .row = (uint16_t)r,
					 .item = (uint16_t)i };

			points++;
			if (sw->tally->reached[fake][machine][r][i])
				continue;
			missing++;
			point_name(fakes[fake], &h, name, sizeof(name));
			printf("not ok - no scenario reaches %s\n", name);
		}
	printf("# %s: %u rows, %u of %u points reached\n", m->name, m->n_rows, points - missing,
	       points);
	sw->missing += missing;
}

/* Machines whose last piece is told. */
static void report_done(struct sweep *sw)
{
	const struct tally *t = sw->tally;

	for (size_t f = 0; f < N_FAKES; f++) {
		if (sw->reported[f] || !sw->pieces_of[f] || t->of[f].done < sw->pieces_of[f])
			continue;
		sw->reported[f] = true;
		if (sw->terminal)
			printf("\r\033[K");
		for (int m = 0; m < fakes[f]->n_machines - fakes[f]->n_extras && !sw->scenario; m++)
			report_machine(sw, f, m);
		printf("# %s: %u crash points, %u stories told, %u more come to the same\n",
		       fakes[f]->name, t->of[f].points, t->of[f].stories, t->of[f].same);
		fflush(stdout);
	}
}

static unsigned int elapsed_s(const struct sweep *sw)
{
	return (unsigned int)((clock_monotonic_ns() - sw->start_ns) / NSEC_PER_SEC);
}

static void show_progress(struct sweep *sw)
{
	int64_t now_ns = clock_monotonic_ns();

	report_done(sw);
	if (!sw->terminal && now_ns - sw->shown_ns < PROGRESS_S * NSEC_PER_SEC)
		return;
	sw->shown_ns = now_ns;
	printf("%s# %u s:", sw->terminal ? "\r\033[K" : "", elapsed_s(sw));
	for (size_t f = 0; f < N_FAKES; f++)
		if (sw->pieces_of[f])
			printf(" %s %u %%", fakes[f]->name,
			       sw->tally->of[f].done * 100 / sw->pieces_of[f]);
	printf("%s", sw->terminal ? "" : "\n");
	fflush(stdout);
}

static int report(const struct sweep *sw)
{
	const struct tally *t = sw->tally;
	unsigned int points = 0, stories = 0, same = 0;
	bool bad = t->failures || sw->missing || sw->failed;

	for (size_t f = 0; f < N_FAKES; f++) {
		points += t->of[f].points;
		stories += t->of[f].stories;
		same += t->of[f].same;
	}
	printf("%s - crash sweep: %u crash points, %u stories told, %u more come to the same, "
	       "%u failures, %u points not reached, %u s\n",
	       bad ? "not ok" : "ok", points, stories, same, t->failures, sw->missing,
	       elapsed_s(sw));
	return bad;
}

/* --- the end --- */

/* Memory if there is any to be had: thousands of small databases come and go. */
static void make_dir(char *dir, size_t size)
{
	const char *places[] = { getenv("TMPDIR"), "/dev/shm", "/tmp" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (!places[i])
			continue;
		snprintf(dir, size, "%s/crisp-sweep.XXXXXX", places[i]);
		if (mkdtemp(dir))
			return;
	}
	sweep_die("make a scratch folder");
}

static void run(struct sweep *sw)
{
	struct timespec wait_for = { .tv_sec = 1 };
	long running = sw->n_tellers;
	sigset_t chld;
	int status;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (long i = 0; i < sw->n_tellers; i++)
		teller_start(sw, i);
	while (running > 0) {
		sigtimedwait(&chld, NULL, &wait_for);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			for (long i = 0; i < sw->n_tellers; i++)
				if (sw->pids[i] == pid) {
					teller_ended(sw, i, status);
					running -= !sw->pids[i];
					break;
				}
		show_progress(sw);
	}
	if (sw->terminal)
		printf("\r\033[K");
	report_done(sw);
}

static int parse_options(struct sweep *sw, int argc, char **argv)
{
	int64_t n = sw->n_tellers;
	int c;

	while ((c = getopt(argc, argv, "be:j:m:s:v")) != -1) {
		if (c == 'j' && str_to_i64(optarg, 1, MAX_TELLERS, &n) < 0)
			return -1;
		if (c == 'j')
			sw->n_tellers = n;
		else if (c == 'm')
			sw->machine = optarg;
		else if (c == 's')
			sw->scenario = optarg;
		else if (c == 'b')
			sw->until = "";
		else if (c == 'e')
			sw->until = optarg;
		else if (c == 'v')
			sw->verbose = true;
		else
			return -1;
	}
	return optind < argc ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sweep sw = {
		.n_tellers = sysconf(_SC_NPROCESSORS_ONLN),
		.terminal = isatty(STDOUT_FILENO),
		.start_ns = clock_monotonic_ns(),
	};

	if (parse_options(&sw, argc, argv) < 0) {
		fprintf(stderr,
			"usage: %s [-b] [-e TEXT] [-v] [-j TELLERS] [-m MACHINE] "
			"[-s PART-OF-A-NAME]\n",
			argv[0]);
		return 2;
	}
	sw.shown_ns = sw.start_ns;
	sw.n_tellers = MIN(sw.n_tellers, MAX_TELLERS);
	list_pieces(&sw);
	if (!sw.n_pieces) {
		fprintf(stderr, "sweep: no machine or scenario has that name\n");
		return 2;
	}
	sw.tally = share(sizeof(*sw.tally));
	sw.tellers = share(sizeof(*sw.tellers) * (size_t)sw.n_tellers);
	make_dir(sw.dir, sizeof(sw.dir));
	run(&sw);
	remove_tree(sw.dir);
	free(sw.pieces);
	return report(&sw) ? 1 : 0;
}
