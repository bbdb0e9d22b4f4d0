// cribench measures a CRI runtime through one persistent gRPC connection, as the kubelet uses it.
//
// It prints one line for each measured operation: "NAME MEDIAN-MS P90-MS COUNT". What must hold: every pod and container it
// makes is removed before it ends, also when a measurement fails; nothing is measured before one unmeasured warm-up.
//
// usage: cribench -socket PATH -image REF [-n 20] [-cgroup-parent PATH] [-log-dir DIR] latency
//
//	cribench ... hold     run -pods pods with a container each, measure lists and statistics, print "ready", remove the pods
//	                      at end of input
//	cribench ... samples  -n times: a pod runs, containers are listed, the pod is stopped and removed; prints each time
//	                      as "NAME MS"
//	cribench ... burst    -pods pods at once, each runs, makes a container and starts it, as a kubelet that finds them
//	                      all at its start; prints the calls' times, then the longest run of a pod as a multiple of the
//	                      median
//	cribench ... images REF   -n times: pull REF, remove it
//	cribench ... trees DIR    three times: stop and remove a pod of 17 containers that have made 15,000 directories
//	                      below each other with DIR/deeptree, and one of 17 that have made none
//	cribench ... cycle    -n times: a pod, a container, an exec, and everything removed again; prints nothing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var (
	socket = flag.String("socket", "/run/crisp/crisp.sock", "the runtime's socket")
	image  = flag.String("image", "", "an image with a shell, pulled before")
	count  = flag.Int("n", 20, "measurements of each operation")
	pods   = flag.Int("pods", 20, "pods that hold keeps running")
	parent = flag.String("cgroup-parent", "", "cgroup parent of all pods")
	logDir = flag.String("log-dir", "", "directory for container logs")
	daemon = flag.Int("daemon", 0, "pid of the runtime, to measure the processor time of a call")
)

type bench struct {
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
	ctx     context.Context
	seq     atomic.Int64
}

// One pod with what is needed to remove it again.
type pod struct {
	id     string
	config *cri.PodSandboxConfig
}

func (b *bench) podConfig(hostNetwork bool) *cri.PodSandboxConfig {
	name := fmt.Sprintf("bench-%d", b.seq.Add(1))
	network := cri.NamespaceMode_POD
	if hostNetwork {
		network = cri.NamespaceMode_NODE
	}
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "bench"},
		LogDirectory: filepath.Join(*logDir, name),
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: *parent,
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: network, Pid: cri.NamespaceMode_CONTAINER},
				Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
			},
		},
	}
}

func (b *bench) runPod(hostNetwork bool) (pod, time.Duration, error) {
	config := b.podConfig(hostNetwork)
	if err := os.MkdirAll(config.LogDirectory, 0o755); err != nil {
		return pod{}, 0, err
	}
	start := time.Now()
	r, err := b.runtime.RunPodSandbox(b.ctx, &cri.RunPodSandboxRequest{Config: config})
	if err != nil {
		return pod{}, 0, fmt.Errorf("RunPodSandbox: %w", err)
	}
	return pod{r.PodSandboxId, config}, time.Since(start), nil
}

func (b *bench) stopPod(p pod) error {
	if _, err := b.runtime.StopPodSandbox(b.ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.id}); err != nil {
		return fmt.Errorf("StopPodSandbox: %w", err)
	}
	return nil
}

// Returns the times of StopPodSandbox and RemovePodSandbox together.
func (b *bench) removePod(p pod) (time.Duration, error) {
	start := time.Now()
	if err := b.stopPod(p); err != nil {
		return 0, err
	}
	if _, err := b.runtime.RemovePodSandbox(b.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.id}); err != nil {
		return 0, fmt.Errorf("RemovePodSandbox: %w", err)
	}
	return time.Since(start), nil
}

// Returns the container and the time of CreateContainer and StartContainer together.
func (b *bench) runContainer(p pod) (string, time.Duration, error) {
	return b.runContainerOf(p, []string{"sleep", "3600"}, nil)
}

func (b *bench) runContainerOf(p pod, command []string, mounts []*cri.Mount) (string, time.Duration, error) {
	id, created, err := b.createContainer(p, command, mounts)
	if err != nil {
		return "", 0, err
	}
	started, err := b.startContainer(id)
	return id, created + started, err
}

func (b *bench) createContainer(p pod, command []string, mounts []*cri.Mount) (string, time.Duration, error) {
	name := fmt.Sprintf("ctr-%d", b.seq.Add(1))
	config := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: name},
		Image:    &cri.ImageSpec{Image: *image},
		Command:  command,
		Mounts:   mounts,
		LogPath:  name + ".log",
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
			NamespaceOptions: p.config.Linux.SecurityContext.NamespaceOptions,
			Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
		}},
	}
	start := time.Now()
	r, err := b.runtime.CreateContainer(b.ctx, &cri.CreateContainerRequest{
		PodSandboxId: p.id, Config: config, SandboxConfig: p.config})
	if err != nil {
		return "", 0, fmt.Errorf("CreateContainer: %w", err)
	}
	return r.ContainerId, time.Since(start), nil
}

