package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Sessions as a client sends them, byte by byte: the streams error, stdin, stdout and stderr of an exec
// with a line for stdin; error and data of a forwarded port.
const (
	spdyExec = "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff" +
		"800300010000001700000003000000000000c22e555c92929907000000ffff" +
		"800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff" +
		"800300010000001500000007000000000000c229975a5404000000ffff" +
		"000000030000000368690a" + "0000000301000000" + "800300060000000400000001"
	spdyForward = "800300010000003d0000000100000000000078f9e3c6a7c202253a48f95b044eea16061606409ab308125f99a074cc68" +
		"004e892545a989b9d0c2863515141500000000ffff" + "0000000101000000" +
		"800300010000001500000003000000000000225333a8a44a04000000ffff" + "000000030000000368690a"
	spdyPing = "800300060000000400000001"
	wsExec   = "8284000000000068690a" + "8982000000007070" + "828200000000ff00"
)

func upgradeRequest(u *url.URL) string {
	return "POST " + u.Path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
		"X-Stream-Protocol-Version: portforward.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
}

func webSocketRequest(u *url.URL) string {
	return "GET " + u.Path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n" +
		"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
}

func unhex(text string) string {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func shellURL() (*url.URL, error) {
	return execURL(streams{stdin: true, stdout: true, stderr: true}, "cat")
}

// vanish says ever more of a session and goes, politely or not.
func vanish(ask func() (*url.URL, error), request func(*url.URL) string, frames string) error {
	u, err := ask()
	if err != nil {
		return err
	}
	for n := range len(request(u)) + len(frames) + 1 {
		u, err := ask()
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return err
		}
		head := request(u)
		io.WriteString(c, head[:min(n, len(head))])
		if n > len(head) {
			// The answer is waited for, so that what follows is read as frames.
			bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, frames[:n-len(head)])
		}
		if n%2 == 0 {
			c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	return nil
}

// upgraded is a connection whose client has been answered 101.
func upgraded() (net.Conn, error) {
	u, err := shellURL()
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	io.WriteString(c, upgradeRequest(u))
	line, err := bufio.NewReaderSize(c, 16).ReadString('\n')
	if err == nil && !strings.Contains(line, " 101 ") {
		err = errors.New(line)
	}
	return c, err
}

// flood sends for as long as it is read from, and reads nothing: the server has to stop listening.
func flood(frame string) error {
	c, err := upgraded()
	if err != nil {
		return err
	}
	defer c.Close()
	block := strings.Repeat(frame, 1<<20/len(frame))
	for sent := 0; sent < 256<<20; sent += len(block) {
		c.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, block); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return fmt.Errorf("it hung up: %w", err)
		}
	}
	return errors.New("256 MiB of PINGs were taken, whose answers nobody read")
}

// closed waits for the server to hang up.
func closed(c net.Conn, atLeast, atMost time.Duration) error {
	start := time.Now()
	c.SetReadDeadline(start.Add(atMost))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("still open after %s", atMost)
	}
	if took := time.Since(start); took < atLeast {
		return fmt.Errorf("closed after %s", took)
	}
	return nil
}

// crowd opens more connections than there may be: the first ones make room for the last ones at once.
func crowd() error {
	u, err := shellURL()
	if err != nil {
		return err
	}
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range 1100 {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := closed(all[0], 0, 20*time.Second); err != nil {
		return err
	}
	last := all[len(all)-1]
	last.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := last.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the last one: %v", err)
	}
	return nil
}

// tokens asks for more URLs than may wait, and finds the first one worthless when there is room again.
func tokens() error {
	client, err := runtime()
	if err != nil {
		return err
	}
	next := func() (string, error) {
		r, err := client.Exec(context.Background(), &cri.ExecRequest{ContainerId: *container, Cmd: []string{"true"}, Stdout: true})
		return r.GetUrl(), err
	}
	start := time.Now()
	first, err := next()
	if err != nil {
		return err
	}
	for i := 0; err == nil; i++ {
		if i > 1100 {
			return errors.New("1100 URLs wait")
		}
		_, err = next()
	}
	if err := same("code", codes.ResourceExhausted, status.Code(err)); err != nil {
		return err
	}
	// Those that wait from before may make room sooner, but in a minute the first is one of the late.
	for err != nil || time.Since(start) < 61*time.Second {
		if time.Since(start) > 3*time.Minute {
			return errors.New("they wait for ever")
		}
		time.Sleep(time.Second)
		_, err = next()
	}
	response, err := http.Post(first, "", nil)
	if err != nil {
		return err
	}
	response.Body.Close()
	return same("status of the first", http.StatusNotFound, response.StatusCode)
}

func hostileChecks() error {
	check("an exec over SPDY that vanishes at every byte", func() error {
		return vanish(shellURL, upgradeRequest, unhex(spdyExec))
	})
	check("an exec over WebSocket that vanishes at every byte", func() error {
		return vanish(shellURL, webSocketRequest, unhex(wsExec))
	})
	check("a port-forward that vanishes at every byte", func() error {
		return vanish(func() (*url.URL, error) { return forwardURL() }, upgradeRequest, unhex(spdyForward))
	})
	check("a flood of PINGs from one that reads no answer", func() error { return flood(unhex(spdyPing)) })
	check("streams that never come", func() error {
		c, err := upgraded()
		if err != nil {
			return err
		}
		defer c.Close()
		return closed(c, 10*time.Second, 2*time.Minute)
	})
	check("more connections than there may be", crowd)
	check("more tokens than may wait, and their minute", tokens)
	return nil
}
