package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func run(o remotecommand.StreamOptions, protocols []string, cmd ...string) error {
	u, err := execURL(streams{o.Tty, o.Stdin != nil, o.Stdout != nil, o.Stderr != nil}, cmd...)
	if err != nil {
		return err
	}
	e, err := executor(*transport, u, protocols...)
	if err != nil {
		return err
	}
	return e.StreamWithContext(context.Background(), o)
}

// script runs a shell script and returns what it wrote.
func script(stdin io.Reader, text string, protocols ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	err = run(remotecommand.StreamOptions{Stdin: stdin, Stdout: &out, Stderr: &errOut}, protocols, "sh", "-c", text)
	return out.String(), errOut.String(), err
}

func wantCode(code int, err error) error {
	var exit exec.CodeExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("expected exit code %d, got %v", code, err)
	}
	return same("exit code", code, exit.Code)
}

func wantText(pattern string, err error) error {
	if err == nil || !strings.Contains(err.Error(), pattern) {
		return fmt.Errorf("expected an error with %q, got %v", pattern, err)
	}
	return nil
}

// sizes is a queue of many terminal sizes and then a last one.
type sizes struct {
	n    int
	last remotecommand.TerminalSize
}

func (s *sizes) Next() *remotecommand.TerminalSize {
	s.n--
	switch {
	case s.n > 0:
		return &remotecommand.TerminalSize{Width: uint16(s.n%200 + 1), Height: uint16(s.n%100 + 1)}
	case s.n == 0:
		return &s.last
	}
	return nil
}

// execTransfers sends much through a command and back.
func execTransfers() {
	for _, speed := range speeds {
		check(fmt.Sprintf("%d MiB through cat, a %s reader", *mib, speed.name), func() error {
			out := newSum(speed.pause)
			err := run(remotecommand.StreamOptions{Stdin: newNoise(1, *mib<<20), Stdout: out}, nil, "cat")
			return errors.Join(err, same("bytes", *mib<<20, out.n), same("SHA-256", noiseSum(1, *mib<<20), out.String()))
		})
	}
}

func execChecks() error {
	check("both outputs, and success", func() error {
		out, errOut, err := script(nil, "echo o; echo e >&2")
		return errors.Join(err, same("stdout", "o\n", out), same("stderr", "e\n", errOut))
	})
	check("an exit code", func() error {
		_, _, err := script(nil, "exit 3")
		return wantCode(3, err)
	})
	check("128 and a signal", func() error {
		_, _, err := script(nil, "kill -TERM $$")
		return wantCode(128+15, err)
	})
	check("a program that does not exist is named", func() error {
		err := run(remotecommand.StreamOptions{Stdout: io.Discard}, nil, "no-such-program")
		return wantText("no-such-program", err)
	})
	check("the end of stdin ends one direction only", func() error {
		out, _, err := script(strings.NewReader("typed"), "cat; sleep 1; echo after")
		return errors.Join(err, same("stdout", "typedafter\n", out))
	})
	check("a session ends with its process, stdin open or not", func() error {
		r, w := io.Pipe()
		defer w.Close()
		_, _, err := script(r, "exit 4")
		return wantCode(4, err)
	})
	check("a terminal, and its last size after a storm of them", func() error {
		var out bytes.Buffer
		queue := &sizes{n: 2000, last: remotecommand.TerminalSize{Width: 123, Height: 45}}
		r, w := io.Pipe()
		defer w.Close()
		err := run(remotecommand.StreamOptions{Stdin: r, Stdout: &out, Tty: true, TerminalSizeQueue: queue}, nil,
			"sh", "-c", `until [ "$(stty size 2>/dev/null)" = "45 123" ]; do :; done; echo seen; exit 5`)
		return errors.Join(wantCode(5, err), same("stdout", "seen\r\n", out.String()))
	})
	execTransfers()
	check("the last byte and the exit code for one that starts to read late", func() error {
		out := newSum(0)
		r, w := io.Pipe()
		read := make(chan struct{})
		go func() {
			time.Sleep(2 * time.Second)
			io.Copy(out, r)
			close(read)
		}()
		err := run(remotecommand.StreamOptions{Stdout: w}, nil, "sh", "-c", "head -c 8000000 /dev/zero; exit 9")
		w.Close()
		<-read // a write to the pipe has ended before its reader has counted
		return errors.Join(wantCode(9, err), same("bytes", int64(8000000), out.n))
	})
	return nil
}

func attach(id string, o remotecommand.StreamOptions) error {
	u, err := attachURL(id, streams{false, o.Stdin != nil, o.Stdout != nil, o.Stderr != nil})
	if err != nil {
		return err
	}
	e, err := executor(*transport, u)
	if err != nil {
		return err
	}
	return e.StreamWithContext(context.Background(), o)
}

// deaf takes nothing until it is woken.
type deaf struct{ wake chan struct{} }

func (d *deaf) Write(p []byte) (int, error) {
	<-d.wake
	return len(p), nil
}

// logHas waits until the container's log has the text in its last bytes.
func logHas(id, text string) error {
	client, err := runtime()
	if err != nil {
		return err
	}
	status, err := client.ContainerStatus(context.Background(), &cri.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		return err
	}
	for until := time.Now().Add(*limit); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		data := make([]byte, 4096)
		f, err := os.Open(status.Status.LogPath)
		if err != nil {
			return err
		}
		info, _ := f.Stat()
		n, _ := f.ReadAt(data, max(0, info.Size()-int64(len(data))))
		f.Close()
		if bytes.Contains(data[:n], []byte(text)) {
			return nil
		}
	}
	return fmt.Errorf("%s has no %q", status.Status.LogPath, text)
}

func attachDeaf() error {
	d := &deaf{make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- attach(*flooder, remotecommand.StreamOptions{Stdout: d}) }()
	if err := attach(*flooder, remotecommand.StreamOptions{Stdin: strings.NewReader("go\n")}); err != nil {
		return err
	}
	if err := logHas(*flooder, "flooded"); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return fmt.Errorf("it did not stay attached: %v", err)
	default:
	}
	close(d.wake)
	return wantText("too slow", <-ended)
}

func attachChecks() error {
	if *flooder != "" {
		check("an attached client that reads nothing does not hold up the container", attachDeaf)
	}
	check("a line is typed and read, and the end of stdin is the container's", func() error {
		var out bytes.Buffer
		err := attach(*reader, remotecommand.StreamOptions{Stdin: strings.NewReader("one\n"), Stdout: &out})
		return errors.Join(err, same("stdout", "got one\nover\n", out.String()))
	})
	return nil
}