func (b *bench) startContainer(id string) (time.Duration, error) {
	start := time.Now()
	if _, err := b.runtime.StartContainer(b.ctx, &cri.StartContainerRequest{ContainerId: id}); err != nil {
		return 0, fmt.Errorf("StartContainer: %w", err)
	}
	return time.Since(start), nil
}

func (b *bench) removeContainer(id string) (time.Duration, error) {
	start := time.Now()
	if _, err := b.runtime.StopContainer(b.ctx, &cri.StopContainerRequest{ContainerId: id}); err != nil {
		return 0, fmt.Errorf("StopContainer: %w", err)
	}
	spent := time.Since(start)
	if _, err := b.runtime.RemoveContainer(b.ctx, &cri.RemoveContainerRequest{ContainerId: id}); err != nil {
		return 0, fmt.Errorf("RemoveContainer: %w", err)
	}
	return spent, nil
}

func report(name string, samples []time.Duration) {
	slices.Sort(samples)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%s %.2f %.2f %d\n", name, ms(samples[len(samples)/2]), ms(samples[len(samples)*9/10]), len(samples))
}

// Runs and removes count pods; the first pair is the warm-up.
func (b *bench) measurePods(name string, hostNetwork bool) error {
	var run, remove []time.Duration
	for i := 0; i <= *count; i++ {
		p, spent, err := b.runPod(hostNetwork)
		if err != nil {
			return err
		}
		gone, err := b.removePod(p)
		if err != nil {
			return err
		}
		if i > 0 {
			run, remove = append(run, spent), append(remove, gone)
		}
	}
	report("RunPodSandbox/"+name, run)
	report("Stop+RemovePodSandbox/"+name, remove)
	return nil
}

func (b *bench) measureContainers() (err error) {
	p, _, err := b.runPod(true)
	if err != nil {
		return err
	}
	defer func() {
		if _, e := b.removePod(p); err == nil {
			err = e
		}
	}()
	var run, stop []time.Duration
	for i := 0; i <= *count; i++ {
		id, spent, err := b.runContainer(p)
		if err != nil {
			return err
		}
		ended, err := b.removeContainer(id)
		if err != nil {
			return err
		}
		if i > 0 {
			run, stop = append(run, spent), append(stop, ended)
		}
	}
	report("CreateContainer+StartContainer", run)
	report("StopContainer/kill", stop)
	return b.measureExec(p)
}

func (b *bench) measureExec(p pod) error {
	id, _, err := b.runContainer(p)
	if err != nil {
		return err
	}
	var spent []time.Duration
	for i := 0; i <= *count; i++ {
		start := time.Now()
		r, err := b.runtime.ExecSync(b.ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: []string{"true"}, Timeout: 60})
		if err == nil && r.ExitCode != 0 {
			err = fmt.Errorf("exit code %d: %s", r.ExitCode, r.Stderr)
		}
		if err != nil {
			return fmt.Errorf("ExecSync: %w", err)
		}
		if i > 0 {
			spent = append(spent, time.Since(start))
		}
	}
	report("ExecSync", spent)
	return nil
}

func (b *bench) measureLists() error {
	var spent []time.Duration
	for i := 0; i <= 10**count; i++ {
		start := time.Now()
		if _, err := b.runtime.ListContainers(b.ctx, &cri.ListContainersRequest{}); err != nil {
			return fmt.Errorf("ListContainers: %w", err)
		}
		if i > 0 {
			spent = append(spent, time.Since(start))
		}
	}
	report("ListContainers", spent)
	return nil
}

// Processor time of the runtime's process so far; 0 without -daemon.
func daemonTime() time.Duration {
	var ts syscall.Timespec
	if *daemon == 0 {
		return 0
	}
	// The CPU clock of another process, see clock_getcpuclockid(3).
	id := uintptr(^*daemon)<<3 | 2
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Latency of a call, and the runtime's processor time per call as NAME/cpu.
func (b *bench) measureCall(name string, call func() error) error {
	var spent []time.Duration
	n := 10 * *count
	var before time.Duration
	for i := 0; i <= n; i++ {
		start := time.Now()
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if i > 0 {
			spent = append(spent, time.Since(start))
		} else {
			before = daemonTime()
		}
	}
	cpu := (daemonTime() - before) / time.Duration(n)
	report(name, spent)
	if cpu > 0 {
		fmt.Printf("%s/cpu %.3f - %d\n", name, float64(cpu.Microseconds())/1000, n)
	}
	return nil
}

// The files that statistics of containers come from, read by path: no runtime is quicker.
func cgroupFiles() []string {
	names := []string{"cpuacct.usage", "memory.usage_in_bytes", "memory.stat", "cpu.stat", "memory.current"}
	var files []string
	for _, top := range []string{"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		_ = filepath.WalkDir(top+*parent, func(path string, d fs.DirEntry, err error) error {
			if err == nil && slices.Contains(names, d.Name()) && (top != "/sys/fs/cgroup/cpuacct" || d.Name() != "cpu.stat") {
				files = append(files, path)
			}
			return nil
		})
	}
	return files
}

