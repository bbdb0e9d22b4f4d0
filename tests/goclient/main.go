// goclient drives crisp's streaming server with the client libraries that kubectl and the kubelet are
// made of: remotecommand and portforward of client-go, over SPDY and over WebSocket, with and without
// TLS.  The URLs come from the CRI calls Exec, Attach and PortForward, as for crictl; with -kubelet they
// are a kubelet's own, as for the API server.
//
//	goclient exec|attach|forward|proto|hostile|transfer|urls|origins [FLAGS]
//	                                             checks; one TAP line each, exit status 1 when one fails
//	goclient resets [FLAGS]                      calls that are given up at once; see doors.go
//	goclient calls [FLAGS]                       many calls at a time over one connection; see doors.go
//	goclient lists|longlists [FLAGS]             lists as streams; see lists.go
//	goclient events|unread [FLAGS]               subscribers of container events; see events.go
//	goclient serve                               what a forwarded port leads to; see serve.go
//	goclient cdi DIR...                          what the CDI project says of DIR's files; see cdi.go
//	goclient soak [FLAGS]                        sessions that come and vanish; see soak.go
//	goclient bench [FLAGS]                       how fast it is; see bench.go
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/klog/v2"
)

var (
	socket    = flag.String("socket", "", "the runtime's CRI socket")
	kubelet   = flag.String("kubelet", "", "a kubelet's URL: -container is NAMESPACE/POD/CONTAINER, -pod NAMESPACE/POD")
	transport = flag.String("transport", "spdy", "spdy or websocket")
	caFile    = flag.String("ca", "", "with TLS: the authority of the server's certificate")
	certFile  = flag.String("cert", "", "a client certificate")
	keyFile   = flag.String("key", "", "its key")
	container = flag.String("container", "", "a running container with a shell")
	reader    = flag.String("reader", "", "attach: a container that echoes lines, with stdin_once")
	flooder   = flag.String("flooder", "", "attach: a container that writes much once it has read a line")
	pod       = flag.String("pod", "", "a pod in whose network goclient serve runs")
	mib       = flag.Int64("mib", 64, "how much is sent through, MiB")
	limit     = flag.Duration("limit", 5*time.Minute, "of one check")
	duration  = flag.Duration("duration", time.Minute, "soak: how long")
	sessions  = flag.Int("sessions", 200, "soak: exec sessions, and forwarded connections, at a time")
	floor     = flag.String("floor", "", "bench: the bare runtime's words for an exec in the container")
	rounds    = flag.Int("rounds", 50, "bench: execs of each kind")
	seed      = flag.Int64("seed", 1, "soak: of the random numbers")
	count     = flag.Int("count", 20000, "resets: how many; calls: at a time; longlists: containers; events: streams")
	rpc       = flag.String("rpc", "Version", "resets: which call")
	perLink   = flag.Int("per-connection", 5000, "resets: calls on one connection")
	parallel  = flag.Int("parallel", 1, "resets: connections at a time")
	withData  = flag.Bool("data", true, "resets: with a request")
)

var failures int

// check prints one line; a check that does not end is a failed one.
func check(name string, f func() error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(*limit):
		err = fmt.Errorf("did not end within %s", *limit)
	}
	if err == nil {
		fmt.Printf("ok %s\n", name)
		return
	}
	failures++
	why, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Printf("not ok %s (%.240s)\n# %v\n", name, why, err)
}

// same is an error unless the two are equal.
func same[T comparable](what string, want, got T) error {
	if want != got {
		return fmt.Errorf("%s: expected %v, got %v", what, want, got)
	}
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: goclient exec|attach|forward|proto|hostile|transfer|urls|origins|resets|calls|lists|longlists|podstatus|events|unread|serve|soak|bench [FLAGS], cdi DIR...")
		os.Exit(2)
	}
	run, known := map[string]func() error{
		"exec": execChecks, "attach": attachChecks, "forward": forwardChecks, "proto": protoChecks,
		"hostile": hostileChecks, "transfer": transferChecks,
		"urls": urls, "origins": origins, "resets": resets, "calls": calls,
		"lists": lists, "longlists": longLists, "podstatus": podStatus, "events": events, "unread": unread,
		"serve": serve, "cdi": cdiValidate, "soak": soak, "bench": bench,
	}[os.Args[1]]
	flag.CommandLine.Parse(os.Args[2:])
	// What the libraries log about sessions that are meant to fail is no result.
	quiet := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(quiet)
	quiet.Set("logtostderr", "false")
	quiet.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard)
	if !known {
		fmt.Fprintf(os.Stderr, "unknown command %q\n", os.Args[1])
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if failures > 0 {
		os.Exit(1)
	}
}
