/*
 * sweep.c - tells the stories: each scenario, killed at each point, the world going on in each
 * way, killed again at each point of the recovery.
 *
 * After each story: is everything at rest?  Is every promise given to a client still true?  Is
 * nothing of ours left in the world?  Was every rpc answered?  A point of a row that no scenario
 * reaches is a failure: a row cannot be added without its story.
 *
 * usage: sweep [-b] [-v] [-j WORKERS] [-m MACHINE] [-s PART-OF-A-SCENARIO'S-NAME]
 * -b ends at the first failure, -v shows all of them.
 */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"

#define MAX_WORKERS 16
#define MAX_POINTS 64
#define MAX_ITEMS 8
#define FAILURES_SHOWN 8
#define KNOWN_SIZE (1u << 20)
/* Where a life's clock starts: on a tick, so that a point more or less before it is no matter. */
#define TICK_NS (100 * NSEC_PER_MSEC)

static const struct fake *const fakes[] = {
	&fake_container, &fake_sandbox, &fake_image, &fake_exec,
};

static const char *const down_names[N_DOWN] = {
	[DOWN_NOTHING] = "nothing happens",
	[DOWN_FINISHES] = "what was under way is done",
	[DOWN_EXITS] = "the process ends with a record",
	[DOWN_SHIM_DIES] = "the shim dies",
	[DOWN_VANISHES] = "everything vanishes without a trace",
	[DOWN_REBOOTS] = "the machine reboots",
};

/* What the workers find out together; all of it is changed atomically. */
struct tally {
	unsigned int next; /* scenario to be told, counted over all fakes */
	unsigned int stories, same, failures;
	uint64_t known[KNOWN_SIZE]; /* beginnings whose future has been seen; 0: free */
	unsigned char reached[ARRAY_LEN(fakes)][MAX_MACHINES][MAX_POINTS][MAX_ITEMS];
};

struct worker {
	bool verbose;
	bool brief; /* one failure is enough */
	struct tally *tally;
	struct world *world; /* shared with the daemon's lives */
	/* Shared as well: what a kill at each point of the recovery would leave, in `from`.N */
	struct world *snaps;
	char from[160];
	char dir[128];
	unsigned int dirs;
	/* The story, for messages. */
	size_t fake;
	const struct scenario *scenario;
	struct hit first, second;
	unsigned int fail_commit;
	int down;
	bool has_first, has_second;
};

/* What a killed daemon leaves: the world and the rows. */
struct remains {
	struct world world;
	char dir[192];
};

/* Freed memory that is watched is memory that every fork copies. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=256:malloc_context_size=4";
}

static void die(const char *what)
{
	fprintf(stderr, "sweep: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- files --- */

static void copy_file(int from_dir, int to_dir, const char *name)
{
	char buf[65536];
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (from < 0 || to < 0)
		die(name);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			die(name);
	close(from);
	close(to);
}

/* Copy what lies in the folder; sockets and links do not occur. */
static void copy_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *d;
	int to_fd;

	if (!dir || mkdir(to, 0700) < 0)
		die(to);
	to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while ((d = readdir(dir))) {
		_cleanup_free_ char *sub = xasprintf("%s/%s", from, d->d_name);
		_cleanup_free_ char *sub_to = xasprintf("%s/%s", to, d->d_name);

		if (d->d_name[0] == '.')
			continue;
		if (d->d_type == DT_DIR)
			copy_tree(sub, sub_to);
		else
			copy_file(dirfd(dir), to_fd, d->d_name);
	}
	close(to_fd);
	closedir(dir);
}

static void remove_tree(const char *dir)
{
	struct err e = ERR_NULL;

	if (fs_remove_tree(dir, &e) < 0) {
		fprintf(stderr, "sweep: %s\n", e.text);
		exit(2);
	}
}

static void remains_begin(struct worker *wk, struct remains *r)
{
	snprintf(r->dir, sizeof(r->dir), "%s/%u", wk->dir, wk->dirs++);
	if (mkdir(r->dir, 0700) < 0)
		die(r->dir);
	r->world = (struct world){ .now_ns = 1000 * NSEC_PER_SEC };
}

static void remains_copy(struct worker *wk, struct remains *to, const struct remains *from)
{
	snprintf(to->dir, sizeof(to->dir), "%s/%u", wk->dir, wk->dirs++);
	copy_tree(from->dir, to->dir);
	to->world = from->world;
}

/* --- one life --- */

