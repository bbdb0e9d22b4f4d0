package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// drain reads a stream to its end and returns all items and the number of messages.
func drain[R any, T any](stream grpc.ServerStreamingClient[R], err error, items func(*R) []T) ([]T, int, error) {
	var all []T
	for n := 0; ; n++ {
		if err != nil {
			return nil, n, err
		}
		var r *R
		if r, err = stream.Recv(); errors.Is(err, io.EOF) {
			return all, n, nil
		} else if err == nil {
			all = append(all, items(r)...)
		}
	}
}

// equal is an error unless both lists hold equal messages, in any order.
func equal[T proto.Message](list, stream []T, key func(T) string) error {
	if err := same("items", len(list), len(stream)); err != nil {
		return err
	}
	order := func(a, b T) int { return slices.Compare([]byte(key(a)), []byte(key(b))) }
	slices.SortFunc(list, order)
	slices.SortFunc(stream, order)
	for i := range list {
		if !proto.Equal(list[i], stream[i]) {
			return fmt.Errorf("%v is streamed as %v", list[i], stream[i])
		}
	}
	return nil
}

func images() (cri.ImageServiceClient, error) {
	conn, err := dial()
	return cri.NewImageServiceClient(conn), err
}

// lists compares each list with its stream, which may pass 16 MiB.
func lists() error {
	c, err := runtime()
	if err != nil {
		return err
	}
	i, err := images()
	if err != nil {
		return err
	}
	ctx := context.Background()
	check("pods: the stream equals the list", func() error {
		list, err := c.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		s, err := c.StreamPodSandboxes(ctx, &cri.StreamPodSandboxesRequest{})
		all, _, err := drain(s, err, (*cri.StreamPodSandboxesResponse).GetPodSandboxes)
		return errors.Join(err, equal(list.Items, all, (*cri.PodSandbox).GetId))
	})
	for _, state := range []cri.ContainerState{cri.ContainerState_CONTAINER_CREATED, cri.ContainerState_CONTAINER_RUNNING} {
		check("containers: as well, "+state.String(), func() error {
			f := &cri.ContainerFilter{State: &cri.ContainerStateValue{State: state}, Id: *container}
			list, err := c.ListContainers(ctx, &cri.ListContainersRequest{Filter: f})
			if err != nil {
				return err
			}
			s, err := c.StreamContainers(ctx, &cri.StreamContainersRequest{Filter: f})
			all, _, err := drain(s, err, (*cri.StreamContainersResponse).GetContainers)
			return errors.Join(err, equal(list.Containers, all, (*cri.Container).GetId))
		})
	}
	check("images: as well", func() error {
		list, err := i.ListImages(ctx, &cri.ListImagesRequest{})
		if err != nil {
			return err
		}
		s, err := i.StreamImages(ctx, &cri.StreamImagesRequest{})
		all, _, err := drain(s, err, (*cri.StreamImagesResponse).GetImages)
		return errors.Join(err, equal(list.Images, all, (*cri.Image).GetId))
	})
	check("stats of containers: of the same ones", func() error {
		f := &cri.ContainerStatsFilter{Id: *container}
		list, err := c.ListContainerStats(ctx, &cri.ListContainerStatsRequest{Filter: f})
		if err != nil {
			return err
		}
		s, err := c.StreamContainerStats(ctx, &cri.StreamContainerStatsRequest{Filter: f})
		all, _, err := drain(s, err, (*cri.StreamContainerStatsResponse).GetContainerStats)
		return errors.Join(err, sameIDs(list.Stats, all, func(s *cri.ContainerStats) proto.Message { return s.Attributes }))
	})
	check("stats of pods: as well", func() error {
		list, err := c.ListPodSandboxStats(ctx, &cri.ListPodSandboxStatsRequest{})
		if err != nil {
			return err
		}
		s, err := c.StreamPodSandboxStats(ctx, &cri.StreamPodSandboxStatsRequest{})
		all, _, err := drain(s, err, (*cri.StreamPodSandboxStatsResponse).GetPodSandboxStats)
		return errors.Join(err, sameIDs(list.Stats, all, func(s *cri.PodSandboxStats) proto.Message { return s.Attributes }))
	})
	return nil
}

// sameIDs compares what does not change from one moment to the next.
func sameIDs[T any](list, stream []T, of func(T) proto.Message) error {
	part := func(all []T) []proto.Message {
		parts := make([]proto.Message, len(all))
		for i := range all {
			parts[i] = of(all[i])
		}
		return parts
	}
	return equal(part(list), part(stream), func(m proto.Message) string { return fmt.Sprint(m) })
}

// longLists is for more than 16 MiB of containers, count of them.
func longLists() error {
	c, err := runtime()
	if err != nil {
		return err
	}
	ctx := context.Background()
	check("the list is too long for one message", func() error {
		_, err := c.ListContainers(ctx, &cri.ListContainersRequest{})
		return same("code", codes.ResourceExhausted, status.Code(err))
	})
	check("the stream has all of it", func() error {
		bytes := 0
		s, err := c.StreamContainers(ctx, &cri.StreamContainersRequest{})
		all, n, err := drain(s, err, func(r *cri.StreamContainersResponse) []*cri.Container {
			bytes += proto.Size(r)
			return r.Containers
		})
		if err == nil && bytes <= 16<<20 {
			err = fmt.Errorf("%d bytes in %d messages only", bytes, n)
		}
		return errors.Join(err, same("containers", *count, len(all)))
	})
	check("and of the stats", func() error {
		s, err := c.StreamContainerStats(ctx, &cri.StreamContainerStatsRequest{})
		all, _, err := drain(s, err, (*cri.StreamContainerStatsResponse).GetContainerStats)
		return errors.Join(err, same("containers", *count, len(all)))
	})
	return nil
}

// podStatus compares the statuses of a pod's containers, count of them, with ContainerStatus.
func podStatus() error {
	c, err := runtime()
	if err != nil {
		return err
	}
	ctx := context.Background()
	before := time.Now().UnixNano()
	r, err := c.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: *pod})
	if err != nil {
		return err
	}
	var each []*cri.ContainerStatus
	for _, s := range r.ContainersStatuses {
		one, err := c.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: s.Id})
		if err != nil {
			return err
		}
		each = append(each, one.Status)
	}
	if r.Timestamp < before || r.Timestamp > time.Now().UnixNano() {
		return fmt.Errorf("timestamp %d, asked at %d", r.Timestamp, before)
	}
	return errors.Join(same("containers", *count, len(each)), equal(each, r.ContainersStatuses, (*cri.ContainerStatus).GetId))
}
