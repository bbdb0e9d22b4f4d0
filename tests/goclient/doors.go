package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func words(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("x", size)
	}
	return all
}

func execOf(cmd []string) error {
	_, err := execURL(streams{stdout: true}, cmd...)
	return err
}

// urls asks for URLs whose commands are large.
func urls() error {
	client, err := runtime()
	if err != nil {
		return err
	}
	check("Exec: a word that execve does not take is refused", func() error {
		return same("code", codes.InvalidArgument, status.Code(execOf(words(1, 128<<10))))
	})
	check("Exec: 3 MB of words are refused", func() error {
		return same("code", codes.InvalidArgument, status.Code(execOf(words(100, 30_000))))
	})
	check("ExecSync: as well", func() error {
		_, err := client.ExecSync(context.Background(), &cri.ExecSyncRequest{ContainerId: *container, Cmd: words(1, 128<<10)})
		return same("code", codes.InvalidArgument, status.Code(err))
	})
	check("CreateContainer: a word that execve does not take is refused", func() error {
		_, err := client.CreateContainer(context.Background(), &cri.CreateContainerRequest{
			PodSandboxId: *pod,
			Config: &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: "long"},
				Image: &cri.ImageSpec{Image: "x"}, Command: words(1, 128<<10)},
			SandboxConfig: &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: "x", Namespace: "x", Uid: "x"}},
		})
		return same("code", codes.InvalidArgument, status.Code(err))
	})
	check("200 URLs with 1.8 MB each: at last one is too many, and its answer says why", func() error {
		for i := range 200 {
			err := execOf(words(60, 30_000))
			if err == nil {
				continue
			}
			if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "16777216") {
				return err
			}
			if i < 4 {
				return fmt.Errorf("after %d already", i)
			}
			return nil
		}
		return errors.New("200 wait")
	})
	check("a small one still finds room", func() error { return execOf([]string{"true"}) })
	return nil
}

// answer sends a request and returns the status of its answer.
func answer(u *url.URL, request string) (int, error) {
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request); err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	return r.StatusCode, nil
}

// origins shows a token as a page of a browser would.
func origins() error {
	requests := map[string]func(*url.URL) string{"SPDY": upgradeRequest, "WebSocket": webSocketRequest}
	for name, request := range requests {
		for _, origin := range []string{"http://evil.example", "https://evil.example", "null", "http://127.0.0.1",
			"http://localhost.evil.example", "http://localhost:81", "file://"} {
			check(fmt.Sprintf("%s from a page of %s: no session, and the token is not used up", name, origin), func() error {
				u, err := shellURL()
				if err != nil {
					return err
				}
				head := strings.Replace(request(u), "Host: x\r\n", "Host: "+u.Host+"\r\n", 1)
				code, err := answer(u, strings.Replace(head, "Host:", "Origin: "+origin+"\r\nHost:", 1))
				if err == nil {
					err = same("status", http.StatusForbidden, code)
				}
				if err != nil {
					return err
				}
				code, err = answer(u, head)
				if err != nil {
					return err
				}
				return same("status without Origin", http.StatusSwitchingProtocols, code)
			})
		}
		check(name+" by a name that leads here: no session", func() error {
			u, err := shellURL()
			if err != nil {
				return err
			}
			code, err := answer(u, strings.Replace(request(u), "Host: x\r\n",
				"Host: evil.example:80\r\nOrigin: http://evil.example:80\r\n", 1))
			if err != nil {
				return err
			}
			return same("status", http.StatusForbidden, code)
		})
		for _, origin := range []string{"http://localhost", ""} {
			check(fmt.Sprintf("%s with the origin %q, as clients of Kubernetes have it: a session", name, origin), func() error {
				u, err := shellURL()
				if err != nil {
					return err
				}
				if origin == "" {
					origin = "http://" + u.Host
				}
				code, err := answer(u, strings.Replace(request(u), "Host: x\r\n",
					"Host: "+u.Host+"\r\nOrigin: "+origin+"\r\n", 1))
				if err != nil {
					return err
				}
				return same("status", http.StatusSwitchingProtocols, code)
			})
		}
	}
	return nil
}

