package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type eventStream = grpc.ServerStreamingClient[cri.ContainerEventResponse]

// subscribe opens count streams, 250 on a connection, and says "ready" once all are there.
func subscribe() ([]eventStream, error) {
	var all []eventStream
	var client cri.RuntimeServiceClient
	for i := range *count {
		if i%250 == 0 {
			conn, err := dial()
			if err != nil {
				return nil, err
			}
			client = cri.NewRuntimeServiceClient(conn)
		}
		s, err := client.GetContainerEvents(context.Background(), &cri.GetEventsRequest{})
		if err != nil {
			return nil, err
		}
		if _, err := s.Header(); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	fmt.Println("ready")
	return all, nil
}

// events subscribes count times; each subscriber reads until the deletion of the container.  The first
// error ends them all.
func events() error {
	all, err := subscribe()
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	got := make([]string, len(all))
	for i, s := range all {
		group.Go(func() {
			for {
				e, err := s.Recv()
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if e.ContainerId != *container {
					continue
				}
				got[i] += e.ContainerEventType.String() + " "
				if e.ContainerEventType == cri.ContainerEventType_CONTAINER_DELETED_EVENT {
					return
				}
			}
		})
	}
	group.Wait()
	times := map[string]int{}
	for _, g := range got {
		times[g]++
	}
	for g, n := range times {
		fmt.Printf("%d %s\n", n, g)
	}
	return nil
}

// unread subscribes and reads nothing until a line comes on standard input, then all to the end.
func unread() error {
	*count = 1
	all, err := subscribe()
	if err != nil {
		return err
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
	for n := 0; ; n++ {
		if _, err := all[0].Recv(); err != nil {
			fmt.Printf("%d events, then %s: %s\n", n, status.Code(err), status.Convert(err).Message())
			return nil
		}
	}
}
