package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// bench measures execs, one at a time and in turn with the same one of the bare runtime, and forwarded
// ports.  It prints one line for each: "VALUE UNIT WHAT"; times are medians.

const benchConnections = 2000

func execBare() error {
	words := append(strings.Fields(*floor), "true")
	return exec.Command(words[0], words[1:]...).Run()
}

func execSync() error {
	client, err := runtime()
	if err != nil {
		return err
	}
	r, err := client.ExecSync(context.Background(), &cri.ExecSyncRequest{ContainerId: *container, Cmd: []string{"true"}, Timeout: 60})
	return errors.Join(err, same("exit code", 0, r.GetExitCode()))
}

func execStreaming() error {
	return run(remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard}, nil, "true")
}

// The first of each is a warm-up.
func benchExec() error {
	kinds := []struct {
		name string
		f    func() error
	}{{"exec of the bare runtime", execBare}, {"ExecSync", execSync}, {"exec over SPDY", execStreaming}}
	spent := make([][]time.Duration, len(kinds))
	for i := range *rounds + 1 {
		for k, kind := range kinds {
			start := time.Now()
			if err := kind.f(); err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			if i > 0 {
				spent[k] = append(spent[k], time.Since(start))
			}
		}
	}
	for k, kind := range kinds {
		slices.Sort(spent[k])
		fmt.Printf("%.1f ms %s\n", float64(spent[k][len(spent[k])/2].Microseconds())/1000, kind.name)
	}
	return nil
}

// benchSend does not end its side: not every runtime passes on the half of an end.
func benchSend(address string) error {
	return connected(address, func(c *net.TCPConn) error {
		block := make([]byte, 1<<20)
		for range *mib {
			if _, err := c.Write(block); err != nil {
				return err
			}
		}
		_, err := io.ReadFull(c, block[:1])
		return err
	})
}

func benchReceive(address string) error {
	return connected(address, func(c *net.TCPConn) error {
		n, err := io.Copy(io.Discard, c)
		return errors.Join(err, same("bytes", *mib<<20, n))
	})
}

func benchThroughput(name string, port, connections int, f func(address string) error) error {
	return with(port, func(address string) error {
		start := time.Now()
		err := atOnce(connections, func(int) error { return f(address) })
		bytes := float64(*mib<<20) * float64(connections)
		fmt.Printf("%.0f MB/s port-forward, %s, %d at a time\n", bytes/1e6/time.Since(start).Seconds(), name, connections)
		return err
	})
}

func ping(address string) error {
	return connected(address, func(c *net.TCPConn) error {
		byte := []byte{'x'}
		if _, err := c.Write(byte); err != nil {
			return err
		}
		_, err := io.ReadFull(c, byte)
		return err
	})
}

func benchRate(connections int) error {
	return with(portEcho4, func(address string) error {
		start := time.Now()
		err := atOnce(connections, func(int) error {
			for range benchConnections / connections {
				if err := ping(address); err != nil {
					return err
				}
			}
			return nil
		})
		fmt.Printf("%.0f 1/s port-forward, connections, %d at a time\n", benchConnections/time.Since(start).Seconds(), connections)
		return err
	})
}

func bench() error {
	if *floor == "" {
		fmt.Fprintln(os.Stderr, "bench: -floor is missing")
		os.Exit(2)
	}
	steps := []func() error{benchExec}
	for _, n := range []int{1, 4} {
		steps = append(steps,
			func() error { return benchThroughput("out", portZeros, n, benchReceive) },
			func() error { return benchThroughput("in", portTaken, n, benchSend) })
	}
	for _, n := range []int{1, 16} {
		steps = append(steps, func() error { return benchRate(n) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
