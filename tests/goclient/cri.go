package main

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// dial makes a new connection to the runtime.
func dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

var runtime = sync.OnceValues(func() (cri.RuntimeServiceClient, error) {
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	return cri.NewRuntimeServiceClient(conn), nil
})

// ask calls the runtime and parses the URL that it answers.
func ask(call func(context.Context, cri.RuntimeServiceClient) (string, error)) (*url.URL, error) {
	client, err := runtime()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text, err := call(ctx, client)
	if err != nil {
		return nil, err
	}
	return url.Parse(text)
}

type streams struct{ tty, stdin, stdout, stderr bool }

// kubeletURL is the kubelet's own URL of a session.
func kubeletURL(verb, target string, s streams, cmd ...string) (*url.URL, error) {
	q := url.Values{"command": cmd}
	for name, wanted := range map[string]bool{"tty": s.tty, "input": s.stdin, "output": s.stdout, "error": s.stderr} {
		if wanted {
			q.Set(name, "1")
		}
	}
	return url.Parse(*kubelet + "/" + verb + "/" + target + "?" + q.Encode())
}

func execURL(s streams, cmd ...string) (*url.URL, error) {
	if *kubelet != "" {
		return kubeletURL("exec", *container, s, cmd...)
	}
	return ask(func(ctx context.Context, c cri.RuntimeServiceClient) (string, error) {
		r, err := c.Exec(ctx, &cri.ExecRequest{ContainerId: *container, Cmd: cmd, Tty: s.tty,
			Stdin: s.stdin, Stdout: s.stdout, Stderr: s.stderr})
		return r.GetUrl(), err
	})
}

func attachURL(id string, s streams) (*url.URL, error) {
	if *kubelet != "" {
		return kubeletURL("attach", id, s)
	}
	return ask(func(ctx context.Context, c cri.RuntimeServiceClient) (string, error) {
		r, err := c.Attach(ctx, &cri.AttachRequest{ContainerId: id, Tty: s.tty, Stdin: s.stdin,
			Stdout: s.stdout, Stderr: s.stderr})
		return r.GetUrl(), err
	})
}

func forwardURL(ports ...int32) (*url.URL, error) {
	if *kubelet != "" {
		return kubeletURL("portForward", *pod, streams{})
	}
	return ask(func(ctx context.Context, c cri.RuntimeServiceClient) (string, error) {
		r, err := c.PortForward(ctx, &cri.PortForwardRequest{PodSandboxId: *pod, Port: ports})
		return r.GetUrl(), err
	})
}

// config takes the certificate that a kubelet has made for itself.
func config() *rest.Config {
	return &rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: *kubelet != "",
		CAFile: *caFile, CertFile: *certFile, KeyFile: *keyFile}}
}

// executor speaks the given versions only, or what the library offers by itself.
func executor(over string, u *url.URL, protocols ...string) (remotecommand.Executor, error) {
	if over == "websocket" {
		if len(protocols) == 0 {
			return remotecommand.NewWebSocketExecutor(config(), "GET", u.String())
		}
		return remotecommand.NewWebSocketExecutorForProtocols(config(), "GET", u.String(), protocols...)
	}
	if len(protocols) == 0 {
		return remotecommand.NewSPDYExecutor(config(), "POST", u)
	}
	roundTripper, upgrader, err := spdy.RoundTripperFor(config())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewSPDYExecutorForProtocols(roundTripper, upgrader, "POST", u, protocols...)
}

func dialer(over string, u *url.URL) (httpstream.Dialer, error) {
	if over == "websocket" {
		return portforward.NewSPDYOverWebsocketDialer(u, config())
	}
	roundTripper, upgrader, err := spdy.RoundTripperFor(config())
	if err != nil {
		return nil, err
	}
	return spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, "POST", u), nil
}