// resets opens calls and gives each up at once, count of them, per-connection on each connection, on several connections
// at a time: what a call costs must go with it.
func resets() error {
	method := "/runtime.v1.RuntimeService/" + *rpc
	lanes := make(chan error)
	for range *parallel {
		go func() {
			for left := *count / *parallel; left > 0; left -= *perLink {
				if err := resetsOnce(method, min(left, *perLink)); err != nil {
					lanes <- err
					return
				}
			}
			lanes <- nil
		}()
	}
	var err error
	for range *parallel {
		if e := <-lanes; err == nil {
			err = e
		}
	}
	return err
}

func resetsOnce(method string, n int) error {
	c, err := net.Dial("unix", *socket)
	if err != nil {
		return err
	}
	defer c.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(io.Discard, c)
		close(done)
	}()
	w := bufio.NewWriterSize(c, 1<<16)
	io.WriteString(w, http2.ClientPreface)
	f := http2.NewFramer(w, nil)
	f.WriteSettings()
	var block bytes.Buffer
	h := hpack.NewEncoder(&block)
	for i := range n {
		block.Reset()
		for _, kv := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "localhost"},
			{"content-type", "application/grpc"}, {"te", "trailers"}} {
			h.WriteField(hpack.HeaderField{Name: kv[0], Value: kv[1]})
		}
		id := uint32(2*i + 1)
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
		if *withData {
			f.WriteData(id, true, make([]byte, 5))
		}
		if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			fmt.Printf("# hung up after %d: %v\n", i, err)
			return nil
		}
	}
	if err := w.Flush(); err != nil {
		fmt.Printf("# hung up: %v\n", err)
		return nil
	}
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
	return nil
}

// calls makes count calls at a time over one connection, again and again, as a kubelet with many pods does: each is
// answered. Then as many are given up at once, and the connection goes on.
func calls() error {
	var dialled atomic.Int32
	conn, err := grpc.NewClient("passthrough:///crisp", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			dialled.Add(1)
			return (&net.Dialer{}).DialContext(ctx, "unix", *socket)
		}))
	if err != nil {
		return err
	}
	defer conn.Close()
	c, images := cri.NewRuntimeServiceClient(conn), cri.NewImageServiceClient(conn)
	kinds := []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.Version(ctx, &cri.VersionRequest{}); return err },
		func(ctx context.Context) error { _, err := c.Status(ctx, &cri.StatusRequest{}); return err },
		func(ctx context.Context) error {
			_, err := c.ListContainers(ctx, &cri.ListContainersRequest{})
			return err
		},
		func(ctx context.Context) error {
			_, err := c.ListPodSandboxStats(ctx, &cri.ListPodSandboxStatsRequest{})
			return err
		},
		func(ctx context.Context) error {
			_, err := images.ImageFsInfo(ctx, &cri.ImageFsInfoRequest{})
			return err
		},
	}
	together := func(rounds int, lifetime time.Duration, wanted func(error) bool) error {
		errs := make(chan error)
		for i := range *count {
			go func() {
				var err error
				for j := range rounds {
					ctx, cancel := context.WithTimeout(context.Background(), lifetime)
					if e := kinds[(i+j)%len(kinds)](ctx); !wanted(e) && err == nil {
						err = fmt.Errorf("call %d of caller %d: %w", j, i, e)
					}
					cancel()
				}
				errs <- err
			}()
		}
		var err error
		for range *count {
			if e := <-errs; e != nil {
				err = e
			}
		}
		return err
	}
	answered := func(err error) bool { return err == nil }
	givenUp := func(err error) bool { return err == nil || status.Code(err) == codes.DeadlineExceeded }
	check(fmt.Sprintf("%d calls at a time", *count), func() error { return together(10, time.Minute, answered) })
	check("as many that are given up", func() error { return together(1, time.Millisecond, givenUp) })
	check("and again", func() error { return together(10, time.Minute, answered) })
	check("all over one connection", func() error { return same("connections", 1, dialled.Load()) })
	return nil
}
