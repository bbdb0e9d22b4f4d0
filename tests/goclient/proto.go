package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/gorilla/websocket"
)

// dialWebSocket upgrades a URL with one subprotocol.
func dialWebSocket(u *url.URL, protocol string) (*websocket.Conn, error) {
	d := websocket.Dialer{TLSClientConfig: &tls.Config{}}
	if protocol != "" {
		d.Subprotocols = []string{protocol}
	}
	if *caFile != "" {
		pem, err := os.ReadFile(*caFile)
		if err != nil {
			return nil, err
		}
		d.TLSClientConfig.RootCAs = x509.NewCertPool()
		d.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	if *certFile != "" {
		pair, err := tls.LoadX509KeyPair(*certFile, *keyFile)
		if err != nil {
			return nil, err
		}
		d.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(u.String(), "http"), nil)
	if err == nil && c.Subprotocol() != protocol {
		err = fmt.Errorf("asked for %q, got %q", protocol, c.Subprotocol())
	}
	return c, err
}

// channels reads to the normal close: what each channel said.
func channels(c *websocket.Conn, base64d bool) (map[byte]string, error) {
	said := map[byte]string{}
	for {
		kind, data, err := c.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			return said, nil
		}
		if err != nil {
			return said, err
		}
		if base64d {
			if err := same("kind of message", websocket.TextMessage, kind); err != nil {
				return said, err
			}
			text, err := base64.StdEncoding.DecodeString(string(data[1:]))
			if err != nil {
				return said, err
			}
			data = append([]byte{data[0] - '0'}, text...)
		}
		said[data[0]] += string(data[1:])
	}
}

// webSocketExec types into a command with one of the old subprotocols, of which none can end stdin.
func webSocketExec(protocol string) error {
	u, err := execURL(streams{stdin: true, stdout: true, stderr: true}, "sh", "-c",
		"read l; echo got $l; head -c 100000 /dev/zero | tr '\\0' x; echo e >&2; exit 6")
	if err != nil {
		return err
	}
	c, err := dialWebSocket(u, protocol)
	if err != nil {
		return err
	}
	defer c.Close()
	base64d := strings.Contains(protocol, "base64")
	if base64d {
		for _, piece := range []string{"fo", "o\n"} {
			text := "0" + base64.StdEncoding.EncodeToString([]byte(piece))
			if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				return err
			}
		}
	} else if err := c.WriteMessage(websocket.BinaryMessage, []byte("\x00foo\n")); err != nil {
		return err
	}
	said, err := channels(c, base64d)
	want := "command terminated with non-zero exit code: exit status 6"
	if strings.HasPrefix(protocol, "v4") {
		want = `{"status":"Failure","message":"` + want +
			`","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"6"}]}}`
	}
	return errors.Join(err, same("stdout", "got foo\n"+strings.Repeat("x", 100000), said[1]),
		same("stderr", "e\n", said[2]), same("status", want, said[3]))
}

// webSocketForward speaks the port-forward of before SPDY was tunnelled: two channels a port.
func webSocketForward(protocol string) error {
	u, err := forwardURL(portEcho4, portNone)
	if err != nil {
		return err
	}
	c, err := dialWebSocket(u, protocol)
	if err != nil {
		return err
	}
	defer c.Close()
	base64d := strings.Contains(protocol, "base64")
	if base64d {
		err = c.WriteMessage(websocket.TextMessage, []byte("0"+base64.StdEncoding.EncodeToString([]byte("hello"))))
	} else {
		err = c.WriteMessage(websocket.BinaryMessage, []byte("\x00hello"))
	}
	if err != nil {
		return err
	}
	said := map[byte]string{}
	for len(said[0]) < 2+len("hello") || len(said[1]) < 2 || len(said[2]) < 2 || len(said[3]) < 3 {
		_, data, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if base64d {
			text, err := base64.StdEncoding.DecodeString(string(data[1:]))
			if err != nil {
				return err
			}
			data = append([]byte{data[0] - '0'}, text...)
		}
		said[data[0]] += string(data[1:])
	}
	port := func(n uint16) string { return string(binary.LittleEndian.AppendUint16(nil, n)) }
	err = errors.Join(same("data", port(portEcho4)+"hello", said[0]), same("error", port(portEcho4), said[1]),
		same("data of the second", port(portNone), said[2]))
	if !strings.Contains(said[3][2:], "refused") {
		err = errors.Join(err, fmt.Errorf("the second's error is %q", said[3][2:]))
	}
	return err
}

// versions of SPDY's remotecommand: only the later ones say the exit code in a way that a program reads.
func spdyVersion(protocol string, structured bool) error {
	// The oldest clients cannot end stdin.
	out, errOut, err := script(strings.NewReader("in\n"), "read l; printf $l; echo e >&2; exit 7", protocol)
	if structured {
		err = wantCode(7, err)
	} else {
		err = wantText("exit status 7", err)
	}
	_, _, success := script(nil, "true", protocol)
	return errors.Join(err, success, same("stdout", "in", out), same("stderr", "e\n", errOut))
}

func protoChecks() error {
	*transport = "spdy"
	for _, v := range []struct {
		name       string
		structured bool
	}{{"v2.channel.k8s.io", false}, {"v3.channel.k8s.io", false}, {"v4.channel.k8s.io", true}, {"v5.channel.k8s.io", true}} {
		check("SPDY, "+v.name, func() error { return spdyVersion(v.name, v.structured) })
	}
	check("SPDY, channel.k8s.io", func() error {
		// Its clients are content when the outputs end, before a failure is told.
		out, errOut, err := script(strings.NewReader("in\n"), "read l; printf $l; echo e >&2", "channel.k8s.io")
		return errors.Join(err, same("stdout", "in", out), same("stderr", "e\n", errOut))
	})
	for _, p := range []string{"", "channel.k8s.io", "base64.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"} {
		check(fmt.Sprintf("WebSocket, %q", p), func() error { return webSocketExec(p) })
	}
	for _, p := range []string{"", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"} {
		check(fmt.Sprintf("WebSocket port-forward, %q", p), func() error { return webSocketForward(p) })
	}
	return nil
}
