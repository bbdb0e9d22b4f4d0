package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

// soak keeps many exec sessions and many forwarded connections going for a while.  Most end by
// themselves and are checked; the others are cut at a random moment.

type tally struct{ execs, forwards, cut, wrong atomic.Int64 }

func (t *tally) note(what string, cut bool, err error) {
	if cut {
		t.cut.Add(1)
	} else if err != nil {
		if t.wrong.Add(1) <= 20 {
			fmt.Printf("# %s: %v\n", what, err)
		}
		time.Sleep(time.Second) // what is refused at once is not asked for again at once
	}
}

func soakExec(r *rand.Rand, t *tally) {
	over := []string{"spdy", "websocket"}[r.Intn(2)]
	size := r.Int63n(200_000)
	cut := r.Intn(3) == 0
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if cut {
		time.AfterFunc(time.Duration(r.Intn(3000))*time.Millisecond, cancel)
	}
	out := newSum(0)
	err := func() error {
		u, err := execURL(streams{stdin: true, stdout: true, stderr: true}, "cat")
		if err != nil {
			return err
		}
		e, err := executor(over, u)
		if err != nil {
			return err
		}
		err = e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: newNoise(uint64(size), size), Stdout: out, Stderr: io.Discard})
		return errors.Join(err, same("SHA-256", noiseSum(uint64(size), size), out.String()))
	}()
	t.execs.Add(1)
	t.note("exec over "+over, cut, err)
}

func soakConnection(r *rand.Rand, t *tally, address string, gone *atomic.Bool) {
	cut := r.Intn(3) == 0
	err := func() error {
		if !cut {
			return echo(address, strings.Repeat("0123456789", r.Intn(20_000)))
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		io.CopyN(c, newNoise(1, 100_000), r.Int63n(100_000))
		return c.Close()
	}()
	t.forwards.Add(1)
	t.note("forwarded connection", cut || gone.Load(), err)
}

// soakForwarder holds one port-forward session with several connections at a time, again and again.
// When it goes while its connections are used, they fail, and that is no fault.
func soakForwarder(r *rand.Rand, t *tally, connections int, until time.Time) {
	for time.Now().Before(until) {
		address, stop, err := forward([]string{"spdy", "websocket"}[r.Intn(2)], portEcho4)
		if err != nil {
			t.note("port-forward", false, err)
			continue
		}
		end := time.Now().Add(time.Duration(2+r.Intn(15)) * time.Second)
		var group sync.WaitGroup
		var gone atomic.Bool
		for range connections {
			own := rand.New(rand.NewSource(r.Int63()))
			group.Add(1)
			go func() {
				defer group.Done()
				for time.Now().Before(end) && !gone.Load() {
					soakConnection(own, t, address, &gone)
				}
			}()
		}
		if r.Intn(3) == 0 {
			time.Sleep(time.Duration(r.Intn(2000)) * time.Millisecond)
			gone.Store(true)
			stop()
			group.Wait()
			continue
		}
		group.Wait()
		t.note("port-forward", false, stop())
	}
}

func soak() error {
	var t tally
	var group sync.WaitGroup
	r := rand.New(rand.NewSource(*seed))
	until := time.Now().Add(*duration)
	for range *sessions {
		own := rand.New(rand.NewSource(r.Int63()))
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Now().Before(until) {
				soakExec(own, &t)
			}
		}()
	}
	const perSession = 10
	for range *sessions / perSession {
		own := rand.New(rand.NewSource(r.Int63()))
		group.Add(1)
		go func() {
			defer group.Done()
			soakForwarder(own, &t, perSession, until)
		}()
	}
	group.Wait()
	fmt.Printf("# %d exec sessions, %d forwarded connections, %d of them cut, %d wrong\n", t.execs.Load(),
		t.forwards.Load(), t.cut.Load(), t.wrong.Load())
	if t.wrong.Load() > 0 {
		return errors.New("some sessions that were not cut went wrong")
	}
	return nil
}