static void point_name(const struct fake *fake, const struct hit *h, char *out, size_t size)
{
	const struct sm_machine *m;
	const struct sm_row *row;

	if (h->machine < 0) {
		snprintf(out, size, "between the stores of a commit");
		return;
	}
	m = fake->machines[h->machine];
	row = &m->rows[h->row];
	snprintf(out, size, "%s %u.%u (%s -%s->, line %u)", m->name, h->row, h->item,
		 m->states[row->state].name, m->events[row->event].name, row->line);
}

static void fail(struct worker *wk, const char *what)
{
	char first[128], second[128];

	if (__atomic_add_fetch(&wk->tally->failures, 1, __ATOMIC_RELAXED) > FAILURES_SHOWN &&
	    !wk->verbose)
		return;
	point_name(fakes[wk->fake], &wk->first, first, sizeof(first));
	point_name(fakes[wk->fake], &wk->second, second, sizeof(second));
	printf("not ok - %s: %s", fakes[wk->fake]->name, wk->scenario->name);
	if (wk->fail_commit)
		printf("; commit %u fails", wk->fail_commit);
	if (wk->has_first)
		printf("; killed at %s; %s", first, down_names[wk->down]);
	if (wk->has_second)
		printf("; killed again at %s", second);
	printf(": %s\n", what);
	fflush(stdout);
}

static void note_hits(struct worker *wk)
{
	const struct world *w = wk->world;

	for (unsigned int i = 0; i < w->n_hits; i++) {
		const struct hit *h = &w->hits[i];

		if (h->machine < 0)
			continue;
		if (h->row >= MAX_POINTS || h->item >= MAX_ITEMS) {
			fprintf(stderr, "sweep: raise MAX_POINTS and MAX_ITEMS\n");
			exit(2);
		}
		wk->tally->reached[wk->fake][h->machine][h->row][h->item] = 1;
	}
}

/* Let a daemon live on what remains, in place.  true: it was killed where it was to be. */
static bool live(struct worker *wk, struct remains *r, unsigned int die_at)
{
	struct world *w = wk->world;
	int status;
	pid_t pid;

	*w = r->world;
	w->now_ns = (w->now_ns / TICK_NS + 1) * TICK_NS;
	w->die_at = die_at;
	w->fail_commit = wk->fail_commit;
	w->n_hits = w->n_recovery = w->n_commits = 0;
	w->done = false;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		sim_run(w, fakes[wk->fake], wk->scenario, r->dir);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	note_hits(wk);
	r->world = *w;
	if (die_at && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_KILLED)
		return true;
	if (w->bad[0])
		fail(wk, w->bad);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !w->done)
		fail(wk, "the daemon died by itself");
	else if (die_at)
		fail(wk, "the point was not reached again");
	return false;
}

/* --- stories --- */

/* Whether clients meet: then a disturbance may change who comes first, and so who is refused. */
static bool clients_meet(const struct scenario *sc)
{
	for (size_t i = 0; i < MAX_STEPS; i++)
		if (sc->steps[i].kind == STEP_ASK && sc->steps[i].when == WHEN_NOW)
			return true;
	return false;
}

/* Undisturbed, or disturbed by nothing but crashes, clients get what they expect.  A fault that
 * strikes once may have struck a client that asked again and is told OK. */
static void check_answers(struct worker *wk, const struct world *w)
{
	char text[128];

	if (w->bad[0] || (wk->fail_commit && clients_meet(wk->scenario)))
		return;
	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		const struct step *s = &wk->scenario->steps[i];
		const struct ask *a = &w->asks[i];

		if (s->kind != STEP_ASK || a->ok == !s->fails)
			continue;
		/* Who asks again may be told that it is so already, as an error. */
		if (wk->has_first && (s->fails || a->done))
			continue;
		snprintf(text, sizeof(text), "step %u: the client is told %s", i + 1,
			 a->ok ? "OK" : "that it failed");
		fail(wk, text);
	}
}

static bool go_down(struct worker *wk, struct world *w, enum down down)
{
	switch (down) {
	case DOWN_NOTHING:
		return true;
	case DOWN_FINISHES:
		if (!w->n_jobs)
			return false;
		sim_finish_jobs(w, fakes[wk->fake], wk->scenario);
		return true;
	case DOWN_REBOOTS:
		w->boot++;
		return fakes[wk->fake]->down(w, down);
	case DOWN_EXITS:
	case DOWN_SHIM_DIES:
	case DOWN_VANISHES:
		return fakes[wk->fake]->down(w, down);
	case N_DOWN:
		break;
	}
	return false;
}

