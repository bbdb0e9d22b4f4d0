/*
 * bus.c - what Kubernetes' node tests and the kubelet ask of systemd and logind over D-Bus, in a
 * node that has neither.
 *
 * systemd1: one unit, runtime.service; StartUnit and StopUnit run `systemctl`, which is systemd.sh.
 * login1: inhibitor locks, and the longest delay as the configuration file has it. The tests
 * themselves send PrepareForShutdown.
 *
 * usage: bus LOGIND-CONF   on the bus of DBUS_SYSTEM_BUS_ADDRESS, until the end of the node
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"

extern char **environ;

static const char *logind_conf;

/* InhibitDelayMaxSec of the configuration, 5 s without one. */
static int delay_get(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	FILE *file = fopen(logind_conf, "re");
	uint64_t seconds = 5;
	char line[256];

	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "InhibitDelayMaxSec=%" SCNu64, &seconds);
	if (file)
		fclose(file);
	return sd_bus_message_append(reply, "t", seconds * 1000000);
}

/* The lock is a pipe's end that only the caller keeps. */
static int inhibit(sd_bus_message *call, void *data, sd_bus_error *error)
{
	int fds[2], r;

	(void)data, (void)error;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r = sd_bus_reply_method_return(call, "h", fds[1]);
	close(fds[0]);
	close(fds[1]);
	return r;
}

static int unit_of_pid(sd_bus_message *call, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(call, "o", SYSTEMD_PATH "/unit/runtime_2eservice");
}

static int systemctl(const char *verb, const char *unit)
{
	const char *argv[] = { "systemctl", verb, unit, NULL };
	int status;
	pid_t pid;

	status = posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ);
	if (status)
		return -status;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return status ? -EIO : 0;
}

static int unit_move(sd_bus_message *call, void *data, sd_bus_error *error)
{
	static uint32_t job;
	const char *unit, *mode, *verb;
	char path[64];
	int r;

	(void)data, (void)error;
	r = sd_bus_message_read(call, "ss", &unit, &mode);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), SYSTEMD_PATH "/job/%" PRIu32, ++job);
	verb = sd_bus_message_is_method_call(call, NULL, "StartUnit") ? "start" : "stop";
	r = systemctl(verb, unit);
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(call, "o", path);
	if (r < 0)
		return r;
	return sd_bus_emit_signal(sd_bus_message_get_bus(call), SYSTEMD_PATH, SYSTEMD ".Manager",
				  "JobRemoved", "uoss", job, path, unit, "done");
}

/* logind reads its configuration again: delay_get always does. */
static int unit_kill(sd_bus_message *call, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(call, "");
}

static const sd_bus_vtable systemd_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("GetUnitByPID", "u", "o", unit_of_pid, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StartUnit", "ss", "o", unit_move, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StopUnit", "ss", "o", unit_move, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("KillUnit", "ssi", "", unit_kill, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable logind_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("InhibitDelayMaxUSec", "t", delay_get, 0, 0),
	SD_BUS_VTABLE_END,
};

static int object_add(sd_bus *bus, const char *path, const char *name, const sd_bus_vtable *table)
{
	return sd_bus_add_object_vtable(bus, NULL, path, name, table, NULL);
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: bus LOGIND-CONF\n");
		return 2;
	}
	logind_conf = argv[1];
	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = object_add(bus, SYSTEMD_PATH, SYSTEMD ".Manager", systemd_table);
	if (r >= 0)
		r = object_add(bus, LOGIND_PATH, LOGIND ".Manager", logind_table);
	if (r >= 0)
		r = sd_bus_request_name(bus, SYSTEMD, 0);
	if (r >= 0)
		r = sd_bus_request_name(bus, LOGIND, 0);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	fprintf(stderr, "bus: %s\n", strerror(-r));
	return 1;
}