func (b *bench) measureStats() error {
	r, i, ctx := b.runtime, b.images, b.ctx
	files := cgroupFiles()
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"Version", func() error { _, err := r.Version(ctx, &cri.VersionRequest{}); return err }},
		{"Status", func() error { _, err := r.Status(ctx, &cri.StatusRequest{}); return err }},
		{"Status/verbose", func() error { _, err := r.Status(ctx, &cri.StatusRequest{Verbose: true}); return err }},
		{"ImageFsInfo", func() error { _, err := i.ImageFsInfo(ctx, &cri.ImageFsInfoRequest{}); return err }},
		{"ListContainerStats", func() error { _, err := r.ListContainerStats(ctx, &cri.ListContainerStatsRequest{}); return err }},
		{"ListPodSandboxStats", func() error { _, err := r.ListPodSandboxStats(ctx, &cri.ListPodSandboxStatsRequest{}); return err }},
	} {
		if err := b.measureCall(c.name, c.call); err != nil {
			return err
		}
	}
	var spent []time.Duration
	for range *count {
		start := time.Now()
		for _, f := range files {
			if _, err := os.ReadFile(f); err != nil {
				return err
			}
		}
		spent = append(spent, time.Since(start))
	}
	report(fmt.Sprintf("floor:read-%d-cgroup-files", len(files)), spent)
	return nil
}

func (b *bench) latency() error {
	if err := b.measurePods("host-network", true); err != nil {
		return err
	}
	if err := b.measurePods("cni", false); err != nil {
		return err
	}
	return b.measureContainers()
}

