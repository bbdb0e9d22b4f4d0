package main

import (
	"fmt"
	"io"
	"net"
)

// What goclient serve offers, each on a port of its own.
const (
	portEcho4 = 7001 // 127.0.0.1: what comes goes back, until it ends
	portEcho6 = 7002 // the same on ::1 alone
	portSum   = 7003 // reads to the end, then answers the SHA-256 of it
	portNoise = 7004 // sends -mib MiB of noise, whatever comes
	portZeros = 7005 // the same, of zeros: costs nothing to make
	portTaken = 7006 // reads as much, then answers with a byte
	portNone  = 7009 // nobody listens
)

func serve() error {
	servers := []struct {
		address string
		answer  func(net.Conn)
	}{
		{fmt.Sprintf("127.0.0.1:%d", portEcho4), func(c net.Conn) { io.Copy(c, c) }},
		{fmt.Sprintf("[::1]:%d", portEcho6), func(c net.Conn) { io.Copy(c, c) }},
		{fmt.Sprintf("127.0.0.1:%d", portSum), func(c net.Conn) {
			s := newSum(0)
			io.Copy(s, c)
			fmt.Fprint(c, s)
		}},
		{fmt.Sprintf("127.0.0.1:%d", portNoise), func(c net.Conn) { io.Copy(c, newNoise(2, *mib<<20)) }},
		{fmt.Sprintf("127.0.0.1:%d", portZeros), func(c net.Conn) {
			block := make([]byte, 1<<20)
			for range *mib {
				c.Write(block)
			}
		}},
		{fmt.Sprintf("127.0.0.1:%d", portTaken), func(c net.Conn) {
			io.CopyN(io.Discard, c, *mib<<20)
			c.Write([]byte{0})
		}},
	}
	for _, s := range servers {
		l, err := net.Listen("tcp", s.address)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					s.answer(c)
				}()
			}
		}()
	}
	fmt.Println("serving")
	select {}
}