/* Equal beginnings have equal ends: the clock, the world, the rows and the scenario decide. */
static bool is_known(struct worker *wk, struct world *w, bool last)
{
	uint64_t seed[] = { (uint64_t)(uintptr_t)wk->scenario, wk->down == DOWN_NOTHING, last };
	uint64_t sum = XXH3_64bits(seed, sizeof(seed)), none;
	int64_t now_ns = w->now_ns;

	w->n_jobs = 0;
	for (size_t i = 0; i < MAX_JOBS; i++)
		w->jobs[i] = (struct job){ .object = 0 };
	w->now_ns /= TICK_NS;
	sum = XXH3_64bits_withSeed(w, offsetof(struct world, die_at), sum) | 1;
	w->now_ns = now_ns;
	for (size_t i = sum % KNOWN_SIZE;; i = (i + 1) % KNOWN_SIZE) {
		none = 0;
		if (__atomic_compare_exchange_n(&wk->tally->known[i], &none, sum, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return false;
		if (none == sum) {
			__atomic_add_fetch(&wk->tally->same, 1, __ATOMIC_RELAXED);
			return true;
		}
	}
}

static void tell(struct worker *wk, struct remains *r)
{
	if (wk->brief && __atomic_load_n(&wk->tally->failures, __ATOMIC_RELAXED)) {
		remove_tree(r->dir);
		return;
	}
	live(wk, r, 0);
	__atomic_add_fetch(&wk->tally->stories, 1, __ATOMIC_RELAXED);
	if ((!wk->has_first || wk->down == DOWN_NOTHING) && !fakes[wk->fake]->once)
		check_answers(wk, &r->world);
	remove_tree(r->dir);
}

static struct worker *the_worker;

static void snap_dir(const struct worker *wk, unsigned int hit, char *out, size_t size)
{
	snprintf(out, size, "%s.%u", wk->from, hit);
}

/* In the daemon, at a point of its recovery.  Nothing is half-written there: LMDB writes with
 * write(2), so what lies in the files now is what a kill leaves. */
static void snapshot(struct world *w)
{
	struct worker *wk = the_worker;
	struct world *snap = &wk->snaps[w->n_hits - 1];
	char to[192];

	*snap = *w;
	if (is_known(wk, snap, true)) {
		snap->n_hits = 0;
		return;
	}
	snap_dir(wk, w->n_hits, to, sizeof(to));
	copy_tree(wk->from, to);
}

/* Start on what the first crash left: undisturbed, then killed at each point of the recovery. */
static void tell_recovery(struct worker *wk, const struct remains *after)
{
	struct remains r;
	unsigned int n;

	remains_copy(wk, &r, after);
	memcpy(wk->from, r.dir, sizeof(wk->from));
	the_worker = wk;
	sim_snapshot = snapshot;
	tell(wk, &r);
	sim_snapshot = NULL;
	n = r.world.n_recovery;
	for (unsigned int j = 1; j <= n; j++) {
		if (!wk->snaps[j - 1].n_hits)
			continue;
		snap_dir(wk, j, r.dir, sizeof(r.dir));
		r.world = wk->snaps[j - 1];
		wk->second = r.world.hits[j - 1];
		wk->has_second = true;
		tell(wk, &r);
		wk->has_second = false;
	}
}

static void tell_crash(struct worker *wk, unsigned int die_at)
{
	struct remains killed, after;

	remains_begin(wk, &killed);
	if (!live(wk, &killed, die_at)) {
		remove_tree(killed.dir);
		return;
	}
	wk->first = killed.world.hits[die_at - 1];
	wk->has_first = true;
	for (enum down d = 0; d < N_DOWN; d++) {
		wk->down = (int)d;
		after.world = killed.world;
		if (!go_down(wk, &after.world, d) || is_known(wk, &after.world, false))
			continue;
		memcpy(after.dir, killed.dir, sizeof(after.dir));
		tell_recovery(wk, &after);
	}
	wk->has_first = false;
	remove_tree(killed.dir);
}

static void tell_scenario(struct worker *wk)
{
	struct remains dry;
	unsigned int n_hits, n_commits;

	remains_begin(wk, &dry);
	live(wk, &dry, 0);
	check_answers(wk, &dry.world);
	remove_tree(dry.dir);
	if (dry.world.bad[0])
		return;
	n_hits = dry.world.n_hits;
	n_commits = dry.world.n_commits;
	for (unsigned int k = 1; k <= n_hits; k++)
		if (!wk->brief || !wk->tally->failures)
			tell_crash(wk, k);
	/* A disk that is full for one commit. */
	for (unsigned int c = 1; c <= n_commits; c++) {
		struct remains r;

		wk->fail_commit = c;
		remains_begin(wk, &r);
		tell(wk, &r);
		wk->fail_commit = 0;
	}
}

/* Scenarios are handed out one by one: some are ten times as long as others. */
static int worker_run(struct worker *wk, const char *machine, const char *scenario)
{
	unsigned int mine = __atomic_fetch_add(&wk->tally->next, 1, __ATOMIC_RELAXED), n = 0;

	wk->world = mmap(NULL, sizeof(*wk->world) * (1 + MAX_HITS), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (wk->world == MAP_FAILED)
		die("mmap");
	wk->snaps = wk->world + 1;
	for (wk->fake = 0; wk->fake < ARRAY_LEN(fakes); wk->fake++) {
		const struct fake *f = fakes[wk->fake];

		for (size_t i = 0; i < f->n_scenarios; i++, n++) {
			wk->scenario = &f->scenarios[i];
			if (n != mine)
				continue;
			if ((!machine || strcmp(machine, f->name) == 0) &&
			    (!scenario || strstr(wk->scenario->name, scenario)))
				tell_scenario(wk);
			mine = __atomic_fetch_add(&wk->tally->next, 1, __ATOMIC_RELAXED);
		}
	}
	return 0;
}

/* --- the end --- */

static unsigned int report_machine(const struct tally *t, size_t fake, int machine)
{
	const struct sm_machine *m = fakes[fake]->machines[machine];
	unsigned int points = 0, missing = 0;

	for (unsigned int r = 0; r < m->n_rows; r++)
		for (unsigned int i = 0; i <= m->rows[r].n_actions; i++) {
			char name[128];
			struct hit h = { .machine = machine, .row = (uint16_t)r,
					 .item = (uint16_t)i };

			points++;
			if (t->reached[fake][machine][r][i])
				continue;
			missing++;
			point_name(fakes[fake], &h, name, sizeof(name));
			printf("not ok - no scenario reaches %s\n", name);
		}
	printf("# %s: %u rows, %u of %u points reached\n", m->name, m->n_rows, points - missing,
	       points);
	return missing;
}

static int report(const struct tally *t, const char *machine, bool whole)
{
	unsigned int missing = 0;

	for (size_t f = 0; f < ARRAY_LEN(fakes) && whole; f++)
		for (int m = 0; m < fakes[f]->n_machines; m++)
			if (!machine || strcmp(machine, fakes[f]->name) == 0)
				missing += report_machine(t, f, m);
	printf("%s - crash sweep: %u stories told, %u more come to the same, %u failures, %u "
	       "points not reached\n",
	       t->failures || missing ? "not ok" : "ok", t->stories, t->same, t->failures, missing);
	return t->failures || missing;
}

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
	die("make a scratch folder");
}

int main(int argc, char **argv)
{
	const char *machine = NULL, *scenario = NULL;
	long workers = sysconf(_SC_NPROCESSORS_ONLN);
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool verbose = false, brief = false;
	int c, status, failed = 0;
	char dir[48];

	while ((c = getopt(argc, argv, "bj:m:s:v")) != -1) {
		if (c == 'j')
			workers = optarg[0] - '0';
		else if (c == 'm')
			machine = optarg;
		else if (c == 's')
			scenario = optarg;
		else if (c == 'b')
			brief = true;
		else if (c == 'v')
			verbose = true;
		else
			return 2;
	}
	if (tally == MAP_FAILED || workers < 1)
		die("start");
	workers = MIN(workers, MAX_WORKERS);
	make_dir(dir, sizeof(dir));
	for (long i = 0; i < workers; i++) {
		struct worker wk = { .tally = tally, .verbose = verbose, .brief = brief };
		pid_t pid;

		snprintf(wk.dir, sizeof(wk.dir), "%s/%ld", dir, i);
		if (mkdir(wk.dir, 0700) < 0)
			die(wk.dir);
		fflush(NULL);
		pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0)
			exit(worker_run(&wk, machine, scenario));
	}
	while (wait(&status) > 0)
		failed |= status;
	remove_tree(dir);
	return report(tally, machine, !scenario) || failed ? 1 : 0;
}
