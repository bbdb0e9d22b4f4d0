package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
)

// forward has client-go listen for a port of the pod: the local address, and what ends it.
func forward(over string, port int) (address string, stop func() error, err error) {
	u, err := forwardURL()
	if err != nil {
		return "", nil, err
	}
	d, err := dialer(over, u)
	if err != nil {
		return "", nil, err
	}
	stopped, ready, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f, err := portforward.NewOnAddresses(d, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stopped,
		ready, io.Discard, io.Discard)
	if err != nil {
		return "", nil, err
	}
	go func() { ended <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		return "", nil, fmt.Errorf("port-forward: %w", err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), func() error {
		close(stopped)
		return <-ended
	}, nil
}

// with runs f with the address of a forwarded port; the session has to last as long as f.
func with(port int, f func(address string) error) error {
	address, stop, err := forward(*transport, port)
	if err != nil {
		return err
	}
	return errors.Join(f(address), stop())
}

// connected runs f with a connection that is closed behind it.
func connected(address string, f func(c *net.TCPConn) error) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c.(*net.TCPConn))
}

func echo(address, text string) error {
	return connected(address, func(c *net.TCPConn) error {
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		return errors.Join(err, same("echo", text, string(got)))
	})
}

// stream opens one stream of a port-forward by hand.
func stream(c httpstream.Connection, kind, port string, request int) (httpstream.Stream, error) {
	h := http.Header{}
	h.Set(core.StreamType, kind)
	h.Set(core.PortHeader, port)
	h.Set(core.PortForwardRequestIDHeader, strconv.Itoa(request))
	return c.CreateStream(h)
}

// pair opens both: what comes back on data, and on error.
func pair(c httpstream.Connection, port string, request int, text string) (data, why string, err error) {
	e, err := stream(c, core.StreamTypeError, port, request)
	if err != nil {
		return "", "", err
	}
	e.Close()
	d, err := stream(c, core.StreamTypeData, port, request)
	if err != nil {
		return "", "", err
	}
	io.WriteString(d, text)
	d.Close()
	got, err := io.ReadAll(d)
	if err != nil {
		return "", "", err
	}
	said, err := io.ReadAll(e)
	return string(got), string(said), err
}

// atOnce runs f n times at a time.
func atOnce(n int, f func(i int) error) error {
	var group sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		group.Add(1)
		go func() {
			defer group.Done()
			errs[i] = f(i)
		}()
	}
	group.Wait()
	return errors.Join(errs...)
}

func manyConnections(address string, n int) error {
	return atOnce(n, func(i int) error {
		return echo(address, strings.Repeat(fmt.Sprintf("connection %d ", i), 1000))
	})
}

func refused() error {
	u, err := forwardURL()
	if err != nil {
		return err
	}
	d, err := dialer(*transport, u)
	if err != nil {
		return err
	}
	c, _, err := d.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return err
	}
	defer c.Close()
	_, why, err := pair(c, strconv.Itoa(portNone), 0, "")
	if err == nil {
		err = wantText("refused", errors.New(why))
	}
	for i, port := range []string{"0", "70000", "http", "-1", ""} {
		if _, bad := stream(c, core.StreamTypeData, port, 1+i); bad == nil {
			err = errors.Join(err, fmt.Errorf("port %q was taken", port))
		}
	}
	got, why, again := pair(c, strconv.Itoa(portEcho4), 9, "still here")
	return errors.Join(err, again, same("echo", "still here", got), same("error", "", why))
}

func upload(address string) error {
	return connected(address, func(c *net.TCPConn) error {
		if _, err := io.Copy(c, newNoise(3, *mib<<20)); err != nil {
			return err
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		return errors.Join(err, same("SHA-256", noiseSum(3, *mib<<20), string(got)))
	})
}

func download(address string, pause time.Duration) error {
	return connected(address, func(c *net.TCPConn) error {
		got := newSum(pause)
		_, err := io.Copy(got, c)
		return errors.Join(err, same("bytes", *mib<<20, got.n), same("SHA-256", noiseSum(2, *mib<<20), got.String()))
	})
}

// forwardTransfers sends much through forwarded ports.
func forwardTransfers() {
	check(fmt.Sprintf("%d MiB in, then the end, then the answer", *mib), func() error {
		return with(portSum, upload)
	})
	for _, speed := range speeds {
		check(fmt.Sprintf("%d MiB out to a %s reader", *mib, speed.name), func() error {
			return with(portNoise, func(a string) error { return download(a, speed.pause) })
		})
	}
}

// transferChecks are those whose size is the point.
func transferChecks() error {
	execTransfers()
	forwardTransfers()
	return nil
}

func forwardChecks() error {
	check("a port on 127.0.0.1", func() error {
		return with(portEcho4, func(a string) error { return echo(a, "hello") })
	})
	check("a port on ::1 alone", func() error {
		return with(portEcho6, func(a string) error { return echo(a, "hello") })
	})
	check("200 connections at a time", func() error {
		return with(portEcho4, func(a string) error { return manyConnections(a, 200) })
	})
	check("a refused connection is told, and ends nothing else; nor does what is no port", refused)
	forwardTransfers()
	return nil
}