// Keeps pods running until its input ends, so that somebody else can look at the daemon meanwhile.
func (b *bench) hold() (err error) {
	var held []pod
	defer func() {
		for _, p := range held {
			if _, e := b.removePod(p); err == nil {
				err = e
			}
		}
	}()
	for range *pods {
		p, _, err := b.runPod(false)
		if err != nil {
			return err
		}
		held = append(held, p)
		if _, _, err = b.runContainer(p); err != nil {
			return err
		}
	}
	if err := b.measureLists(); err != nil {
		return err
	}
	if err := b.measureStats(); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// The life of one pod of a burst up to the start of its container.
func (b *bench) bring() (p pod, run, create, start time.Duration, err error) {
	if p, run, err = b.runPod(false); err != nil {
		return
	}
	var id string
	if id, create, err = b.createContainer(p, []string{"sleep", "3600"}, nil); err == nil {
		start, err = b.startContainer(id)
	}
	return
}

func (b *bench) burst() error {
	var (
		mutex              sync.Mutex
		wait               sync.WaitGroup
		held               []pod
		run, create, start []time.Duration
		failed             error
	)
	began := time.Now()
	for range *pods {
		wait.Go(func() {
			p, r, c, s, err := b.bring()
			mutex.Lock()
			defer mutex.Unlock()
			if p.id != "" {
				held = append(held, p)
			}
			if run, create, start = append(run, r), append(create, c), append(start, s); failed == nil {
				failed = err
			}
		})
	}
	wait.Wait()
	all := time.Since(began)
	for _, p := range held {
		if _, err := b.removePod(p); failed == nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	report("burst:RunPodSandbox", run)
	report("burst:CreateContainer", create)
	report("burst:StartContainer", start)
	report("burst:all", []time.Duration{all})
	fmt.Printf("burst:RunPodSandbox/longest-by-median %.2f %.2f %d\n",
		float64(slices.Max(run))/float64(run[len(run)/2]), 0.0, len(run))
	return nil
}

func (b *bench) measureRemoveImage(ref string) error {
	spec := &cri.ImageSpec{Image: ref}
	var spent []time.Duration
	for i := 0; i <= *count; i++ {
		if _, err := b.images.PullImage(b.ctx, &cri.PullImageRequest{Image: spec}); err != nil {
			return fmt.Errorf("PullImage: %w", err)
		}
		start := time.Now()
		if _, err := b.images.RemoveImage(b.ctx, &cri.RemoveImageRequest{Image: spec}); err != nil {
			return fmt.Errorf("RemoveImage: %w", err)
		}
		if i > 0 {
			spent = append(spent, time.Since(start))
		}
	}
	report("RemoveImage/10000-files", spent)
	return nil
}

const (
	trees     = 17
	treeDepth = "15000"
)

// Runs a pod whose containers have made what their program was told to make.
func (b *bench) runTrees(dir, depth string) (pod, []string, error) {
	var ids []string
	p, _, err := b.runPod(true)
	mounts := []*cri.Mount{{HostPath: dir, ContainerPath: "/bench", Readonly: true}}
	for range trees {
		var id string
		if err == nil {
			id, _, err = b.runContainerOf(p, []string{"/bench/deeptree", depth, "0"}, mounts)
		}
		ids = append(ids, id)
	}
	for deadline := time.Now().Add(10 * time.Minute); err == nil; time.Sleep(100 * time.Millisecond) {
		logs, _ := filepath.Glob(filepath.Join(p.config.LogDirectory, "*.log"))
		made := 0
		for _, name := range logs {
			if text, e := os.ReadFile(name); e == nil && strings.Contains(string(text), "made") {
				made++
			}
		}
		if made == trees {
			break
		}
		if time.Now().After(deadline) {
			err = errors.New("the trees are not made within ten minutes")
		}
	}
	return p, ids, err
}

// The kinds take turns, so that what disturbs one disturbs the other.
func (b *bench) measureTrees(dir string) error {
	kinds := []struct {
		name, depth string
		ctr, pod    []time.Duration
	}{{name: "empty", depth: "0"}, {name: "deep", depth: treeDepth}}
	for range 3 {
		for i := range kinds {
			k := &kinds[i]
			p, ids, err := b.runTrees(dir, k.depth)
			start := time.Now()
			if err == nil {
				_, err = b.runtime.StopContainer(b.ctx, &cri.StopContainerRequest{ContainerId: ids[0]})
				k.ctr = append(k.ctr, time.Since(start))
			}
			spent, e := b.removePod(p)
			if err == nil {
				err = e
			}
			if err != nil {
				return err
			}
			k.pod = append(k.pod, spent)
		}
	}
	for _, k := range kinds {
		report(fmt.Sprintf("StopContainer/%d-%s-trees", trees, k.name), k.ctr)
		report(fmt.Sprintf("Stop+RemovePodSandbox/%d-%s-trees", trees, k.name), k.pod)
	}
	return nil
}

// Both kinds of pods in turn.
func (b *bench) samples() error {
	sample := func(name string, d time.Duration) { fmt.Printf("%s %.3f\n", name, float64(d.Microseconds())/1000) }
	for i := range 2 * *count {
		kind := []string{"host-network", "cni"}[i%2]
		p, spent, err := b.runPod(i%2 == 0)
		if err != nil {
			return err
		}
		sample("RunPodSandbox/"+kind, spent)
		for i := range 10 {
			name, filter := "ListContainers/all", &cri.ContainerFilter{}
			if i%2 == 0 {
				name, filter = "ListContainers/of-the-pod", &cri.ContainerFilter{PodSandboxId: p.id}
			}
			start := time.Now()
			if _, err := b.runtime.ListContainers(b.ctx, &cri.ListContainersRequest{Filter: filter}); err != nil {
				return fmt.Errorf("ListContainers: %w", err)
			}
			sample(name, time.Since(start))
		}
		start := time.Now()
		err = b.stopPod(p)
		spent = time.Since(start)
		if _, e := b.removePod(p); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		sample("StopPodSandbox/"+kind, spent)
	}
	return nil
}

// Makes and removes; whoever watches the daemon's memory sees what does not come back.
func (b *bench) cycle() error {
	for i := range *count {
		p, _, err := b.runPod(i%2 == 0)
		if err != nil {
			return err
		}
		id, _, err := b.runContainer(p)
		if err == nil {
			_, err = b.runtime.ExecSync(b.ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: []string{"true"}, Timeout: 60})
		}
		if err == nil {
			_, err = b.removeContainer(id)
		}
		if _, e := b.removePod(p); err == nil {
			err = e
		}
		if err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
	}
	return nil
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Hour)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	b := &bench{runtime: cri.NewRuntimeServiceClient(conn), images: cri.NewImageServiceClient(conn), ctx: ctx}
	if _, err := b.images.PullImage(ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: *image}}); err != nil {
		return fmt.Errorf("PullImage: %w", err)
	}
	switch flag.Arg(0) {
	case "latency":
		return b.latency()
	case "hold":
		return b.hold()
	case "burst":
		return b.burst()
	case "images":
		return b.measureRemoveImage(flag.Arg(1))
	case "trees":
		return b.measureTrees(flag.Arg(1))
	case "samples":
		return b.samples()
	case "cycle":
		return b.cycle()
	}
	return fmt.Errorf("unknown command %q (known: latency, hold, burst, images, trees, samples, cycle)", flag.Arg(0))
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cribench:", err)
		os.Exit(1)
	}
}
